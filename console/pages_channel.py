"""One channel: its destinations, its traffic by the hour, the revision that runs, and its last messages."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template
from flask_babel import gettext as _

from console import notes
from console.access import may, needs
from console.desk import desk
from console.status import ChannelStatus, day_start, overview
from console.works import CannotTell
from messages.lifecycle import OPEN, Status
from store import directory, hours, lists, pauses, reads, revisions

pages = Blueprint("channel", __name__)

#: Hours of the chart.
DAY, WEEK = 24, 7 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What a channel did in one hour. Time in seconds since 1970 UTC."""

    at: float
    received: int
    sent: int
    errored: int
    #: Deliveries that waited or were parked at its end.
    waiting: int


@pages.get("/channels/<name>")
@needs("viewer")
def page(name: str) -> str:
    """Show one channel."""
    return render_template("channel.html", **_view(name), notes=notes.take(), **_NOTHING)


@pages.get("/channels/<name>.json")
@needs("viewer")
def page_json(name: str) -> Response:
    """Return one channel."""
    view = _view(name)
    return jsonify(
        schema=1,
        **asdict(view["channel"]),
        leftover=view["leftover"],
        pause_ends_at=view["ends_at"],
        by_hour=[asdict(hour) for hour in view["hours"]],
        deployments=[asdict(one) for one in view["deployments"]],
    )


def _view(name: str) -> dict[str, Any]:
    found = next(
        (row for row in overview(desk().reader.facts(day_start(desk().zone))).channels if row.name == name), None
    )
    if found is None:
        abort(HTTPStatus.NOT_FOUND, _("There is no channel of this name."))
    now = time.time()
    with desk().reader.snapshot() as connection:
        row = next(row for row in directory.channels(connection) if row.name == name)
        counts = reads.counts(connection, now)
        mine = {line.name: counts[line.number] for line in row.destinations}
        flows = hours.flows(connection, [line.number for line in row.destinations], now, WEEK)
        last = lists.page(connection, lists.Wanted(channel=name, limit=20)).lines
        deployments = revisions.deployments(connection, name)[:10]
        ends = pauses.ends(connection)
    open_now = sum(of.levels.get(status, 0) for of in mine.values() for status in (*OPEN, Status.ERROR))
    return {
        "channel": found, "lines": mine, "last": last, "deployments": deployments, "ends_at": ends.get(name),
        "hours": _hours(flows, open_now, now), "leftover": _leftover(found, mine),
        "names": list(dict.fromkeys(key for line in last for key in line.index)) if may("operator") else [],
    }  # fmt: skip


def _hours(flows: dict[int, dict[str, int]], waiting: int, now: float) -> list[Hour]:
    """Return the hours of a week, oldest first; what waited is reckoned back from what waits now."""
    this, found = int(now // 3600), []
    for hour in range(this, this - WEEK, -1):
        flow = flows.get(hour, {})
        came = flow.get(Status.RECEIVED, 0)
        went = sum(flow.get(status, 0) for status in (Status.SENT, Status.FILTERED, Status.CANCELLED))
        found.append(
            Hour(
                at=hour * 3600.0, received=came, sent=flow.get(Status.SENT, 0), errored=flow.get(Status.ERROR, 0),
                waiting=max(waiting, 0),
            )
        )  # fmt: skip
        waiting += went - came
    return found[::-1]


def _leftover(channel: ChannelStatus, counts: dict[str, reads.DestinationCounts]) -> dict[str, int]:
    """Return what a stopped channel has left: in the line, and on the way without an answer yet."""
    on_the_way = sum(of.levels.get(Status.PENDING, 0) for of in counts.values())
    return {"in_line": channel.queued - on_the_way, "on_the_way": on_the_way}


@pages.post("/channels/<name>/difference")
@needs("analyst")
def difference(name: str) -> str:
    """Show how the file on disk differs from the revision that runs."""
    view, lines, problem = _view(name), None, None
    try:
        lines = desk().works.difference(name)
    except CannotTell as error:
        problem = str(error)
    return _shown(view, difference={"lines": lines, "problem": problem})


@pages.post("/channels/<name>/replay")
@needs("analyst")
def replay(name: str) -> str:
    """Show what the file on disk would make of the newest messages; nothing is sent."""
    view, lines, problem = _view(name), None, None
    try:
        lines = desk().works.replay(name)
    except CannotTell as error:
        problem = str(error)
    return _shown(view, replayed={"lines": lines, "problem": problem})


@pages.post("/channels/<name>/reach")
@needs("operator")
def reach(name: str) -> str:
    """Open and close a line to each destination's peer."""
    view, found, problem = _view(name), None, None
    try:
        found = desk().works.reach(name)
    except CannotTell as error:
        problem = str(error)
    return _shown(view, reached={"found": found, "problem": problem})


#: What was found out for a page; nothing yet.
_NOTHING: dict[str, Any] = {"difference": None, "reached": None, "replayed": None}


def _shown(view: dict[str, Any], **found: Any) -> str:
    return render_template("channel.html", **view, notes=[], **{**_NOTHING, **found})
