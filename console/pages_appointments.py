"""Appointments across both channels: what each side said when, the state after each step, and the gaps."""

from __future__ import annotations

import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from console import guard
from console.access import needs, who
from console.desk import desk
from console.entrance import address
from store import appointments, audit
from store.appointments import Timeline

pages = Blueprint("appointments", __name__)

#: icon, colour class and word of each state.
APPOINTMENT_STATES = {
    "NONE": ("received", "off", _l("Not seen yet")),
    "OUTSIDE": ("received", "off", _l("Known to PowerServer from before")),
    "REQUESTED": ("pending", "warn", _l("Requested")),
    "PENDING": ("pending", "off", _l("Scheduled, not confirmed")),
    "WAITLIST": ("queued", "off", _l("On the waiting list")),
    "CONFIRMED": ("sent", "run", _l("Confirmed")),
    "ARRIVED": ("person", "run", _l("Arrived")),
    "READY": ("person", "run", _l("Ready for the scan")),
    "COMPLETED": ("verified", "run", _l("Completed")),
    "NOSHOW": ("error", "err", _l("Did not come")),
    "CANCELLED": ("cancelled", "off", _l("Cancelled")),
    "RESCHEDULE": ("retrying", "warn", _l("Needs another time")),
    "ERROR": ("error", "off", _l("Entered in error")),
}
SIDES = {"blume": "Blume", "powerserver": "PowerServer"}
GAPS = {
    "apart": _l("The two sides are apart."),
    "on its way": _l("A message is on its way."),
    "parked": _l("A message is parked and waits for a person."),
    "no decision": _l("PowerServer has not decided about the request."),
}


@pages.get("/appointments")
@needs("operator")
def page() -> str:
    """List the appointments to which something happened last, or those that a search finds."""
    return render_template("appointments.html", **_found(), STATES_OF=APPOINTMENT_STATES)


@pages.get("/appointments.json")
@needs("operator")
def page_json() -> Response:
    """Return the same appointments, without what happened to each."""
    found = _found()
    shown = [{name: value for name, value in asdict(one).items() if name != "lines"} for one in found["appointments"]]
    return jsonify(schema=1, appointments=shown, forgotten=found["forgotten"])


@pages.post("/appointments/search")
@needs("operator")
def search() -> Any:
    """Keep what is searched for, and go to an address that does not hold it."""
    query = request.form.get("q", "").strip()
    if not query:
        return redirect(url_for("appointments.page"), HTTPStatus.SEE_OTHER)
    identifier, name, place = desk().searches.keep(guard.csrf_token(), query), who(), address()
    desk().control.write(lambda tx: audit.record(tx, name, "messages-searched", "appointments", address=place))
    return redirect(url_for("appointments.page", s=identifier), HTTPStatus.SEE_OTHER)


@pages.get("/appointments/<int:number>")
@needs("operator")
def one(number: int) -> str:
    """Show one appointment."""
    return render_template(
        "appointment.html", one=_one(number), STATES_OF=APPOINTMENT_STATES, SIDES=SIDES, GAPS=GAPS
    )  # fmt: skip


@pages.get("/appointments/<int:number>.json")
@needs("operator")
def one_json(number: int) -> Response:
    """Return one appointment with all that happened to it."""
    return jsonify(schema=1, appointment=asdict(_one(number)))


def _found() -> dict[str, Any]:
    identifier = request.args.get("s")
    query = desk().searches.query(guard.csrf_token(), identifier) if identifier else None
    forgotten = identifier is not None and query is None
    with desk().reader.snapshot() as connection:
        if forgotten:
            numbers = []
        elif query is not None:
            numbers = appointments.search(connection, query)
        else:
            numbers = appointments.latest(connection)
        found = [appointments.timeline(connection, number, now=time.time()) for number in numbers]
    return {"appointments": [one for one in found if one is not None], "query": query, "forgotten": forgotten}


def _one(number: int) -> Timeline:
    with desk().reader.snapshot() as connection:
        found = appointments.timeline(connection, number, now=time.time())
    if found is None:
        abort(HTTPStatus.NOT_FOUND, _("There is no appointment of this number."))
    return found
