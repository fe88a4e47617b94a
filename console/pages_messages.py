"""Messages: lists, the search, and one message with what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _

from channels.control import ACTS, NoSuchMessage
from console import guard, notes, timeline
from console.access import may, needs, who
from console.desk import desk
from console.documents import documents
from console.entrance import address, session_token
from console.panes import Origin, pane
from console.status import day_start
from messages.lifecycle import SHARES, Status
from store import audit, directory, lists, reads

pages = Blueprint("messages", __name__)


# -- lists ----------------------------------------------------------------------------------------------------


@pages.post("/search")
@needs("operator")
def search() -> Any:
    """Keep what is searched for, and go to an address that does not hold it."""
    query = request.form.get("q", "").strip()
    if not query:
        return redirect(url_for("messages.page"), HTTPStatus.SEE_OTHER)
    identifier, name, place = desk().searches.keep(guard.csrf_token(), query), who(), address()
    # What was searched for is not in it: the trail is read by more people than the messages.
    desk().control.write(lambda tx: audit.record(tx, name, "messages-searched", "messages", address=place))
    return redirect(url_for("messages.page", s=identifier), HTTPStatus.SEE_OTHER)


@pages.get("/messages")
@needs("viewer")
def page() -> str:
    """List messages: the newest, those that a count stands for, or those that a search finds."""
    return render_template("messages.html", **_messages(), shares=SHARES)


@pages.get("/messages.json")
@needs("viewer")
def page_json() -> Response:
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
        before=notes.number("before"),
    )
    with desk().reader.snapshot() as connection:
        known = directory.channels(connection)
        if channel is not None and channel not in {row.name for row in known}:
            abort(HTTPStatus.NOT_FOUND, _("There is no channel of this name."))
        if query is not None:
            page = lists.Page(lines=tuple(reads.find(connection, query)))
        elif identifier is not None:
            page = lists.Page(lines=())
        else:
            page = lists.page(connection, wanted)
    if not may("operator"):
        # Searchable values are patient data: who only watches counts and states does not see them.
        page = replace(page, lines=tuple(replace(line, index={}) for line in page.lines))
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
        abort(HTTPStatus.BAD_REQUEST, _("There is no such status."))
    return frozenset({Status(name)})


# -- one message ----------------------------------------------------------------------------------------------


def _detail(message_id: str) -> reads.MessageDetail:
    with desk().reader.snapshot() as connection:
        detail = reads.detail(connection, message_id)
    if detail is None:
        abort(HTTPStatus.NOT_FOUND, _("There is no message of this id."))
    return detail


@pages.get("/messages/<ulid:message_id>")
@needs("operator")
def message(message_id: str) -> str:
    """Show one message and what happened to it; its bodies only where somebody has just asked for them."""
    detail, describe = _detail(message_id), desk().describe
    steps = timeline.happenings(detail)
    shown = may("operator", bodies=True) and desk().sessions.may_read(session_token(), message_id)
    return render_template(
        "message.html",
        detail=detail,
        steps=steps,
        shown=shown,
        received=pane(detail.body, describe) if shown else None,
        sent=timeline.sent(detail, describe, _origins(detail)) if shown else [],
        responses=timeline.responses(steps, describe) if shown else [],
        documents=documents(detail) if shown else [],
        acts=timeline.allowed(detail),
        notes=notes.take(),
    )


def _origins(detail: reads.MessageDetail) -> Mapping[str, Sequence[Origin]]:
    """Return where what was sent came from, by destination."""
    with desk().reader.snapshot() as connection:
        return desk().explain(connection, detail.line.number)


@pages.get("/messages/<ulid:message_id>.json")
@needs("operator")
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


@pages.post("/messages/<ulid:message_id>/read")
@needs("operator", bodies=True)
def read(message_id: str) -> Any:
    """Let the bodies of one message be read in this session, for a quarter of an hour. Audited before it is shown."""
    _detail(message_id)
    name, why, place = who(), notes.reason(), address()
    detail = {"reason": why} if why else {}
    desk().control.write(
        lambda tx: audit.record(tx, name, "message-viewed", f"message:{message_id}", address=place, detail=detail)
    )
    desk().sessions.let_read(session_token(), message_id)
    return redirect(url_for("messages.message", message_id=message_id), HTTPStatus.SEE_OTHER)


@pages.post("/messages/<ulid:message_id>/act")
@needs("operator")
def act(message_id: str) -> Any:
    """Retry, reprocess or cancel the deliveries of a message."""
    wish = next((act for act in ACTS if act == request.form.get("act")), None)
    if wish is None:
        abort(HTTPStatus.BAD_REQUEST, _("A message can be retried, reprocessed or cancelled."))
    back = redirect(url_for("messages.message", message_id=message_id), HTTPStatus.SEE_OTHER)
    if wish == "cancel" and notes.reason() is None:
        notes.leave({"refused": "cancel without reason"})
        return back
    try:
        with desk().turn:
            outcomes = desk().control.act(message_id, wish, by=who(), reason=notes.reason(), address=address())
    except NoSuchMessage:
        abort(HTTPStatus.NOT_FOUND, _("There is no message of this id."))
    notes.leave(*(asdict(outcome) for outcome in outcomes))
    return back
