"""`plugin-host reconcile`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from host.command_access import opened_store
from host.command_line import EXIT_FINDINGS, json_option, print_json, site_option
from store import reads


@click.command()
@site_option
@json_option
def reconcile_command(site: Path, as_json: bool) -> None:
    """Count every delivery: accepted = delivered + filtered + parked + cancelled + pending (+ pruned).

    Exit code 1 when it does not hold.
    """
    with opened_store(site) as store:
        balance = reads.reconcile(store.connection)
    if as_json:
        print_json(**dataclasses.asdict(balance), holds=balance.holds)
    else:
        shares = " + ".join(f"{n} {name}" for name, n in balance.shares.items())
        click.echo(f"{balance.accepted} accepted = {shares}: {'holds' if balance.holds else 'DOES NOT HOLD'}")
    sys.exit(0 if balance.holds else EXIT_FINDINGS)
