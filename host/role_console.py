"""The console process: Flask on waitress, reading the store and acting through `channels.control`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from channels.control import Control
from connectors.doorbell import Ringer
from connectors.secret import read_secret
from console.app import OpenOffLoopback, create_app, serve
from console.oidc import Provider
from host.console_works import CommandWorks
from host.front_door import front_door
from host.origins import origins
from host.roles import BEAT, Assignment, say_failed, say_ready
from store import directory
from store.store import Store
from transformers import hl7_tables


def run(assignment: Assignment) -> None:
    """Serve the pages until standard input ends."""
    folder = Path(assignment.data)
    store = Store(folder, "console")
    ringer = Ringer(lambda: [row.bell for row in directory.processes(store.connection) if row.bell])
    ringer.refresh()
    control = Control(store, ringer.change)
    app = create_app(
        folder,
        control,
        name=assignment.site,
        open_to_all=True,
        zone=assignment.zone,
        describe=_field_name,
        explain=origins,
        provider=_provider(assignment.console.get("sign_in")),
        address=assignment.console.get("address"),
        works=CommandWorks(front_door(), assignment.folder),
        alert_rules=assignment.alerts,
        metrics_token=_metrics_token(assignment.console),
    )
    directory.announce(store.writer, "console", os.getpid(), None, ())

    def ready(address: str) -> None:
        directory.announce(store.writer, "console", os.getpid(), None, (address,))
        say_ready([address])

    def pages() -> None:
        host, port = assignment.console_host, assignment.console_port
        try:
            serve(app, host, port, ready, proxy=assignment.console.get("proxy"))
        except OpenOffLoopback as error:
            say_failed(str(error))
            stopping.set()
        except OSError as error:
            say_failed(f"the status page cannot listen at {host}:{port}: {error.strerror}")
            stopping.set()

    stopping = Event()
    serving = Thread(target=pages, daemon=True, name="pages")
    serving.start()
    Thread(target=_until_input_ends, args=(stopping,), daemon=True).start()
    while not stopping.wait(BEAT) and serving.is_alive():
        ringer.refresh()
        with app.extensions["desk"].turn:
            control.end_pauses()
        store.writer.now(lambda tx: tx.execute("UPDATE process SET beat_at = ? WHERE role = 'console'", (tx.now,)))


def _metrics_token(console: Mapping[str, Any]) -> Callable[[], str] | None:
    """Return what reads the token of scrapers, anew each time; None where site.yaml names none."""
    name = console.get("metrics_token")
    return None if name is None else partial(read_secret, name, console.get("secrets_folder"))


def _provider(settings: Mapping[str, Any] | None) -> Provider | None:
    """Return the identity provider that site.yaml names; its secret is read anew at each sign-in."""
    if settings is None:
        return None
    from connectors import token_check  # noqa: PLC0415  # only sites with a provider need it
    from connectors.oauth_token import http_session  # noqa: PLC0415  # as above

    given = dict(settings)
    secret, folder, ca_file = (given.pop(name, None) for name in ("client_secret", "secrets_folder", "ca_file"))
    discovery = token_check.discovery_address(
        authority=given.get("authority"), oidc_authority=given.get("oidc_authority")
    )
    issuer = token_check.Issuer(discovery, token_check.fetch_with(ca_file))
    return Provider(
        client_secret=None if secret is None else partial(read_secret, secret, folder),
        http_client=partial(http_session, ca_file),
        check=token_check.TokenCheck(issuer=issuer, audience=given["client_id"]).claims,
        **given,
    )


def _field_name(segment: str, number: int) -> str:
    """Return the name of an HL7 field of v2.5.1; empty when the standard has none."""
    try:
        known = hl7_tables.fields("2.5.1", segment)
    except (KeyError, ValueError):
        return ""
    return known[number - 1].name if 0 < number <= len(known) else ""


def _until_input_ends(stopping: Event) -> None:
    while sys.stdin.buffer.read(4096):
        continue
    stopping.set()
