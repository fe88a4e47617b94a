"""The pages and their addresses. Every page has its `.json`; only POST changes anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, session, url_for
from werkzeug.routing import BaseConverter

from channels.control import ACTS, NoSuchChannel, NoSuchMessage
from console import guard, timeline
from console.desk import desk
from console.panes import pane
from console.status import ChannelStatus, Overview, day_start, overview
from messages.lifecycle import SHARES, Status
from store import directory, lists, reads

pages = Blueprint("pages", __name__)

#: Who acts, as the timeline and the channels say it, while there are no accounts.
SOMEBODY = "somebody at the status page"

#: Characters of a reason that are kept.
REASON = 200


class MessageId(BaseConverter):
    """A ULID: 26 characters of Crockford's base 32."""

    regex = "[0-9A-HJKMNP-TV-Z]{26}"


@pages.record_once
def _add_converter(state: Any) -> None:
    state.app.url_map.converters["ulid"] = MessageId


# -- channels -------------------------------------------------------------------------------------------------


@pages.get("/")
def channels() -> str:
    """Show how the channels stand."""
    return render_template("channels.html", view=_overview(), notes=_notes())


@pages.get("/channels.json")
def channels_json() -> Response:
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
def set_state(name: str) -> Any:
    """Start, pause or stop a channel."""
    state = request.form.get("state", "")
    if state not in directory.STATES:
        abort(HTTPStatus.BAD_REQUEST, "A channel can be started, paused or stopped.")
    try:
        with desk().turn:
            desk().control.set_state(name, state, by=SOMEBODY, reason=_reason())
    except NoSuchChannel:
        abort(HTTPStatus.NOT_FOUND, "There is no channel of this name.")
    _leave({"channel": name, "state": state})
    return redirect(url_for("pages.channels"), HTTPStatus.SEE_OTHER)


def _reason() -> str | None:
    return request.form.get("reason", "").strip()[:REASON] or None


def _leave(*notes: dict[str, Any]) -> None:
    """Leave word of what was done for the page that is shown next."""
    session["notes"] = [*session.get("notes", []), *notes]


def _notes() -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = session.pop("notes", [])
    return notes


# -- messages -------------------------------------------------------------------------------------------------


@pages.post("/search")
def search() -> Any:
    """Keep what is searched for, and go to an address that does not hold it."""
    query = request.form.get("q", "").strip()
    if not query:
        return redirect(url_for("pages.messages"), HTTPStatus.SEE_OTHER)
    identifier = desk().searches.keep(guard.csrf_token(), query)
    return redirect(url_for("pages.messages", s=identifier), HTTPStatus.SEE_OTHER)


@pages.get("/messages")
def messages() -> str:
    """List messages: the newest, those that a count stands for, or those that a search finds."""
    return render_template("messages.html", **_messages(), shares=SHARES)


@pages.get("/messages.json")
def messages_json() -> Response:
    """Return a list of messages."""
    found = _messages()
    page = found["page"]
    return jsonify(
        schema=1, messages=[asdict(line) for line in page.lines], older=page.older, forgotten=found["forgotten"]
    )


def _messages() -> dict[str, Any]:
    """Read the filters and the page that they choose."""
    identifier, status = request.args.get("s"), request.args.get("status") or None
    channel = request.args.get("channel") or None
    query = desk().searches.query(guard.csrf_token(), identifier) if identifier else None
    today = request.args.get("since") == "today"
    wanted = lists.Wanted(
        channel=channel,
        statuses=_statuses(status),
        since=day_start(desk().zone) if today else None,
        before=_number("before"),
    )
    with desk().reader.snapshot() as connection:
        known = directory.channels(connection)
        if channel is not None and channel not in {row.name for row in known}:
            abort(HTTPStatus.NOT_FOUND, "There is no channel of this name.")
        if query is not None:
            page = lists.Page(lines=tuple(reads.find(connection, reads.Search(query=query))))
        elif identifier is not None:
            page = lists.Page(lines=())
        else:
            page = lists.page(connection, wanted)
    names = list(dict.fromkeys(name for line in page.lines for name in line.index))
    return {
        "page": page, "names": names, "channels": known, "channel": channel, "status": status, "today": today,
        "query": query, "forgotten": identifier is not None and query is None,
        "titles": {row.name: row.title for row in known},
    }  # fmt: skip


