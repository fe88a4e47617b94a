"""How the channels stand, and starting, pausing and stopping them."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _

from channels.control import NoSuchChannel
from console import notes
from console.access import needs, who
from console.desk import desk
from console.status import ChannelStatus, Overview, day_start, overview
from store import directory

pages = Blueprint("channels", __name__)


@pages.get("/")
@needs("viewer")
def page() -> str:
    """Show how the channels stand."""
    return render_template("channels.html", view=_overview(), notes=notes.take())


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
    try:
        with desk().turn:
            desk().control.set_state(name, state, by=who(), reason=notes.reason())
    except NoSuchChannel:
        abort(HTTPStatus.NOT_FOUND, _("There is no channel of this name."))
    notes.leave({"channel": name, "state": state})
    return redirect(url_for("channels.page"), HTTPStatus.SEE_OTHER)
