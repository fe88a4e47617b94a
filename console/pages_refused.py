"""What the doors refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, render_template

from console import notes
from console.access import needs
from console.desk import desk
from store import lists

pages = Blueprint("refused", __name__)


@pages.get("/refused")
@needs("viewer")
def page() -> str:
    """List what the doors refused."""
    return render_template("refused.html", lines=_refused(), limit=50)


@pages.get("/refused.json")
@needs("viewer")
def page_json() -> Response:
    """Return what the doors refused."""
    return jsonify(schema=1, refused=_refused())


def _refused() -> list[dict[str, Any]]:
    with desk().reader.snapshot() as connection:
        lines = lists.refusals(connection, notes.number("before"))
    return [{**asdict(line), "problems": _problems(line.reason)} for line in lines]


def _problems(reason: str) -> list[dict[str, Any]]:
    """Return the problems of a refusal, as the door stored them: a JSON list of code, text and expression."""
    try:
        found = json.loads(reason)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(problem, dict) for problem in found):
        return [{"code": None, "text": reason, "expression": None}]
    return [{key: problem.get(key) for key in ("code", "text", "expression")} for problem in found]
