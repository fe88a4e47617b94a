"""How the channels stand, and starting, pausing and stopping them."""

from __future__ import annotations

import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup

from channels.control import NoSuchChannel
from console import language, notes
from console.access import may, needs, who
from console.desk import desk
from console.entrance import address
from console.status import ChannelStatus, Overview, day_start, overview
from store import directory

pages = Blueprint("channels", __name__)

#: Seconds for which a table is shown again.
KEPT_FOR = 1.0

#: Minutes: a week.
LONGEST_PAUSE = 7 * 24 * 60


@pages.get("/")
@needs("viewer")
def page() -> str:
    """Show how the channels stand."""
    view, table = _table()
    return render_template("channels.html", view=view, table=table, notes=notes.take())


def _table() -> tuple[Overview, Markup]:
    """Return the overview and its table, made once in a second for all open pages of a language and role."""
    key = f"table {language.language()} {may('operator')}"
    kept = desk().found_out.get(key)
    if notes.are_there() or kept is None or kept[0] < time.monotonic():
        view = _overview()
        # No form is in it, and so no token of a session.
        table = Markup(render_template("_channels.html", view=view))  # noqa: S704  # our own page
        kept = (time.monotonic() + KEPT_FOR, {"view": view, "table": table})
        desk().found_out[key] = kept
    return kept[1]["view"], kept[1]["table"]


@pages.get("/channels.json")
@needs("viewer")
def page_json() -> Response:
    """Return how the channels stand."""
    view = _overview()
    return jsonify(
        schema=1,
        moving=view.moving,
        attention=[channel.name for channel in view.attention],
        since=view.since,
        refused=view.refused,
        alerts=view.alerts,
        silent=[process.role for process in view.silent],
        balance={"accepted": view.accepted, **view.shares},
        channels=[_channel_json(channel) for channel in view.channels],
    )


def _channel_json(channel: ChannelStatus) -> dict[str, Any]:
    return {**asdict(channel), "needs_attention": channel.needs_attention}


def _overview() -> Overview:
    return overview(desk().reader.facts(day_start(desk().zone)))


@pages.post("/channels/<name>/state")
@needs("operator")
def set_state(name: str) -> Any:
    """Start, pause or stop a channel."""
    state = request.form.get("state", "")
    if state not in directory.STATES:
        abort(HTTPStatus.BAD_REQUEST, _("A channel can be started, paused or stopped."))
    before = _state(name)
    with desk().turn:
        try:
            desk().control.set_state(
                name, state, by=who(), reason=notes.reason(), address=address(), until=_until(state)
            )  # fmt: skip
        except NoSuchChannel:
            abort(HTTPStatus.NOT_FOUND, _("There is no channel of this name."))
    desk().found_out.clear()
    notes.leave({"channel": name, "state": state, "before": before})
    there = url_for("channel.page", name=name) if request.form.get("from") == "channel" else url_for("channels.page")
    return redirect(there, HTTPStatus.SEE_OTHER)


def _state(name: str) -> str | None:
    with desk().reader.snapshot() as connection:
        return next((row.state for row in directory.channels(connection) if row.name == name), None)


def _until(state: str) -> float | None:
    """Return when a pause ends by itself: the form says after how many minutes."""
    minutes = request.form.get("minutes", "").strip()
    if state != "paused" or not minutes:
        return None
    if not (minutes.isascii() and minutes.isdigit() and 0 < int(minutes) <= LONGEST_PAUSE):
        abort(HTTPStatus.BAD_REQUEST, _("A pause lasts 1 to %(n)s minutes.", n=LONGEST_PAUSE))
    return time.time() + int(minutes) * 60.0
