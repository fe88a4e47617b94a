"""Study shares: which there are, how far each is, by what its arrival is proven, who has access; retry and revoke."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template

from console import job_pages
from console.access import needs
from console.notes import take

pages = Blueprint("shares", __name__)

KIND = "study-share"


@pages.get("/shares")
@needs("viewer")
def page() -> str:
    """List study shares, newest first."""
    return render_template("jobs.html", **job_pages.WORDS, view=job_pages.listed(KIND), notes=take())


@pages.get("/shares.json")
@needs("viewer")
def page_json() -> Response:
    """Return study shares, without whom they are about."""
    return jsonify(schema=1, **job_pages.listed_json(KIND))


@pages.get("/shares/<int:number>")
@needs("operator")
def one(number: int) -> str:
    """Show one share: its steps, counts, proof, recipients and links."""
    return render_template("job.html", **job_pages.WORDS, view=job_pages.one(number, KIND), notes=take())


@pages.get("/shares/<int:number>.json")
@needs("operator")
def one_json(number: int) -> Response:
    """Return one share, without whom it is about."""
    return jsonify(schema=1, **job_pages.one_json(number, KIND))


@pages.post("/shares/<int:number>/act")
@needs("operator")
def act(number: int) -> Any:
    """Retry, revoke or resume a share."""
    return job_pages.act(number, KIND)
