"""`plugin-host audit verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from host.command_access import opened_store
from host.command_line import EXIT_FINDINGS, Group, json_option, print_json, site_option
from store import audit


@click.group(name="audit", cls=Group)
def audit_command() -> None:
    """Check the audit trail: who did what, each line chained to the one before."""


class _Head(click.ParamType[tuple[int, bytes]]):
    """A head as `audit verify` prints it: the number of a line, a colon, its chain in hexadecimal."""

    name = "NUMBER:CHAIN"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, bytes]:
        """Return number and chain."""
        number, _, chain = value.partition(":")
        try:
            return int(number), bytes.fromhex(chain)
        except ValueError:
            self.fail("it is written as audit verify prints it, such as 12:9f2c…", param, ctx)


@audit_command.command(name="verify")
@click.option("--head", type=_Head(), help="A head that was noted before, elsewhere: its line must still be there.")
@site_option
@json_option
def verify_command(head: tuple[int, bytes] | None, site: Path, as_json: bool) -> None:
    """Read the whole trail, and say at which line it was changed, removed or inserted. The host may run.

    A trail that was cut short at its end is whole in itself: note the head that this prints away from this machine, and
    give it by --head the next time. Exit code 1 when the trail is not as it was written.
    """
    with opened_store(site) as store:
        verdict = audit.verify(store.connection, head)
    holds = verdict.broken_at is None
    told = f"{verdict.lines}:{verdict.chain.hex()}" if holds else None
    if as_json:
        print_json(holds=holds, lines=verdict.lines, broken_at=verdict.broken_at, head=told)
    elif holds:
        click.echo(f"{verdict.lines} line(s), each as it was written. Head: {told}")
    else:
        click.echo(f"line {verdict.broken_at} is not what was written, or is not there", err=True)
    sys.exit(0 if holds else EXIT_FINDINGS)
