"""The PDF of a message, as its page shows it: in a frame that may do nothing.

Its policy (`guard.DOCUMENT_POLICY`) gives it an origin of its own, without scripts, wherever it is opened. The frame
has no `sandbox` attribute: in such a frame Chromium shows no PDF.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort
from flask_babel import gettext as _

from console.access import needs
from console.desk import desk
from console.documents import documents
from console.entrance import session_token
from store import reads

pages = Blueprint("documents", __name__)


@pages.get("/messages/<ulid:message_id>/documents/<int:number>")
@needs("operator", bodies=True)
def pdf(message_id: str, number: int) -> Any:
    """Return the PDF that one delivery carries, where somebody has just asked, audited, to see the message's bodies."""
    if not desk().sessions.may_read(session_token(), message_id):
        abort(HTTPStatus.FORBIDDEN, _("Ask on the message's page to see it."))
    with desk().reader.snapshot() as connection:
        detail = reads.detail(connection, message_id)
    found = [one for one in documents(detail) if one.position == number] if detail is not None else []
    if not found or found[0].pdf is None:
        abort(HTTPStatus.NOT_FOUND, _("There is no document here."))
    response = Response(found[0].pdf, mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{message_id}-{number}.pdf"'
    return response
