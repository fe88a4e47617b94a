"""Asks of every request who it is and whether its route is open to them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Flask, abort, current_app, g, jsonify, redirect, request, session, url_for
from flask_babel import gettext as _

from console import access
from console.access import SOMEBODY, Need, Visitor
from console.desk import desk
from console.guard import SAFE_METHODS, csrf_token
from console.sessions import Session
from messages.audit import Outcome
from store import accounts, audit

#: Routes that somebody with a first password may use: to change it, or to leave.
WITH_A_FIRST_PASSWORD = {"account.page", "account.password", "sign_in.leave", "language.choose", "static"}


def install(app: Flask) -> None:
    """Put the entrance before all routes of `app`."""
    access.for_anyone(app.view_functions["static"])
    app.before_request(_check)
    app.jinja_env.globals.update(may=access.may)
    app.context_processor(
        lambda: {
            "visitor": access.visitor(),
            "is_open": access.visitor() is SOMEBODY,
            "break_glass": desk().sessions.break_glass_in_use(),
        }
    )


def is_open() -> bool:
    """Tell whether nobody needs to sign in: this machine only, and nobody has an account."""
    return current_app.config["OPEN_TO_ALL"] and not anybody_can_sign_in()


def anybody_can_sign_in() -> bool:
    """Tell whether there is an account, or an identity provider."""
    if desk().provider is not None:
        return True
    with desk().reader.snapshot() as connection:
        return accounts.are_there_any(connection)


def session_token() -> str:
    """Return what the session is known by: its token, or where nobody signs in, the token of its forms."""
    return session.get("token") or csrf_token()


def address() -> str:
    """Return the network address of who asks; "" when that is this machine."""
    asked = request.remote_addr or ""
    return "" if asked in {"127.0.0.1", "::1"} else asked


def _check() -> Any:
    g.visitor, g.session = None, None
    if request.endpoint is None:
        # There is no such page, which is said to everybody in the same words.
        g.visitor = SOMEBODY if is_open() else None
        return None
    need = access.need_of(current_app, request.endpoint)
    if need is None:
        abort(HTTPStatus.FORBIDDEN, _("Nobody has said who may open this page."))
    if request.endpoint in {"static", "health.live", "health.ready"}:
        return None
    if is_open():
        g.visitor = SOMEBODY
    else:
        g.session = _session()
        g.visitor = g.session.visitor if g.session else None
    return _refusal(need)


def _refusal(need: Need) -> Any:
    """Return what is answered instead of the page; None when the visitor may have it."""
    if need.role is None:
        return None
    visitor: Visitor | None = g.visitor
    if visitor is None:
        return _ask_to_sign_in()
    if g.session is not None and g.session.must_change and request.endpoint not in WITH_A_FIRST_PASSWORD:
        return redirect(url_for("account.page"), HTTPStatus.SEE_OTHER)
    if not visitor.may(need):
        desk().control.write(
            lambda tx: audit.record(
                tx, visitor.name, "access-refused", f"page:{request.endpoint}", Outcome.MINOR_FAILURE,
                address=address(),
            )
        )  # fmt: skip
        abort(HTTPStatus.FORBIDDEN, _("Your role does not open this page. An administrator can change that."))
    return None


def _ask_to_sign_in() -> Any:
    if not anybody_can_sign_in():
        abort(
            HTTPStatus.FORBIDDEN, _("There are no accounts yet, and this page is not open to all of this machine.")
        )  # fmt: skip
    if request.path.endswith(".json"):
        error = {"status": 401, "title": _("Please sign in"), "text": _("This needs a session of the status page.")}
        return jsonify(schema=1, error=error), HTTPStatus.UNAUTHORIZED
    back = request.full_path.rstrip("?") if request.method in SAFE_METHODS else "/"
    return redirect(url_for("sign_in.page", back=None if back == "/" else back), HTTPStatus.SEE_OTHER)


def _session() -> Session | None:
    """Return the session of the cookie, if the account is still as it was when it began."""
    token: str = session.get("token", "")
    found = desk().sessions.get(token)
    if found is None or found.stamp is None:
        return found
    with desk().reader.snapshot() as connection:
        account = accounts.account(connection, found.visitor.name)
    if account is None or account.disabled or account.stamp != found.stamp:
        desk().sessions.close(token)
        return None
    return found
