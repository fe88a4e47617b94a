"""`plugin-host alerts`: what needs a person, and whether people can be told of it."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from host.command_access import opened_store, own_site
from host.command_line import EXIT_CONFIGURATION, EXIT_UNREACHABLE, Failure, json_option, print_json, site_option
from host.command_site import read_site_or_leave
from host.site import data_folder

if TYPE_CHECKING:
    from transformers.mapping_site import Site
    from transformers.site_model import Alerts


@click.group(name="alerts")
def alerts_command() -> None:
    """What needs a person, and whether people can be told of it (`alerts:` in site.yaml)."""


@alerts_command.command(name="list")
@click.option("--history", "past", is_flag=True, help="Also what is closed, the newest first.")
@site_option
@json_option
def list_command(past: bool, site: Path, as_json: bool) -> None:
    """List what is open, blockers first."""
    from host.alert_telling import line  # noqa: PLC0415  # --help does not need it
    from store import alerts  # noqa: PLC0415 - loaded for this command only

    with opened_store(site) as store:
        found = alerts.history(store.connection) if past else alerts.open_alerts(store.connection)
    if as_json:
        print_json(alerts=[dataclasses.asdict(alert) for alert in found])
        return
    for alert in found:
        click.echo(line(alert))
    if not found:
        click.echo("nothing needs a person", err=True)


@alerts_command.command(name="test")
@site_option
@json_option
def test_command(site: Path, as_json: bool) -> None:
    """Send a test to everybody whom site.yaml names; exit code 4 when somebody cannot be told."""
    from host import alert_telling  # noqa: PLC0415  # --help does not need it

    found = read_site_or_leave(own_site(site))
    problems = alert_telling.try_out(found.name, alert_telling.receivers(_rules(found)))
    if not problems:
        raise Failure(EXIT_CONFIGURATION, "alerts: in site.yaml names neither email nor webhook: nobody is told")
    if as_json:
        print_json(receivers=[{"receiver": name, "problem": problem} for name, problem in problems.items()])
    else:
        for name, problem in problems.items():
            click.echo(f"{name}: {problem or 'told'}")
    sys.exit(EXIT_UNREACHABLE if any(problems.values()) else 0)


@alerts_command.command(name="watch")
@site_option
def watch_command(site: Path) -> None:
    """Look at the channels once, open and close alerts, and tell of them; the running host does it by the clock."""
    from host import alerting  # noqa: PLC0415  # --help does not need it
    from store.lock import HeldElsewhere, Lock  # noqa: PLC0415 - loaded for this command only
    from store.store import Store  # noqa: PLC0415 - loaded for this command only
    from store.writer import Unavailable  # noqa: PLC0415 - loaded for this command only

    found = read_site_or_leave(own_site(site))
    rules, data = _rules(found), data_folder(found)
    # Another round that ends just now is as good as this one.
    with contextlib.suppress(HeldElsewhere, Unavailable):
        lock = Lock(data, "alerts", wait=5.0)
        try:
            store = Store(data, "alerts")
            try:
                alerting.watch(store, found, rules)
            finally:
                store.close()
        finally:
            lock.release()


def _rules(site: Site) -> Alerts:
    if site.alerts is None:
        raise Failure(EXIT_CONFIGURATION, "site.yaml has no alerts: (docs/alerts.md)")
    return site.alerts
