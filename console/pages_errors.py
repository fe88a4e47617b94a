"""Errors grouped by cause: found, understood, tried without a risk, and retried together."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _

from console import notes
from console.access import needs, who
from console.desk import desk
from console.entrance import address
from console.errors import Group, groups
from console.works import CannotTell, Would
from store import parked

pages = Blueprint("errors", __name__)

#: Messages that a dry run maps: the newest of a group.
TRIED = 200


@pages.get("/errors")
@needs("viewer")
def page() -> str:
    """List the causes for which deliveries are parked."""
    return render_template("errors.html", groups=_groups(), notes=notes.take(), at_most=parked.AT_MOST)


@pages.get("/errors.json")
@needs("viewer")
def page_json() -> Response:
    """Return the causes for which deliveries are parked."""
    return jsonify(schema=1, groups=[_as_json(group) for group in _groups()])


def _as_json(group: Group) -> dict[str, Any]:
    return {
        "id": group.id, "channel": group.channel, "destination": group.destination, "cause": group.cause,
        "code": group.code, "deliveries": len(group.deliveries), "first_at": group.first_at, "last_at": group.last_at,
        "such_as": group.messages[:3],
    }  # fmt: skip


def _groups() -> list[Group]:
    with desk().reader.snapshot() as connection:
        return groups(parked.parked(connection))


def _group(identifier: str) -> Group:
    found = next((group for group in _groups() if group.id == identifier), None)
    if found is None:
        abort(HTTPStatus.NOT_FOUND, _("No delivery is parked for this cause any more."))
    return found


@pages.get("/errors/<identifier>")
@needs("operator")
def group(identifier: str) -> str:
    """Show one cause, its messages, and what may be done."""
    return render_template("error_group.html", group=_group(identifier), tried=None, problem=None, notes=notes.take())


@pages.get("/errors/<identifier>.json")
@needs("operator")
def group_json(identifier: str) -> Response:
    """Return one cause with all its messages."""
    found = _group(identifier)
    return jsonify(schema=1, **_as_json(found), messages=found.messages)


@pages.post("/errors/<identifier>/try")
@needs("operator")
def try_it(identifier: str) -> str:
    """Say what would become of the deliveries if they were tried now. Nothing is changed or sent."""
    found, tried, problem = _group(identifier), None, None
    try:
        tried = Tried(found, desk().works.would(found.messages[:TRIED]))
    except CannotTell as error:
        problem = str(error)
    return render_template("error_group.html", group=found, tried=tried, problem=problem, notes=[])


class Tried:
    """What a dry run said, for the deliveries of one group."""

    def __init__(self, group: Group, would: list[Would]) -> None:
        mine = [one for one in would if one.destination == group.destination]
        self.mapped = sum(one.becomes == "mapped" for one in mine)
        self.again = sum(one.becomes == "sent again" for one in mine)
        self.parked = sum(one.becomes == "parked" for one in mine)
        self.causes = sorted({one.cause for one in mine if one.becomes == "parked" and one.cause})
        #: Messages that would not be parked again.
        self.better = {one.message for one in mine if one.becomes != "parked"}
        self.looked_at = len(mine)


@pages.post("/errors/<identifier>/retry")
@needs("operator")
def retry(identifier: str) -> Any:
    """Try the deliveries again: all that the form named, or those of them that a dry run found better."""
    found = _group(identifier)
    chosen = set(request.form.getlist("message")) or set(found.messages)
    rows = [(one.message, one.delivery) for one in found.deliveries if one.message in chosen]
    if request.form.get("only") == "better":
        try:
            better = Tried(found, desk().works.would(found.messages[:TRIED])).better
        except CannotTell as error:
            abort(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        rows = [row for row in rows if row[0] in better]
    with desk().turn:
        # The oldest first: lanes keep the order, and so does their retry.
        done = desk().control.act_on_parked(rows[::-1], by=who(), reason=notes.reason(), address=address())
    notes.leave({"retried": done, "of": len(rows), "cause": found.id})
    return redirect(url_for("errors.page"), HTTPStatus.SEE_OTHER)
