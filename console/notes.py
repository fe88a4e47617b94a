"""What a form of any page has: a reason, and the word that is left for the page that is shown next."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import abort, request, session
from flask_babel import gettext as _

#: Characters of a reason that are kept.
REASON = 200


def reason() -> str | None:
    """Return why the person does what the form says; None when the field is empty."""
    return request.form.get("reason", "").strip()[:REASON] or None


def leave(*notes: dict[str, Any]) -> None:
    """Leave word of what was done for the page that is shown next. Never a patient's value: it is in the cookie."""
    session["notes"] = [*session.get("notes", []), *notes]


def are_there() -> bool:
    """Tell whether somebody has just done something: then the page shows how it stands now."""
    return bool(session.get("notes"))


def take() -> list[dict[str, Any]]:
    """Return the notes that were left, and forget them."""
    notes: list[dict[str, Any]] = session.pop("notes", [])
    return notes


def number(name: str) -> int | None:
    """Return a number of the address (`?before=12`); None when it is not there."""
    value = request.args.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 18):
        abort(HTTPStatus.BAD_REQUEST, _("A page begins at a number."))
    return int(value)
