"""The table of the pages that stand in the main navigation, in its order."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, request, url_for
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from werkzeug.routing import BaseConverter

from console import access
from console.help import PARTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A page of the navigation; it is shown to those who may open it."""

    endpoint: str
    word: LazyString


#: One line a page.
NAVIGATION = (
    Entry(endpoint="channels.page", word=_l("Channels")),
    Entry(endpoint="messages.page", word=_l("Messages")),
    Entry(endpoint="errors.page", word=_l("Errors")),
    Entry(endpoint="refused.page", word=_l("Refused")),
    Entry(endpoint="alerts.page", word=_l("Alerts")),
    Entry(endpoint="appointments.page", word=_l("Appointments")),
    Entry(endpoint="shares.page", word=_l("Shares")),
    Entry(endpoint="jobs.page", word=_l("Jobs")),
    Entry(endpoint="resources.page", word=_l("Resources")),
    Entry(endpoint="doctor.page", word=_l("Doctor")),
    Entry(endpoint="mappings.page", word=_l("Mappings")),
    Entry(endpoint="audit.page", word=_l("Audit")),
    Entry(endpoint="settings.page", word=_l("Settings")),
)


class MessageId(BaseConverter):
    """A ULID: 26 characters of Crockford's base 32. `<ulid:…>` in a route."""

    regex = "[0-9A-HJKMNP-TV-Z]{26}"


def install(app: Flask) -> None:
    """Say what an id is in an address; give the templates the navigation, and the address of a page's JSON."""
    app.url_map.converters["ulid"] = MessageId
    app.context_processor(
        lambda: {"navigation": open_entries(), "json_address": json_address(), "help_address": help_address()}
    )


def open_entries() -> list[Entry]:
    """Return the pages that the visitor may open."""
    found = access.visitor()
    needs = ((entry, access.need_of(current_app, entry.endpoint)) for entry in NAVIGATION)
    return [entry for entry, need in needs if found is not None and need is not None and found.may(need)]


def help_address() -> str | None:
    """Return the address of this page's help; None for who may not open it."""
    found, need = access.visitor(), access.need_of(current_app, "help.page")
    if found is None or need is None or not found.may(need):
        return None
    return url_for("help.page", _anchor=PARTS.get(request.blueprint or ""))


def json_address() -> str | None:
    """Return the address of this page's JSON: the endpoint `NAME_json` beside `NAME`, with the same filters."""
    endpoint = f"{request.endpoint}_json"
    if endpoint not in current_app.view_functions:
        return None
    return url_for(endpoint, **{**request.args, **(request.view_args or {})})
