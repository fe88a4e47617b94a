"""The audit trail: who did what, to which object, when and from where."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from console import notes
from console.access import needs
from console.desk import desk
from messages.audit import EVENTS, Entry
from store import audit

pages = Blueprint("audit", __name__)

LINES = 100


@pages.get("/audit")
@needs("admin")
def page() -> str:
    """Show the newest lines of the audit trail, or those that the filters choose."""
    return render_template("audit.html", entries=_entries(), words=sorted(EVENTS), filters=_filters(), limit=LINES)


@pages.get("/audit.json")
@needs("admin")
def page_json() -> Response:
    """Return lines of the audit trail."""
    return jsonify(schema=1, entries=[{**asdict(entry), "chain": entry.chain.hex()} for entry in _entries()])


def _filters() -> dict[str, str]:
    """Return the filters of the address: names of accounts and words of the trail, never a patient's value."""
    return {name: request.args.get(name, "")[:200] for name in ("who", "what", "entity")}


def _entries() -> list[Entry]:
    chosen = _filters()
    wanted: dict[str, Any] = {
        "who": chosen["who"] or None,
        "entity": chosen["entity"] or None,
        "what": [chosen["what"]] if chosen["what"] in EVENTS else [],
    }
    with desk().reader.snapshot() as connection:
        return audit.entries(connection, **wanted, before=notes.number("before"), limit=LINES)
