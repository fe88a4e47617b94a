"""`plugin-host unmapped`: which rows the code tables lack, as a work list."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from host.command_access import opened_store
from host.command_line import EXIT_FINDINGS, complete_channel, json_option, print_json, site_option
from store import unmapped

#: Messages that are named behind a code.
_NAMED = 3


@click.command()
@click.option("--channel", shell_complete=complete_channel, help="Only this channel.")
@click.option("--all", "settled", is_flag=True, help="Also codes that no message waits for any more.")
@site_option
@json_option
def unmapped_command(channel: str | None, settled: bool, site: Path, as_json: bool) -> None:
    """List codes of messages that a table has no row for, and the parked messages that wait for one.

    Add the row and deploy the channel (or start the host anew): those messages are mapped anew, and only they. Exit
    code 1 when a message waits.
    """
    with opened_store(site) as store:
        rows = [row for row in unmapped.work_list(store.connection, settled=settled) if channel in {None, row.channel}]
    if as_json:
        print_json(unmapped=[dataclasses.asdict(row) for row in rows])
    for row in () if as_json else rows:
        last = f", last {_time(row.last_at)}" if row.times > 1 else ""
        click.echo(f"{row.channel}  {row.table}  {row.code}  {row.times} times, first {_time(row.first_at)}{last}")
        more = f" and {len(row.waiting) - _NAMED} more" if len(row.waiting) > _NAMED else ""
        waiting = ", ".join(row.waiting[:_NAMED])
        click.echo(f"    {len(row.waiting)} waiting: {waiting}{more}" if row.waiting else "    nobody waits")
    if not rows:
        click.echo("no code lacks its row", err=True)
    sys.exit(EXIT_FINDINGS if any(row.waiting for row in rows) else 0)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(sep=" ", timespec="seconds")
