"""`/metrics`: the figures of this host for Prometheus."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from flask import Blueprint, Response, abort, current_app, request
from flask_babel import gettext as _

from console.access import for_anyone, may
from console.desk import desk
from console.metrics import Figures

pages = Blueprint("metrics", __name__)

#: Characters of a token that counts: 128 bits as hexadecimal digits.
SHORTEST = 32


@pages.get("/metrics")
@for_anyone
def page() -> Response:
    """Return the figures: to programs of this machine, where it alone is listened to; else by session or token.

    Decisions 0062 and 0064 say why.
    """
    if current_app.config["ADDRESS"] is not None and not may("viewer") and not _brings_the_token():
        abort(HTTPStatus.FORBIDDEN, _("Figures are given to programs of this machine, and to who is signed in."))
    # Loaded when it is asked for: a site without Prometheus does not carry it.
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - loaded where it is asked for
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415 - loaded where it is asked for

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(desk().folder, desk().reader))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _brings_the_token() -> bool:
    """Tell whether the request carries the token that site.yaml names for scrapers (`console.metrics_token`)."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    read = desk().metrics_token
    if read is None or scheme.lower() != "bearer":
        return False
    try:
        wanted = read()
    except (OSError, ValueError):
        return False  # a secret that is not there opens nothing
    return len(wanted) >= SHORTEST and hmac.compare_digest(given.encode(), wanted.encode())
