"""The help of each page, from the documents that ship with the host."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template

from console import help as documents
from console.access import needs

pages = Blueprint("help", __name__)


@pages.get("/help")
@needs("viewer")
def page() -> str:
    """Show docs/status-page.md; an address such as `/help#errors` opens a part of it."""
    return render_template("help.html", text=documents.html(documents.text()))


@pages.get("/help.json")
@needs("viewer")
def page_json() -> Response:
    """Return docs/status-page.md as it is written."""
    return jsonify(schema=1, markdown=documents.text())
