"""`plugin-host status`, `start`, `stop`, `pause`, `resume`."""

from __future__ import annotations

import getpass
import sys
import time
from pathlib import Path
from typing import Any

import click
import orjson

from channels.control import Control, NoSuchChannel
from connectors.doorbell import Ringer
from host.command_line import EXIT_CONFIGURATION, EXIT_FINDINGS, EXIT_REFUSED, json_option, site_option
from host.running import data_folder
from host.site import read_site
from messages.lifecycle import Status
from messages.problem import Problems
from store import directory, reads
from store.connection import STORE_FILE, UnsafeStore
from store.store import Store


def open_store(site: Path) -> Store:
    """Open the store of a site for a command; say what is wrong and leave when that cannot be done."""
    try:
        folder = data_folder(read_site(site))
        if not (folder / STORE_FILE).exists():
            raise UnsafeStore(f"there is no store in {folder}; plugin-host run makes one")
        return Store(folder, "command")
    except (Problems, UnsafeStore) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)


def control_of(store: Store) -> Control:
    """Return what people may do, with the bells of the running processes."""
    ringer = Ringer(lambda: [row.bell for row in directory.processes(store.connection) if row.bell])
    ringer.refresh()
    return Control(store, ringer.change)


def describe(store: Store) -> dict[str, Any]:
    """Return channels, counts since midnight UTC and processes, as `status --json` prints them."""
    now = time.time()
    counts = reads.counts(store.connection, since=now - now % 86400)
    channels = []
    for row in directory.channels(store.connection):
        destinations = []
        for line in row.destinations:
            n = counts[line.number]
            destinations.append(
                {
                    "name": line.name,
                    "connection": line.connection,
                    "connection_reason": line.connection_reason,
                    "queued": reads.open_count(n.levels),
                    "parked": n.levels.get(Status.ERROR, 0),
                    "oldest_seconds": round(now - n.oldest_open_at, 1) if n.oldest_open_at else None,
                    "today": {
                        "received": n.flows.get(Status.RECEIVED, 0),
                        "filtered": n.flows.get(Status.FILTERED, 0),
                        "sent": n.flows.get(Status.SENT, 0),
                        "errored": n.flows.get(Status.ERROR, 0),
                    },
                }
            )
        channels.append(
            {
                "name": row.name,
                "title": row.title,
                "state": row.state,
                "revision": row.revision,
                "problem": row.problem,
                "changed_by": row.changed_by,
                "reason": row.reason,
                "destinations": destinations,
            }
        )
    processes = [
        {"role": p.role, "pid": p.pid, "alive": directory.is_alive(p), "doors": list(p.doors)}
        for p in directory.processes(store.connection)
    ]
    return {"schema": 1, "channels": channels, "processes": processes}


@click.command()
@site_option
@json_option
def status_command(site: Path, as_json: bool) -> None:
    """Show channels, counts since midnight (UTC) and connections. Exit code 1 when something needs attention."""
    store = open_store(site)
    try:
        found = describe(store)
    finally:
        store.close()
    attention = any(
        channel["problem"] or channel["state"] != "started" or any(d["parked"] for d in channel["destinations"])
        for channel in found["channels"]
    ) or not all(process["alive"] for process in found["processes"])
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found)
    sys.exit(EXIT_FINDINGS if attention else 0)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415  # only when a table is printed
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for name in ("channel", "state", "destination", "line"):
        table.add_column(name)
    for name in ("received", "filtered", "queued", "sent", "errored"):
        table.add_column(name, justify="right")
    for channel in found["channels"]:
        for line in channel["destinations"]:
            today = line["today"]
            table.add_row(
                channel["name"], channel["state"], line["name"], line["connection"], str(today["received"]),
                str(today["filtered"]), str(line["queued"]), str(today["sent"]), str(today["errored"]),
            )  # fmt: skip
        if not channel["destinations"]:
            table.add_row(channel["name"], "not running")
    wide = Console()
    if not wide.is_terminal:
        wide = Console(width=200)  # into a file or a pipe: nothing is cut
    wide.print(table)
    for channel in found["channels"]:
        if channel["problem"]:
            click.echo(f"{channel['name']}: its file is not run: {channel['problem']}")
    alive = [process["role"] for process in found["processes"] if process["alive"]]
    click.echo(f"processes: {', '.join(alive) if alive else 'none is running'}")


def _state_command(name: str, state: str, text: str) -> click.Command:
    @click.command(name=name, help=text)
    @click.argument("channel")
    @click.option("--reason", help="Why; shown on the status page.")
    @site_option
    def command(channel: str, reason: str | None, site: Path) -> None:
        store = open_store(site)
        try:
            control_of(store).set_state(channel, state, by=getpass.getuser(), reason=reason)
        except NoSuchChannel:
            names = ", ".join(row.name for row in directory.channels(store.connection)) or "none"
            click.echo(f"there is no channel '{channel}'; there are: {names}", err=True)
            sys.exit(EXIT_REFUSED)
        finally:
            store.close()
        click.echo(f"{channel}: {state}")

    return command


start_command = _state_command("start", "started", "Start a channel.")
resume_command = _state_command("resume", "started", "Open a paused channel's door again.")
pause_command = _state_command("pause", "paused", "Close a channel's door; what it has is still delivered.")
stop_command = _state_command("stop", "stopped", "Stop a channel: its door and its lanes; what waits stays stored.")
