"""`plugin-host status`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from host.command_access import opened_store
from host.command_line import EXIT_FINDINGS, json_option, print_json, site_option
from messages.lifecycle import Status
from store import alerts, dicom, directory, drift, reads
from store.lock import Lock
from store.store import Store

#: Seconds between two looks of `--watch`.
_EVERY = 2.0


@click.command()
@click.option("--watch", is_flag=True, help="Look again every 2 seconds, until Ctrl-C.")
@site_option
@json_option
def status_command(watch: bool, site: Path, as_json: bool) -> None:
    """Show channels, counts since midnight (UTC), connections, blocked resources and open alerts.

    Exit code 1 when something needs a person: no process runs, a channel does not, a delivery is parked, a
    destination cannot be reached, bookings on a resource are refused, an alert is open.
    """
    with opened_store(site) as store:
        while True:
            found = describe(store)
            attention = list(_attention(found))
            if as_json:
                print_json(**found, attention=attention)
            else:
                if watch:
                    click.clear()
                _print(found)
                for line in attention:
                    click.echo(line)
            if not watch:
                break
            time.sleep(_EVERY)
    sys.exit(EXIT_FINDINGS if attention else 0)


def describe(store: Store) -> dict[str, Any]:
    """Return channels, counts since midnight UTC, processes, blockers and alerts, as `status --json` prints them."""
    now = time.time()
    counts = reads.counts(store.connection, since=now - now % 86400)
    channels = [
        {
            "name": row.name,
            "title": row.title,
            "state": row.state,
            "revision": row.revision,
            "problem": row.problem,
            "changed_by": row.changed_by,
            "reason": row.reason,
            "destinations": [_destination(line, counts[line.number], now) for line in row.destinations],
        }
        for row in directory.channels(store.connection)
    ]
    rows = directory.processes(store.connection)
    processes = [{"role": p.role, "pid": p.pid, "alive": directory.is_alive(p), "doors": list(p.doors)} for p in rows]
    heard = max((p.beat_at for p in rows), default=None)
    supervisor = {
        "runs": Lock.is_held(store.folder, "host"),
        "heard_seconds_ago": None if heard is None else round(max(0.0, now - heard), 1),
    }
    raised = [
        {"key": one.key, "severity": one.severity, "text": one.text, "opened_at": one.opened_at}
        for one in alerts.open_alerts(store.connection)
    ]
    strangers = [
        {"why": row.why, "times": row.times, "last_at": row.last_at, "last_peer": row.last_peer}
        for row in dicom.turned_away(store.connection)
    ]
    return {
        "channels": channels,
        "supervisor": supervisor,
        "processes": processes,
        "dicom_turned_away": strangers,
        "blocked_resources": drift.blocker_count(store.connection),
        "alerts": raised,
    }


def _destination(line: directory.DestinationRow, counts: reads.DestinationCounts, now: float) -> dict[str, Any]:
    return {
        "name": line.name,
        "connection": line.connection,
        "connection_reason": line.connection_reason,
        "queued": reads.open_count(counts.levels),
        "parked": counts.levels.get(Status.ERROR, 0),
        "oldest_seconds": round(now - counts.oldest_open_at, 1) if counts.oldest_open_at else None,
        "today": {
            "received": counts.flows.get(Status.RECEIVED, 0),
            "filtered": counts.flows.get(Status.FILTERED, 0),
            "sent": counts.flows.get(Status.SENT, 0),
            "errored": counts.flows.get(Status.ERROR, 0),
        },
    }


def _attention(found: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing that needs a person."""
    yield from _of_processes(found)
    for channel in found["channels"]:
        if channel["problem"]:
            yield f"{channel['name']}: {channel['problem']}"
        if channel["state"] != "started":
            by = f" by {channel['changed_by']}" if channel["changed_by"] else ""
            reason = f": {channel['reason']}" if channel["reason"] else ""
            yield f"{channel['name']}: {channel['state']}{by}{reason}"
        for line in channel["destinations"]:
            if line["parked"]:
                find = "plugin-host messages find --status ERROR"
                yield f"{channel['name']}: {line['parked']} parked for {line['name']} ({find})"
            if line["connection"] not in {"idle", "connected", "stopped"}:
                reason = f": {line['connection_reason']}" if line["connection_reason"] else ""
                yield f"{channel['name']}: {line['name']} is {line['connection']}{reason}"
    raised = found["alerts"]
    if found["blocked_resources"] or raised:
        newest = f", first: {raised[0]['text']}" if raised else ""
        blocked = f"{found['blocked_resources']} resource(s) blocked (plugin-host drift)"
        yield f"{blocked}; {len(raised)} alert(s) open{newest}"


def _of_processes(found: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence where the host, or a process of it, does not run."""
    processes, heard = found["processes"], found["supervisor"]["heard_seconds_ago"]
    gone = [process["role"] for process in processes if not process["alive"]]
    if not processes:
        yield "the host is not running"
    elif not found["supervisor"]["runs"]:
        yield f"the host is not running: its supervisor is gone; its processes were last heard {heard:.0f} s ago"
    elif len(gone) == len(processes):
        yield f"the host's processes have not been heard for {heard:.0f} s, and its supervisor is there"
    elif gone:
        yield f"not running: {', '.join(gone)}"


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415  # only when a table is printed
    from rich.table import Table  # noqa: PLC0415 - loaded for this command only

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
    wide = Console(highlight=False)
    if not wide.is_terminal:
        wide = Console(width=200)  # into a file or a pipe: nothing is cut
    wide.print(table)
    alive = [process["role"] for process in found["processes"] if process["alive"]]
    if not found["supervisor"]["runs"]:
        alive = []  # what was heard of them lately was before their supervisor ended
    click.echo(f"processes: {', '.join(alive) if alive else 'none is running'}")
    strangers = found["dicom_turned_away"]
    if strangers:
        counted = ", ".join(f"{one['times']} × {one['why']}" for one in strangers)
        click.echo(f"DICOM callers turned away: {counted}; last from {strangers[0]['last_peer']} (plugin-host doctor)")
