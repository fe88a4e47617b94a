"""Bookable resources: what OmegaAI and PowerServer have differently, since when, and what to change where."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, render_template
from flask_babel import lazy_gettext as _l

from console.access import needs
from console.desk import desk
from console.words import Word
from messages.resource import NAMES
from store import drift

pages = Blueprint("resources", __name__)

#: How bad a drift is.
SEVERITIES: dict[str, Word] = {
    "blocker": ("error", "err", _l("No bookings")),
    "warning": ("retrying", "warn", _l("Warning")),
    "info": ("received", "off", _l("For information")),
}


@pages.get("/resources")
@needs("viewer")
def page() -> str:
    """List what differs now, the plan of repairs shown last, what was cured lately, and how each side was read."""
    return render_template("resources.html", SEVERITIES=SEVERITIES, SIDES=NAMES, **_read())


@pages.get("/resources.json")
@needs("viewer")
def page_json() -> Response:
    """Return the same."""
    found = _read()
    return jsonify(
        schema=1,
        comparison=asdict(found["last"]) if found["last"] else None,
        sides=[asdict(side) for side in found["sides"]],
        open=[_row(line) for line in found["lines"]],
        cured=[_row(line) for line in found["cured"]],
        repair=_repair(found["repairs"]),
    )


def _read() -> dict[str, Any]:
    with desk().reader.snapshot() as connection:
        return {
            "last": drift.last_comparison(connection),
            "sides": list(drift.sides(connection).values()),
            "lines": drift.open_drifts(connection),
            "cured": drift.history(connection, 50),
            "blocked": drift.blocker_count(connection),
            "repairs": next(iter(drift.plans(connection, 1)), None),
        }


def _repair(plan: drift.PlanLine | None) -> dict[str, Any] | None:
    """Return the plan without what it sends."""
    if plan is None:
        return None
    changes = [{name: value for name, value in change.items() if name != "payload"} for change in plan.changes]
    return {**asdict(plan), "changes": changes}


def _row(line: drift.DriftLine) -> dict[str, Any]:
    return {
        **asdict(line.drift),
        "first_at": line.first_at,
        "last_at": line.last_at,
        "cured_at": line.cured_at,
    }