def _statuses(name: str | None) -> frozenset[Status]:
    """Return the statuses of a share (`pending`, `parked`, …) or of one status by its own name."""
    if name is None:
        return frozenset()
    if name in SHARES:
        return SHARES[name]
    if name not in set(Status):
        abort(HTTPStatus.BAD_REQUEST, "There is no such status.")
    return frozenset({Status(name)})


def _number(name: str) -> int | None:
    value = request.args.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 18):
        abort(HTTPStatus.BAD_REQUEST, "A page begins at a number.")
    return int(value)


# -- one message ----------------------------------------------------------------------------------------------


def _detail(message_id: str) -> reads.MessageDetail:
    with desk().reader.snapshot() as connection:
        detail = reads.detail(connection, message_id)
    if detail is None:
        abort(HTTPStatus.NOT_FOUND, "There is no message of this id.")
    return detail


@pages.get("/messages/<ulid:message_id>")
def message(message_id: str) -> str:
    """Show one message: what happened to it, what was received, sent and answered."""
    detail, describe = _detail(message_id), desk().describe
    steps = timeline.happenings(detail)
    return render_template(
        "message.html",
        detail=detail,
        steps=steps,
        received=pane(detail.body, describe),
        sent=timeline.sent(detail, describe),
        responses=timeline.responses(steps, describe),
        acts=timeline.allowed(detail),
        notes=_notes(),
    )


@pages.get("/messages/<ulid:message_id>.json")
def message_json(message_id: str) -> Response:
    """Return one message and what happened to it, without the bodies."""
    detail = _detail(message_id)
    steps = [asdict(step) for step in timeline.happenings(detail)]
    for step in steps:
        step["response_bytes"] = len(step.pop("response") or b"")
    return jsonify(
        schema=1,
        **asdict(detail.line),
        revision=detail.revision,
        peer=detail.peer,
        content_type=detail.content_type,
        received_bytes=len(detail.body),
        answer_status=detail.answer_status,
        timeline=steps,
        allowed=timeline.allowed(detail),
    )


@pages.post("/messages/<ulid:message_id>/act")
def act(message_id: str) -> Any:
    """Retry, reprocess or cancel the deliveries of a message."""
    wish = next((act for act in ACTS if act == request.form.get("act")), None)
    if wish is None:
        abort(HTTPStatus.BAD_REQUEST, "A message can be retried, reprocessed or cancelled.")
    back = redirect(url_for("pages.message", message_id=message_id), HTTPStatus.SEE_OTHER)
    if wish == "cancel" and _reason() is None:
        _leave({"refused": "cancel without reason"})
        return back
    try:
        with desk().turn:
            outcomes = desk().control.act(message_id, wish, by=SOMEBODY, reason=_reason())
    except NoSuchMessage:
        abort(HTTPStatus.NOT_FOUND, "There is no message of this id.")
    _leave(*(asdict(outcome) for outcome in outcomes))
    return back


# -- the doors ------------------------------------------------------------------------------------------------


@pages.get("/refused")
def refused() -> str:
    """List what the doors refused."""
    return render_template("refused.html", lines=_refused(), limit=50)


@pages.get("/refused.json")
def refused_json() -> Response:
    """Return what the doors refused."""
    return jsonify(schema=1, refused=_refused())


def _refused() -> list[dict[str, Any]]:
    with desk().reader.snapshot() as connection:
        lines = lists.refusals(connection, _number("before"))
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


# -- health ---------------------------------------------------------------------------------------------------


@pages.get("/health/live")
def live() -> Response:
    """Say that this process answers."""
    return jsonify(status="live")


@pages.get("/health/ready")
def ready() -> tuple[Response, int]:
    """Say whether the store can be read and every process of the host has spoken lately. Names nothing."""
    with desk().reader.snapshot() as connection:
        processes = directory.processes(connection)
    well = all(directory.is_alive(process) for process in processes if process.role != "console")
    return (jsonify(status="ready"), 200) if well else (jsonify(status="not ready"), 503)
