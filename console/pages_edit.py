"""An edited copy of a message, sent as a message of its own; the original is not touched."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from console import notes
from console.access import needs, who
from console.desk import desk
from console.entrance import session_token
from console.works import CannotTell
from store import reads

pages = Blueprint("edit", __name__)


def _body(message_id: str) -> str:
    """Return the body as text: one that is not text, or was not asked for, cannot be edited here."""
    with desk().reader.snapshot() as connection:
        detail = reads.detail(connection, message_id)
    if detail is None:
        abort(HTTPStatus.NOT_FOUND, _("There is no message of this id."))
    if not desk().sessions.may_read(session_token(), message_id):
        abort(HTTPStatus.FORBIDDEN, _("Show the patient data of this message first: its page asks why."))
    try:
        text = detail.body.decode("utf-8")
    except UnicodeDecodeError:
        abort(HTTPStatus.CONFLICT, _("This body is not text in UTF-8: plugin-host messages resend can send a copy."))
    # A form cannot hold HL7's line ends: it is shown with those of a form, and sent with its own again.
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pages.get("/messages/<ulid:message_id>/edit")
@needs("operator", bodies=True)
def page(message_id: str) -> Response:
    """Show a copy to be edited."""
    return _page(HTTPStatus.OK, message_id, _body(message_id), None)


@pages.get("/messages/<ulid:message_id>/edit.json")
@needs("operator", bodies=True)
def page_json(message_id: str) -> Response:
    """Return how much there is to edit."""
    return jsonify(schema=1, message=message_id, characters=len(_body(message_id)))


def _page(status: HTTPStatus, message_id: str, body: str, refusal: str | None) -> Response:
    return make_response(render_template("edit.html", message=message_id, body=body, refusal=refusal), status)


@pages.post("/messages/<ulid:message_id>/edit")
@needs("operator", bodies=True)
def send(message_id: str) -> Any:
    """Send the copy, or say why it is refused."""
    _body(message_id)
    # A browser sends the line ends of a text field as CR LF; HL7's are CR.
    text = request.form.get("body", "").replace("\r\n", "\n")
    body = (text.replace("\n", "\r") if text.startswith("MSH") else text).encode()
    try:
        copy = desk().works.resend(message_id, body, by=who(), reason=notes.reason())
    except CannotTell as error:
        return _page(HTTPStatus.UNPROCESSABLE_ENTITY, message_id, text, str(error))
    notes.leave({"copy of": message_id})
    return redirect(url_for("messages.message", message_id=copy), HTTPStatus.SEE_OTHER)
