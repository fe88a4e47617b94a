"""All jobs, study shares and pulls of priors: how far each is, and what it waits for."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template

from console import job_pages
from console.access import needs
from console.notes import take

pages = Blueprint("jobs", __name__)


@pages.get("/jobs")
@needs("viewer")
def page() -> str:
    """List jobs, newest first."""
    return render_template("jobs.html", **job_pages.WORDS, view=job_pages.listed(None), notes=take())


@pages.get("/jobs.json")
@needs("viewer")
def page_json() -> Response:
    """Return jobs, without whom they are about."""
    return jsonify(schema=1, **job_pages.listed_json(None))


@pages.get("/jobs/<int:number>")
@needs("operator")
def one(number: int) -> str:
    """Show one job: its steps and counts."""
    return render_template("job.html", **job_pages.WORDS, view=job_pages.one(number, None), notes=take())


@pages.get("/jobs/<int:number>.json")
@needs("operator")
def one_json(number: int) -> Response:
    """Return one job, without whom it is about."""
    return jsonify(schema=1, **job_pages.one_json(number, None))


@pages.post("/jobs/<int:number>/act")
@needs("operator")
def act(number: int) -> Any:
    """Retry, end or resume a job."""
    return job_pages.act(number, None)
