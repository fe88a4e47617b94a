"""What holds for every page: whose requests are answered, which headers go out, and what an error looks like."""

from __future__ import annotations

import hmac
import logging
import secrets
import traceback
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, jsonify, make_response, render_template, request, session
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.exceptions import HTTPException, SecurityError

log = logging.getLogger(__name__)

#: No inline script or style, nothing from elsewhere, in nobody's frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

#: A PDF that a page of ours shows in a frame: it may do nothing, and nobody else may show it.
DOCUMENT_POLICY = "default-src 'none'; sandbox; frame-ancestors 'self'"

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

#: Names that a browser on this machine may call it by; any other may be a stranger's name that was bound to our
#: address (DNS rebinding). Compared without the port; `PORT` holds that, once it is known.
LOOPBACK_NAMES = ["localhost", "127.0.0.1"]
PORT = "CONSOLE_PORT"

#: Holds the id of a sign-in that is under way at an identity provider.
FLOW_COOKIE = "plugin-host-sign-in"

#: What an identity provider's page sends: it has no token of ours, but the `state` that we gave it.
FROM_ELSEWHERE = frozenset({"sign_in.answer"})

#: Bytes of a form that holds a message; every other is small.
OF_A_MESSAGE = 1024 * 1024
LARGE_FORMS = frozenset({"edit.send"})

CONFIG = {
    "DEBUG": False,
    "TESTING": False,
    "MAX_CONTENT_LENGTH": 16 * 1024,
    "MAX_FORM_MEMORY_SIZE": 16 * 1024,
    "MAX_FORM_PARTS": 20,
    "SESSION_COOKIE_NAME": "plugin-host",
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Strict",
    # On this machine it speaks plain HTTP, and a Secure cookie would not come back; `be_at` changes that.
    "SESSION_COOKIE_SECURE": False,
    #: https://… under which browsers reach it through a proxy; None: at its own port of this machine.
    "ADDRESS": None,
    "TRUSTED_HOSTS": LOOPBACK_NAMES,
    PORT: None,
}

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def install(app: Flask) -> None:
    """Put the guards around all pages of `app`."""
    app.config.update(CONFIG, SECRET_KEY=secrets.token_bytes(32))
    app.before_request(_check_port)
    app.before_request(_allow_large)
    app.before_request(_check_origin)
    app.after_request(_add_headers)
    app.register_error_handler(Exception, _show_error)
    app.context_processor(lambda: {"csrf": csrf_token()})


def be_at(app: Flask, address: str) -> None:
    """Be reached by browsers at this https:// address, by a proxy that speaks TLS, and at no other."""
    parts = urlsplit(address)
    app.config.update(
        ADDRESS=f"https://{parts.netloc}",
        TRUSTED_HOSTS=[parts.hostname or ""],
        # The prefix binds the cookie to this host and to TLS (RFC 6265bis 4.1.3.2).
        SESSION_COOKIE_NAME="__Host-plugin-host",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_PATH="/",
        PREFERRED_URL_SCHEME="https",
    )
    app.config[PORT] = parts.port


def csrf_token() -> str:
    """Return the token of this session, which every form holds."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    token: str = session["csrf"]
    return token


def _allow_large() -> None:
    """Let the few forms that hold a message be as large as one."""
    if request.endpoint in LARGE_FORMS:
        request.max_content_length = request.max_form_memory_size = OF_A_MESSAGE


def _check_port() -> None:
    port, asked = current_app.config[PORT], urlsplit(f"//{request.host}").port
    if asked != port and (port is not None or current_app.config["ADDRESS"] is not None):
        raise SecurityError


def _check_origin() -> None:
    """Refuse what changes something unless one of our own pages, in this session, sent it."""
    if request.method in SAFE_METHODS or request.endpoint in FROM_ELSEWHERE:
        return
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    # Under `Referrer-Policy: no-referrer` a browser says `null` of our own pages too: then it must say the rest.
    known = origin in {None, f"{request.scheme}://{request.host}"} or (origin == "null" and site == "same-origin")
    # Sec-Fetch-Site is sent by browsers alone; a page's script cannot set it.
    foreign = not known or site not in {None, "same-origin"}
    token = request.form.get("csrf", "")
    if foreign or not hmac.compare_digest(token.encode(), session.get("csrf", secrets.token_urlsafe()).encode()):
        abort(
            HTTPStatus.FORBIDDEN,
            _("This form is too old, or was not sent from this page. Go back, reload, try again."),
        )


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if current_app.config["ADDRESS"] is not None:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint == "documents.pdf" and response.mimetype == "application/pdf":
        response.headers["Content-Security-Policy"] = DOCUMENT_POLICY
    if request.endpoint == "static":
        response.headers["Cache-Control"] = "no-cache"
    return response


_TITLES = {
    HTTPStatus.NOT_FOUND: _l("There is no such page"),
    HTTPStatus.METHOD_NOT_ALLOWED: _l("That cannot be done here"),
    HTTPStatus.FORBIDDEN: _l("Not allowed"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _l("Too large"),
    HTTPStatus.INTERNAL_SERVER_ERROR: _l("Something went wrong in the status page"),
}


def _show_error(error: Exception) -> Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    text = _("The channels are not concerned. The log says where it happened.")
    headers = {}
    if isinstance(error, SecurityError):
        # The name in the address is not ours, so no page of ours is shown, and no link can be made.
        return Response("This is not the address of the status page.\n", HTTPStatus.BAD_REQUEST, mimetype="text/plain")
    if isinstance(error, HTTPException):
        if error.response is not None or (error.code or 500) < 400:
            return make_response(error.get_response())
        status, text = HTTPStatus(error.code or 500), error.description or ""
        headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    else:
        # Type and place only: the text of an exception may hold a value of a message.
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "a page failed",
            extra={"route": str(request.url_rule), "error": type(error).__name__, "at": f"{place.name}:{place.lineno}"},
        )
    title = str(_TITLES.get(status, status.phrase))
    if request.path.endswith(".json"):
        response = jsonify(schema=1, error={"status": status, "title": title, "text": text})
    else:
        response = make_response(render_template("error.html", status=int(status), title=title, text=text))
    response.status_code = status
    response.headers.update(headers)
    return response
