"""`plugin-host share list|show|watch|request|retry|revoke|resume`."""

from __future__ import annotations

from host.job_commands import commands

share_command = commands("share", "study-share", "study shares")
