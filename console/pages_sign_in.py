"""Signing in and out: by a local account, or by the site's identity provider."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_babel import gettext as _

from console import guard, notes, passwords
from console.access import Visitor, for_anyone, needs, who
from console.desk import desk
from console.entrance import address, anybody_can_sign_in
from console.language import way_back
from console.oidc import SignInRefused
from messages.audit import Outcome
from store import accounts, alerts, audit

log = logging.getLogger(__name__)

pages = Blueprint("sign_in", __name__)


@pages.get("/sign-in")
@for_anyone
def page() -> Any:
    """Ask who it is."""
    if not anybody_can_sign_in():
        return redirect("/", HTTPStatus.SEE_OTHER)
    return _form(HTTPStatus.OK, None)


def _form(status: HTTPStatus, refusal: str | None) -> Response:
    with desk().reader.snapshot() as connection:
        local = accounts.are_there_any(connection)
    back = way_back(request.values.get("back", "/"))
    given = {"back": back, "refusal": refusal, "local": local, "provider": desk().provider is not None}
    return make_response(render_template("sign_in.html", **given), status)


@pages.post("/sign-in")
@for_anyone
def enter() -> Any:
    """Look at name, password and code; the answer does not say which of them was wrong."""
    name, now, place = request.form.get("name", "").strip()[:100], time.time(), address()
    with desk().reader.snapshot() as connection:
        account = accounts.account(connection, name)
        locked = accounts.is_locked(connection, name, place, now)
    if locked:
        return _form(HTTPStatus.TOO_MANY_REQUESTS, _("Too many tries. Wait 15 minutes, or ask an administrator."))
    usable = account if account is not None and not account.disabled else None
    right = passwords.is_right(usable.password if usable else None, request.form.get("password", ""))
    step = None
    if usable is not None and usable.totp is not None:
        step = passwords.step_of(usable.totp, request.form.get("code", ""), now, usable.totp_used)
        right = right and step is not None
    if usable is None or not right:
        desk().control.write(lambda tx: accounts.note_failure(tx, name, place, known=account is not None))
        return _form(HTTPStatus.FORBIDDEN, _("Name, password or code is wrong."))
    if usable.break_glass and notes.reason() is None:
        return _form(HTTPStatus.FORBIDDEN, _("This account is for emergencies: say why you need it."))
    return _let_in(usable, step)


def _let_in(account: accounts.Account, step: int | None) -> Any:
    why, place = notes.reason(), address()
    visitor = Visitor(name=account.name, role=account.role, bodies=account.bodies)  # type: ignore[arg-type]  # as stored

    def note(tx: Any) -> bool:
        done = accounts.note_sign_in(tx, account.name, place, local=True, step=step, reason=why)
        if done and account.break_glass:
            text = f"the break-glass account {account.name} was used; the audit trail says why"
            alerts.open(tx, f"break-glass.{account.name}", "blocker", text)
        return done

    if not desk().control.write(note):
        return _form(HTTPStatus.FORBIDDEN, _("Name, password or code is wrong."))
    begin(
        desk().sessions.open(
            visitor, stamp=account.stamp, must_change=account.must_change, break_glass=account.break_glass
        )
    )
    return redirect(way_back(request.form.get("back", "/")), HTTPStatus.SEE_OTHER)


def begin(token: str) -> None:
    """Begin a session in the browser: nothing of the one before is in it but language and colours."""
    kept = {name: session[name] for name in ("language", "theme") if name in session}
    session.clear()
    session.update(kept, token=token)


@pages.post("/sign-out")
@needs("viewer")
def leave() -> Any:
    """End the session."""
    name, place = who(), address()
    if g.session is not None:
        desk().sessions.close(session["token"])
        desk().control.write(lambda tx: audit.record(tx, name, "signed-out", f"account:{name}", address=place))
    begin("")
    return redirect(url_for("sign_in.page"), HTTPStatus.SEE_OTHER)


# -- an identity provider -----------------------------------------------------------------------------------------


@pages.get("/sign-in/provider")
@for_anyone
def go() -> Any:
    """Go to the identity provider. Nothing is changed by it: what was begun is forgotten after ten minutes."""
    sign_in = desk().provider
    if sign_in is None:
        return redirect(url_for("sign_in.page"), HTTPStatus.SEE_OTHER)
    try:
        identifier, there = sign_in.begin(_answer_address())
    except SignInRefused as error:
        return _refused(error)
    response = redirect(there, HTTPStatus.SEE_OTHER)
    # The provider's form comes back from its own site: only `SameSite=None` lets this cookie come with it.
    response.set_cookie(
        guard.FLOW_COOKIE, identifier, max_age=600, path="/sign-in", secure=True, httponly=True, samesite="None"
    )
    return response


@pages.post("/sign-in/answer")
@for_anyone
def answer() -> Any:
    """Take the provider's answer: the `state` in it belongs to the cookie, so no other page can have sent it."""
    sign_in = desk().provider
    if sign_in is None:
        return redirect(url_for("sign_in.page"), HTTPStatus.SEE_OTHER)
    try:
        visitor = sign_in.end(request.cookies.get(guard.FLOW_COOKIE, ""), request.form)
    except SignInRefused as error:
        return _refused(error)
    place = address()
    desk().control.write(lambda tx: accounts.note_sign_in(tx, visitor.name, place, local=False))
    begin(desk().sessions.open(visitor, stamp=None))
    # A page, not a redirect: our cookie is `SameSite=Strict`, and a redirect would still be the provider's doing.
    response = make_response(render_template("signed_in.html"))
    response.delete_cookie(guard.FLOW_COOKIE, path="/sign-in", secure=True, httponly=True, samesite="None")
    return response


def _answer_address() -> str:
    return f"{current_app.config['ADDRESS'] or request.host_url.rstrip('/')}{url_for('sign_in.answer')}"


def _refused(error: SignInRefused) -> Response:
    log.warning("sign-in refused", extra={"error": str(error)})
    place = address()
    desk().control.write(
        lambda tx: audit.record(
            tx, "unknown", "sign-in-refused", "account:unknown", Outcome.MINOR_FAILURE, address=place
        )
    )
    return _form(HTTPStatus.FORBIDDEN, _("The identity provider did not let you in, or gives you no role here."))
