"""`plugin-host prior list|show|watch|request|retry|revoke|resume`."""

from __future__ import annotations

from host.job_commands import commands

prior_command = commands("prior", "pull-prior", "pulls of prior studies")
