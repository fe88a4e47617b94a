"""The doctor's last round: every prerequisite of the integration, what was found, why it matters, how it is cured."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, render_template
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from console.access import needs
from console.desk import desk
from console.words import Word
from messages.health import Finding, Mark
from store import doctor

pages = Blueprint("doctor", __name__)

MARKS: dict[Mark, Word] = {
    Mark.FAIL: ("error", "err", _l("Fails")),
    Mark.WARN: ("retrying", "warn", _l("Warns")),
    Mark.UNKNOWN: ("filtered", "off", _l("Not checkable from here")),
    Mark.PASS: ("sent", "run", _l("Passes")),
}
#: What the names of checks begin with, as headings; in the order of the page.
PARTS: dict[str, LazyString] = {
    "files": _l("The site's files"),
    "powerserver": _l("Requirements of PowerServer"),
    "omegaai": _l("OmegaAI and Blume"),
    "share": _l("Study share"),
    "tables": _l("Code tables"),
    "resources": _l("Bookable resources"),
    "peer": _l("Peers"),
    "host": _l("This host"),
}


@pages.get("/doctor")
@needs("viewer")
def page() -> str:
    """Show the last round."""
    return render_template("doctor.html", MARKS=MARKS, PARTS=PARTS, **_read())


@pages.get("/doctor.json")
@needs("viewer")
def page_json() -> Response:
    """Return the last round."""
    found = _read()
    findings = [_row(one, found["since"]) for ones in found["parts"].values() for one in ones]
    return jsonify(schema=1, at=found["at"], counts=found["counts"], findings=findings)


def _read() -> dict[str, Any]:
    with desk().reader.snapshot() as connection:
        last = doctor.last_round(connection)
    findings = last.findings if last else ()
    parts = {name: [one for one in findings if one.check.partition(".")[0] == name] for name in PARTS}
    counts = Counter(one.mark for one in findings)
    return {
        "at": last.at if last else None,
        "parts": {name: ones for name, ones in parts.items() if ones},
        "counts": {mark.value: counts[mark] for mark in MARKS},
        "since": last.since if last else {},
    }


def _row(finding: Finding, since: dict[str, float]) -> dict[str, Any]:
    return {**asdict(finding), "mark": finding.mark.value, "since": since.get(finding.key)}
