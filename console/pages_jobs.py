"""All jobs, study shares and pulls of priors: how far each is, and what it waits for."""

from __future__ import annotations

from console.job_pages import blueprint

pages = blueprint("jobs", None)
