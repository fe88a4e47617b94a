"""The status page: Flask on waitress, in a process of its own. Reads the store; acts only through `Control`."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from jinja2 import StrictUndefined
from waitress.server import create_server

from channels.control import Control
from console import (
    entrance,
    guard,
    language,
    navigation,
    pages_account,
    pages_alerts,
    pages_appointments,
    pages_audit,
    pages_channel,
    pages_channels,
    pages_doctor,
    pages_documents,
    pages_edit,
    pages_errors,
    pages_health,
    pages_help,
    pages_jobs,
    pages_mappings,
    pages_messages,
    pages_metrics,
    pages_refused,
    pages_resources,
    pages_settings,
    pages_shares,
    pages_sign_in,
    status,
    words,
)
from console.desk import Desk, desk
from console.oidc import Provider, SignIn
from console.panes import Describe, Explain, visible
from console.reader import Reader
from console.works import NoWorks, Works

#: The pages: each module has its Blueprint `pages`. One line a page here, and one in `navigation.py`.
PAGES = (
    pages_account,
    pages_alerts,
    pages_appointments,
    pages_audit,
    pages_channel,
    pages_channels,
    pages_doctor,
    pages_documents,
    pages_edit,
    pages_errors,
    pages_health,
    pages_help,
    pages_jobs,
    pages_mappings,
    pages_messages,
    pages_metrics,
    pages_refused,
    pages_resources,
    pages_settings,
    pages_shares,
    pages_sign_in,
)


class OpenOffLoopback(ValueError):
    """Others than this machine could reach the status page, and nobody would have to sign in."""


def create_app(  # noqa: PLR0913  # each is a setting of the page
    folder: Path,
    control: Control,
    *,
    name: str,
    open_to_all: bool,
    zone: str = "UTC",
    describe: Describe = lambda segment, number: "",  # noqa: ARG005  # the names are part of Describe
    explain: Explain = lambda connection, number: {},  # noqa: ARG005  # as above
    provider: Provider | None = None,
    address: str | None = None,
    works: Works | None = None,
    alert_rules: Mapping[str, Any] | None = None,
    metrics_token: Callable[[], str] | None = None,
) -> Flask:
    """Return the status page of the store in `folder`.

    Args:
        folder: Where the store lies.
        control: Through which people act.
        name: Name of the site, shown on every page.
        open_to_all: As long as nobody can sign in, whoever reaches it may see and do all. Otherwise only
            `/health/…` is answered until somebody can.
        zone: Time zone of the site (an IANA name); days begin and times are shown in it.
        describe: Gives the name of an HL7 field, for the panes.
        explain: Gives where what was sent came from, for the panes.
        provider: The site's identity provider.
        works: Finds out what the store does not know.
        alert_rules: What `alerts:` in site.yaml says, without its secrets; None: nobody watches and nobody is told.
        metrics_token: Reads the token that opens `/metrics` to a program elsewhere.
        address: https://… under which browsers reach it, by a proxy that speaks TLS; None: on this machine only.

    Raises:
        UnsafeStore: the store cannot be read.
    """
    app = Flask("console", root_path=str(Path(__file__).parent))
    app.config["OPEN_TO_ALL"] = open_to_all
    app.extensions["desk"] = Desk(
        folder=folder, name=name, zone=ZoneInfo(zone), reader=Reader(folder), control=control, describe=describe,
        explain=explain, provider=None if provider is None else SignIn(provider), works=works or NoWorks(),
        alert_rules=alert_rules, metrics_token=metrics_token,
    )  # fmt: skip
    # JSON in the order in which a person reads it.
    app.json = DefaultJSONProvider(app)
    app.json.sort_keys = False
    guard.install(app)
    if address is not None:
        guard.be_at(app, address)
    entrance.install(app)
    language.install(app)
    navigation.install(app)
    for module in PAGES:
        app.register_blueprint(module.pages)
    _set_up_templates(app)
    return app


def _set_up_templates(app: Flask) -> None:
    found: Desk = app.extensions["desk"]
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        visible=visible,
        sparkline=status.sparkline,
        ago=lambda at: status.ago(time.time() - at),
        until=lambda at: status.ago(at - time.time()),
        clock=lambda at: _clock(_local(at)),
        stamp=lambda at, before: _stamp(_local(at), None if before is None else _local(before)),
        iso=lambda at: _local(at).isoformat(timespec="milliseconds"),
    )
    app.jinja_env.globals.update(site=found.name, zone=found.zone.key, **words.GLOBALS)
    app.context_processor(lambda: {"now": time.time()})


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, desk().zone)


def _clock(local: datetime) -> str:
    today = datetime.now(desk().zone).date()
    if local.date() == today:
        return f"{local:%H:%M:%S}"
    return f"{language.day(local)} {local:%H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def _stamp(local: datetime, before: datetime | None) -> str:
    """Return a time of day to the millisecond, with the date where that is another than before."""
    clock = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    return clock if before is not None and before.date() == local.date() else f"{local:%Y-%m-%d} {clock}"


def make_server(app: Flask, host: str, port: int, proxy: str | None = None) -> Any:
    """Return a waitress server that listens, to be run; port 0 takes a free one (`effective_port` says which).

    Args:
        app: As `create_app` made it.
        host: Where it listens.
        port: The same.
        proxy: Address of the proxy that browsers come by: it says from where they come (X-Forwarded-For).

    Raises:
        OpenOffLoopback: `host` is not of this machine alone, and nobody could sign in, or the way there is no TLS.
        OSError: the address cannot be had.
    """
    listening = "127.0.0.1" if host == "localhost" else host
    _refuse_if_open(app, listening)
    server = create_server(
        app,
        host=listening,
        port=port,
        threads=4,
        connection_limit=100,
        channel_timeout=30,
        # waitress itself reads no more than this before the app is asked; the app takes less of most forms.
        max_request_body_size=guard.OF_A_MESSAGE,
        max_request_header_size=16 * 1024,
        ident=None,
        clear_untrusted_proxy_headers=True,
        **({"trusted_proxy": proxy, "trusted_proxy_headers": {"x-forwarded-for"}} if proxy else {}),
        **({"url_scheme": "https"} if app.config["ADDRESS"] else {}),
    )
    if app.config["ADDRESS"] is None:
        app.config["TRUSTED_HOSTS"] = sorted({*guard.LOOPBACK_NAMES, listening})
        app.config[guard.PORT] = int(server.effective_port)
    return server


def _refuse_if_open(app: Flask, host: str) -> None:
    try:
        on_loopback = ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        on_loopback = False
    if not on_loopback and app.config["ADDRESS"] is None:
        raise OpenOffLoopback(
            f"console.host is {host}: off this machine the status page is reached by https only; "
            "write console.address (the https:// address of a proxy that speaks TLS), or set console.host to 127.0.0.1"
        )
    if app.config["ADDRESS"] is not None:
        app.config["OPEN_TO_ALL"] = False
        with app.app_context():
            if not entrance.anybody_can_sign_in():
                raise OpenOffLoopback(
                    f"console.address is {app.config['ADDRESS']}: the status page does not start open to others; "
                    "add an account first: plugin-host user add NAME --role admin"
                )


def serve(app: Flask, host: str, port: int, ready: Callable[[str], None], *, proxy: str | None = None) -> None:
    """Serve until the process is told to stop; call `ready("host:port")` once the door is open.

    Raises:
        OpenOffLoopback: nobody could sign in, or the way there is no TLS.
        OSError: the address cannot be had.
    """
    server = make_server(app, host, port, proxy)
    ready(f"{server.effective_host}:{server.effective_port}")
    try:
        server.run()
    finally:
        server.close()
        app.extensions["desk"].reader.close()
