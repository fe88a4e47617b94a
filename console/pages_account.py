"""Who is signed in, what that allows, and the password."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from console import notes, passwords
from console.access import needs, visitor
from console.desk import desk
from console.pages_sign_in import begin
from store import accounts

pages = Blueprint("account", __name__)


@pages.get("/account")
@needs("viewer")
def page() -> Response:
    """Show who is signed in."""
    return _page(HTTPStatus.OK, None)


@pages.get("/account.json")
@needs("viewer")
def page_json() -> Response:
    """Return who is signed in."""
    found = visitor()
    return jsonify(schema=1, name=found.name, role=found.role, bodies=found.bodies) if found else jsonify(schema=1)


def _page(status: HTTPStatus, refusal: str | None) -> Response:
    given = {"session": g.session, "refusal": refusal, "shortest": passwords.SHORTEST, "notes": notes.take()}
    return make_response(render_template("account.html", **given), status)


@pages.post("/account/password")
@needs("viewer")
def password() -> Any:
    """Change the own password; every other session of the account ends."""
    if g.session is None or g.session.stamp is None:
        return _page(HTTPStatus.FORBIDDEN, _("This session has no password here."))
    name, chosen = g.session.visitor.name, request.form.get("new", "")
    with desk().reader.snapshot() as connection:
        account = accounts.account(connection, name)
    if account is None or not passwords.is_right(account.password, request.form.get("old", "")):
        return _page(HTTPStatus.FORBIDDEN, _("The password until now is wrong."))
    if chosen != request.form.get("again", ""):
        return _page(HTTPStatus.BAD_REQUEST, _("The two new passwords differ."))
    if not passwords.is_fit(chosen, name) or chosen == request.form.get("old"):
        text = _("A password has at least %(n)s characters, is new, and does not hold the name.", n=passwords.SHORTEST)
        return _page(HTTPStatus.BAD_REQUEST, text)
    kept = passwords.hashed(chosen)
    desk().control.write(lambda tx: accounts.set_password(tx, name, kept, by=name, must_change=False))
    begin(
        desk().sessions.open(g.session.visitor, stamp=account.stamp + 1, break_glass=account.break_glass)
    )  # fmt: skip
    notes.leave({"done": "password"})
    return redirect(url_for("account.page"), HTTPStatus.SEE_OTHER)
