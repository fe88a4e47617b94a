"""`plugin-host drift`: what the bookable resources of OmegaAI and PowerServer have differently, and since when."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from host.command_access import bells, opened_store, own_site
from host.command_line import (
    EXIT_CONFIGURATION,
    EXIT_FINDINGS,
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    Failure,
    json_option,
    print_json,
    site_option,
)
from host.command_site import read_site_or_leave, shown
from messages.problem import Problems
from messages.resource import NAMES
from store import drift
from store.drift import DriftLine
from transformers.mapping_site import RESOURCES_FILE, Site

if TYPE_CHECKING:
    from host.resource_sync import Synced
    from store.store import Store
    from transformers.resource_file import SyncPlan

_COLUMNS = ("severity", "category", "facility", "name", "field", "omegaai", "powerserver", "omegaai_normal",
            "powerserver_normal", "action", "omegaai_where", "powerserver_where")  # fmt: skip


@click.command()
@click.option("--now", "read_now", is_flag=True, help="Read both sides and compare them first.")
@click.option("--whole", is_flag=True, help="With --now: read all of OmegaAI, not only what has changed.")
@click.option("--accept", is_flag=True, help="With --now: believe also a reading that lacks most resources.")
@click.option("--history", "past", is_flag=True, help="Also what was cured, and when.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table as CSV.")
@site_option
@json_option
def drift_command(
    read_now: bool, whole: bool, accept: bool, past: bool, as_csv: bool, site: Path, as_json: bool
) -> None:
    """Show what the bookable resources of OmegaAI and PowerServer have differently.

    The running host compares them every so often (resource-sync.yaml); --now does it at once. Exit code 1 when a
    resource has a blocker: its bookings are refused. Exit code 4 when a side could not be read.
    """
    synced = None
    with opened_store(site) as store:
        if read_now:
            synced = compare_now(site, store, whole=whole, accept=accept)
        lines = drift.open_drifts(store.connection) + (drift.history(store.connection) if past else [])
        sides = list(drift.sides(store.connection).values())
        last = drift.last_comparison(store.connection)
    if as_csv:
        _print_csv(lines)
    elif as_json:
        print_json(
            compared_at=_time(last.at) if last else None,
            comparison=dataclasses.asdict(last) if last else None,
            sides=[dataclasses.asdict(side) for side in sides],
            drifts=[as_row(line) for line in lines],
        )
    else:
        for text in _text(lines):
            click.echo(text)
    for text in _summary(last, sides, synced):
        click.echo(text, err=True)
    if synced is not None and synced.failures:
        sys.exit(EXIT_UNREACHABLE)
    sys.exit(EXIT_FINDINGS if any(_blocks(line) for line in lines) else 0)


def _blocks(line: DriftLine) -> bool:
    return line.cured_at is None and line.drift.severity == "blocker"


@contextlib.contextmanager
def sync_store(folder: Path) -> Iterator[Store]:
    """Open the store as the one process that compares; leave when another does."""
    from host.resource_sync import ROLE  # noqa: PLC0415 - --help does not need it
    from store.lock import HeldElsewhere, Lock  # noqa: PLC0415 - loaded for this command only
    from store.store import Store  # noqa: PLC0415 - loaded for this command only

    try:
        lock = Lock(folder, ROLE, wait=30.0)
    except HeldElsewhere:
        raise Failure(EXIT_REFUSED, "another process compares the resources just now") from None
    store = Store(folder, ROLE)
    try:
        yield store
    finally:
        store.close()
        lock.release()


def compare_now(folder: Path, opened: Store, *, whole: bool, accept: bool) -> Synced:
    """Read both sides and compare them; wake the lanes for what was let go."""
    from host.resource_sync import synchronise  # noqa: PLC0415 - loaded for this command only

    site, plan = plan_of(folder)
    with sync_store(opened.folder) as store:
        synced = asyncio.run(synchronise(site, plan, store, whole=whole, accept=accept))
        if synced.requeued:
            with bells(store) as ringer:
                ringer.change()
    return synced


def plan_of(folder: Path) -> tuple[Site, SyncPlan]:
    """Return the site and its plan, or leave."""
    from transformers.resource_file import read_plan  # noqa: PLC0415 - loaded for this command only

    site = read_site_or_leave(own_site(folder))
    try:
        plan = read_plan(site)
    except Problems as problems:
        raise Failure(EXIT_CONFIGURATION, "\n".join(map(shown, problems.problems))) from None
    if plan is None:
        raise Failure(EXIT_CONFIGURATION, f"{folder} has no {RESOURCES_FILE}: its resources are not compared")
    return site, plan


def as_row(line: DriftLine) -> dict[str, Any]:
    """Return a drift as `--json` prints it."""
    found: dict[str, Any] = {name: value for name, value in dataclasses.asdict(line.drift).items() if name != "change"}
    found["change"] = line.drift.change
    times = {"first_seen": line.first_at, "last_seen": line.last_at, "cured": line.cured_at}
    return found | {name: None if at is None else _time(at) for name, at in times.items()}


def _print_csv(lines: Sequence[DriftLine]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*_COLUMNS, "first_seen", "last_seen", "cured"])
    for line in lines:
        row = as_row(line)
        writer.writerow([row[name] for name in (*_COLUMNS, "first_seen", "last_seen")] + [row["cured"] or ""])


def _text(lines: Sequence[DriftLine]) -> Iterator[str]:
    for line in lines:
        one = line.drift
        until = f", cured {_time(line.cured_at)}" if line.cured_at else ""
        yield f"{one.severity:8}{one.category}  {one.facility or '–'} / {one.name}  ({one.field})"
        yield f"        OmegaAI {_value(one.omegaai, one.omegaai_normal)}  |  PowerServer " + _value(
            one.powerserver, one.powerserver_normal
        )
        yield f"        {one.action}"
        yield f"        since {_time(line.first_at)}{until}"


def _value(raw: str, normal: str) -> str:
    told = f'"{raw}"' if raw else "–"
    return told if normal in {raw, ""} else f"{told} = {normal}"


def _summary(last: drift.Comparison | None, sides: Sequence[drift.SideLine], synced: Synced | None) -> Iterator[str]:
    for side in sides:
        if side.problem:
            since = f"; what was read {_time(side.read_at)} stands" if side.read_at else ""
            yield f"{NAMES[side.side]} could not be read: {side.problem}{since}"
    if last is None:
        yield "the resources were never compared: plugin-host drift --now"
        return
    ago = max(0, round((time.time() - last.at) / 60))
    looked = ", ".join(f"{name} {count}" for name, count in last.looked_at.items())
    yield (
        f"compared {ago} min ago: {last.omegaai} resources in OmegaAI, {last.powerserver} in PowerServer, "
        f"{last.pairs} on both sides"
    )
    yield f"fields told by both sides: {looked}"
    if synced is not None and synced.requeued:
        yield f"{synced.requeued} parked booking(s) are mapped anew"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(sep=" ", timespec="seconds")
