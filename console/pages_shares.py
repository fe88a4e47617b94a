"""Study shares: which there are, how far each is, by what its arrival is proven, who has access; retry and revoke."""

from __future__ import annotations

from console.job_pages import blueprint

pages = blueprint("shares", "study-share")
