"""Alerts: what needs a person now, since when and why; what is over; who is told, and whether they can be."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, url_for
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from console.access import needs, who
from console.desk import desk
from console.entrance import address
from console.words import Word
from console.works import CannotTell
from messages.audit import Outcome
from store import alerts, audit
from store.alerts import Alert

pages = Blueprint("alerts", __name__)

#: Alerts that are over and still shown.
SHOWN = 100

SEVERITIES: dict[str, Word] = {
    "blocker": ("error", "err", _l("Stands still")),
    "warning": ("retrying", "warn", _l("Warning")),
}
RECEIVERS: dict[str, LazyString] = {"email": _l("E-mail"), "webhook": _l("Webhook")}
#: What the key of an alert begins with → why it is one, and the page where it is looked into.
KINDS: dict[str, tuple[LazyString, str]] = {
    "watch.queue-age": (_l("Messages wait too long: their destination does not take them."), "channel.page"),
    "watch.queue-depth": (_l("Many messages wait: the line is slower than what comes in."), "channel.page"),
    "watch.errors": (_l("Many deliveries were parked: look at their causes."), "errors.page"),
    "watch.silence": (_l("Nothing came in working hours: does the sender still send?"), "channel.page"),
    "doctor": (_l("A prerequisite of the integration is no longer met."), "doctor.page"),
    "resources": (_l("OmegaAI and PowerServer have different resources."), "resources.page"),
    "break-glass": (_l("Somebody signed in with an account for emergencies."), "audit.page"),
    "alerts": (_l("Somebody who should be told cannot be told."), "alerts.page"),
}


@pages.get("/alerts")
@needs("viewer")
def page() -> str:
    """Show what is open and what is over."""
    return _page()


@pages.get("/alerts.json")
@needs("viewer")
def page_json() -> Response:
    """Return what is open and what is over."""
    found = _read()
    return jsonify(
        schema=1,
        open=[asdict(alert) for alert in found["open"]],
        closed=[asdict(alert) for alert in found["closed"]],
        rules=desk().alert_rules,
    )


@pages.post("/alerts/test")
@needs("operator")
def test() -> Any:
    """Tell everybody whom site.yaml names of an alert that is none, and show who could be told."""
    if not (desk().alert_rules or {}).get("receivers"):
        abort(HTTPStatus.CONFLICT, _("site.yaml names nobody who is told."))
    told, problem = [], None
    try:
        told = desk().works.test_alerts()
    except CannotTell as error:
        problem = str(error)
    failed = problem is not None or any(one.problem for one in told)
    name, place = who(), address()
    outcome = Outcome.MINOR_FAILURE if failed else Outcome.SUCCESS
    desk().control.write(lambda tx: audit.record(tx, name, "alerts-tested", "alerts", outcome, address=place))
    return _page(tested={"told": told, "problem": problem})


def _page(tested: dict[str, Any] | None = None) -> str:
    return render_template(
        "alerts.html", **_read(), rules=desk().alert_rules, tested=tested, SEVERITIES=SEVERITIES, RECEIVERS=RECEIVERS,
        why=why, there=there,
    )  # fmt: skip


def _read() -> dict[str, list[Alert]]:
    with desk().reader.snapshot() as connection:
        return {
            "open": alerts.open_alerts(connection),
            "closed": [alert for alert in alerts.history(connection, SHOWN) if alert.closed_at is not None],
        }


def _kind(key: str) -> str | None:
    return next((kind for kind in KINDS if key == kind or key.startswith(f"{kind}.")), None)


def why(key: str) -> LazyString | str:
    """Return in one sentence why it is an alert; "" for one that a plug-in opened."""
    kind = _kind(key)
    return "" if kind is None else KINDS[kind][0]


def there(key: str) -> str | None:
    """Return the address of the page where it is looked into; None when there is none.

    The key of a watch ends in CHANNEL or CHANNEL.DESTINATION.
    """
    kind = _kind(key)
    if kind is None or KINDS[kind][1] == "alerts.page":
        return None
    if KINDS[kind][1] == "channel.page":
        return url_for("channel.page", name=key.removeprefix(f"{kind}.").partition(".")[0])
    return url_for(KINDS[kind][1])
