"""`/metrics`: the figures of this host for Prometheus."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, abort, current_app
from flask_babel import gettext as _

from console.access import for_anyone, may
from console.desk import desk
from console.metrics import Figures

pages = Blueprint("metrics", __name__)


@pages.get("/metrics")
@for_anyone
def page() -> Response:
    """Return the figures: to programs of this machine, where it alone is listened to; elsewhere to who is signed in.

    Decision 0062 says why.
    """
    if current_app.config["ADDRESS"] is not None and not may("viewer"):
        abort(HTTPStatus.FORBIDDEN, _("Figures are given to programs of this machine, and to who is signed in."))
    # Loaded when it is asked for: a site without Prometheus does not carry it.
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - loaded where it is asked for
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415 - loaded where it is asked for

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(desk().folder, desk().reader))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
