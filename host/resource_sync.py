"""Reads the bookable resources of both sides, compares them, writes down what differs, and lets go of what waited."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from channels import resource_sync
from channels.settings import build, mistakes
from connectors.fhir_client import FhirClient, FhirServer
from connectors.fhir_read import read_all
from connectors.fhir_watermark import instant
from connectors.resource_source import READERS, Export, ResourceFolder
from messages.problem import Problem, Problems
from messages.resource import NAMES, Record, Side
from store import alerts, drift
from store.connection import Connection
from store.drift import Comparison, NewComparison, SideLine
from store.store import Store
from store.writer import Transaction
from transformers import resource_export, resource_fhir, resource_mfn
from transformers.mapping_site import Site
from transformers.resource_compare import Compared, compare
from transformers.resource_file import SyncPlan

log = logging.getLogger(__name__)

#: Name of the lock, and of the writer: one comparison at a time.
ROLE = "sync"
#: Seconds before the newest resource from which changes are asked for: they do not appear in order.
OVERLAP = 60.0
#: Keys of alerts.
BLOCKED, STALE = "resources.blocked", "resources.stale"
UNREAD: Mapping[Side, str] = {"omegaai": "resources.omegaai", "powerserver": "resources.powerserver"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What came of a comparison."""

    #: None: a side could not be read, and nothing was compared.
    comparison: Comparison | None
    #: side → why it could not be read.
    failures: Mapping[Side, str]
    #: Parked deliveries that are mapped anew.
    requeued: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRead:
    """One side as it was read."""

    line: SideLine
    records: Sequence[Record]
    #: Of OmegaAI: what is to be kept, and whether it is all there is.
    resources: Sequence[Mapping[str, Any]] = ()
    whole: bool = False
    #: Of PowerServer, where a channel is read: the messages that its resources follow from.
    master_files: Sequence[drift.MasterFile] = ()
    #: Of OmegaAI: `Type/id` → the resource as it is now.
    held: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


async def synchronise(site: Site, plan: SyncPlan, store: Store, *, whole: bool, accept: bool) -> Synced:
    """Read both sides and compare them.

    Args:
        site: whose stations are read.
        plan: of its resource-sync.yaml.
        store: to write into.
        whole: read all of OmegaAI's resources, not only what has changed.
        accept: believe also a reading that lacks most of what was there before.
    """
    before = drift.sides(store.connection)
    omegaai, powerserver = await read_sides(site, plan, store.connection, whole=whole)
    failures: dict[Side, str] = {}
    for side, given in (("omegaai", omegaai), ("powerserver", powerserver)):
        problem = given if isinstance(given, str) else None if accept else _unbelievable(given, before, plan)
        if problem is not None:
            failures[side] = problem  # type: ignore[index]  # the two names of a side
    compared = None
    if not failures and isinstance(omegaai, SideRead) and isinstance(powerserver, SideRead):
        compared = await asyncio.to_thread(compare, omegaai.records, powerserver.records, plan.rules)
    readings = [one for one in (omegaai, powerserver) if isinstance(one, SideRead) and one.line.side not in failures]
    comparison = await store.writer.run(lambda tx: _write(tx, plan, readings, failures, compared))
    requeued = await resource_sync.requeue(store) if comparison is not None else 0
    log.info(
        "resources were compared" if comparison else "resources could not be compared",
        extra={"count": len(compared.drifts) if compared else 0},
    )
    return Synced(comparison=comparison, failures=failures, requeued=requeued)


async def read_sides(
    site: Site, plan: SyncPlan, connection: Connection, *, whole: bool
) -> tuple[SideRead | str, SideRead | str]:
    """Return OmegaAI and PowerServer as they are now, each as it was read or as the reason why it was not."""
    return await asyncio.gather(
        _attempt(_read_omegaai(site, plan, connection, whole=whole)),
        _attempt(_read_powerserver(site, plan, connection)),
    )


async def _attempt(reading: Any) -> SideRead | str:
    """Return what was read, or why it was not. Of resources, not of patients: the reason may be shown."""
    try:
        read: SideRead = await reading
    except Problems as problems:
        return str(problems.problems[0])
    except OSError as error:
        return str(error) or type(error).__name__
    return read


def _unbelievable(read: SideRead, before: Mapping[str, SideLine], plan: SyncPlan) -> str | None:
    """Say why a reading is not believed: a torn export must not stop all bookings."""
    known = before.get(read.line.side)
    count = len(read.records)
    if known is None or not known.count or count >= known.count * (100 - plan.shrink) / 100:
        return None
    return (
        f"{count} resources were read where there were {known.count} before: not believed; if it is right: "
        "plugin-host drift --now --accept"
    )


def _write(
    tx: Transaction,
    plan: SyncPlan,
    readings: Sequence[SideRead],
    failures: Mapping[Side, str],
    compared: Compared | None,
) -> Comparison | None:
    """Write all of it in one transaction: bookings see the old state, or the new one."""
    for side, key in UNREAD.items():
        if side in failures:
            drift.write_failure(tx, side, plan.title, failures[side])
            alerts.open(tx, key, "warning", f"the resources of {NAMES[side]} were not taken over: {failures[side]}")
        else:
            alerts.close(tx, key)
    for read in readings:
        drift.write_side(tx, read.line)
        if read.line.side == "omegaai":
            drift.write_copies(tx, read.resources, whole=read.whole)
        else:
            _tell_age(tx, plan, read.line)
            if read.master_files:
                drift.keep_master_files(tx, plan.powerserver_channel, read.master_files)
    if compared is None:
        return None
    counts = {read.line.side: len(read.records) for read in readings}
    made = drift.write_comparison(
        tx,
        NewComparison(
            omegaai=counts["omegaai"], powerserver=counts["powerserver"], pairs=compared.pairs,
            looked_at=compared.looked_at, drifts=compared.drifts,
            names=[
                (one.facility or "", one.name)
                for read in readings
                if read.line.side == "powerserver"
                for one in read.records
            ],
        ),
    )  # fmt: skip
    _tell_blockers(tx, compared)
    return made


def _tell_age(tx: Transaction, plan: SyncPlan, line: SideLine) -> None:
    age = tx.now - (line.made_at or tx.now)
    if age > plan.stale_after:
        alerts.open(tx, STALE, "warning", f"PowerServer's export of its resources is {age / 86400:.0f} days old")
    else:
        alerts.close(tx, STALE)


def _tell_blockers(tx: Transaction, compared: Compared) -> None:
    blocked = sorted({one.name for one in compared.drifts if one.severity == "blocker"})
    if not blocked:
        alerts.close(tx, BLOCKED)
        return
    named = ", ".join(blocked[:3]) + (f" and {len(blocked) - 3} more" if len(blocked) > 3 else "")
    alerts.open(tx, BLOCKED, "blocker", f"no bookings on {len(blocked)} resource(s): {named}; see plugin-host drift")


# -- the sides ----------------------------------------------------------------------------------------------


def settings_of(site: Site, station: str, cls: type, place: str) -> Any:
    """Return a station's settings as `cls`; settings of other connectors at the same station are left out.

    Raises:
        Problems: E153.
    """
    known = {one.name for one in dataclasses.fields(cls) if one.init}
    given = {name: value for name, value in site.stations[station].items() if name in known}
    wrong = mistakes(cls, given)
    if wrong:
        raise Problems(
            Problem(code="E153", text=f"{place}: {text}", hint=hint, place=site.place(("stations", station)))
            for _, text, hint in wrong
        )
    return build(cls, given)


async def _read_omegaai(site: Site, plan: SyncPlan, connection: Connection, *, whole: bool) -> SideRead:
    """Read what has changed, or all where nothing is known, too long ago or asked for."""
    server: FhirServer = settings_of(site, plan.omegaai_station, FhirServer, "OmegaAI")
    known = drift.sides(connection).get("omegaai")
    now = time.time()
    whole = whole or known is None or known.whole_at is None or now - known.whole_at > plan.reread
    client = FhirClient(server)
    try:
        await client.reach()
        read = [one for kind in plan.read for one in await _changed(client, server, plan, kind, connection, whole)]
    finally:
        await client.close()
    held = {} if whole else {(one["resourceType"], one["id"]): one for one in drift.copies(connection)}
    held |= {(one["resourceType"], one["id"]): one for one in read}
    records = await asyncio.to_thread(resource_fhir.records, list(held.values()), plan)
    whole_at = now if whole or known is None else known.whole_at
    line = SideLine(
        side="omegaai", read_at=now, whole_at=whole_at, made_at=None, source=server.base, count=len(records),
        problem=None,
    )  # fmt: skip
    names = {f"{kind}/{id_}": one for (kind, id_), one in held.items()}
    return SideRead(line=line, records=records, resources=read, whole=whole, held=names)


async def _changed(  # noqa: PLR0913, PLR0917 - one search
    client: FhirClient, server: FhirServer, plan: SyncPlan, kind: str, connection: Connection, whole: bool
) -> list[dict[str, Any]]:
    criteria = [(name, value) for name, _, value in (text.partition("=") for text in plan.read[kind])]
    newest = None if whole else drift.newest_copy(connection, kind)
    if newest:
        since = datetime.fromisoformat(newest) - timedelta(seconds=OVERLAP)
        criteria.append(("_lastUpdated", f"ge{instant(since)}"))
    return [one async for one in read_all(client, server.base, kind, criteria, page=plan.page)]


async def _read_powerserver(site: Site, plan: SyncPlan, connection: Connection) -> SideRead:
    if plan.powerserver_reader == "channel":
        files = drift.master_files(connection, plan.powerserver_channel)
        return await asyncio.to_thread(_read_master_files, files, plan)
    reader = settings_of(site, plan.powerserver_station, READERS[plan.powerserver_reader], "PowerServer's resources")
    if isinstance(reader, ResourceFolder):
        reader.folder = str(inside(site, reader.folder))
    exports = await reader.read()
    records = await asyncio.to_thread(_records, exports, plan)
    made_at = max(one.made_at for one in exports)
    source = ", ".join(one.name for one in exports[:3]) + (" …" if len(exports) > 3 else "")
    line = SideLine(
        side="powerserver", read_at=time.time(), whole_at=None, made_at=made_at, source=source, count=len(records),
        problem=None,
    )  # fmt: skip
    return SideRead(line=line, records=records)


def _read_master_files(files: Sequence[drift.MasterFile], plan: SyncPlan) -> SideRead:
    """Read what the messages of a channel leave behind, from the last whole file on."""
    if not files:
        raise FileNotFoundError(f"the channel {plan.powerserver_channel} has received no MFN^M05 yet")
    first = max((n for n, one in enumerate(files) if resource_mfn.replaces_all(one.body)), default=0)
    files = files[first:]
    rows = resource_mfn.read_messages((f"message {one.number}", one.body) for one in files)
    records = resource_export.records(rows, plan, of_mfn=True)
    line = SideLine(
        side="powerserver", read_at=time.time(), whole_at=None, made_at=files[-1].received_at,
        source=f"{len(files)} message(s) of {plan.powerserver_channel}", count=len(records), problem=None,
    )  # fmt: skip
    return SideRead(line=line, records=records, master_files=files)


def inside(site: Site, folder: str) -> Path:
    """Return a folder of site.yaml: a relative one stands in the site's folder."""
    return site.folder / folder


def _records(exports: Sequence[Export], plan: SyncPlan) -> list[Record]:
    messages = [(one.name, one.body) for one in exports if one.name.lower().endswith(".hl7")]
    if messages:
        return resource_export.records(resource_mfn.read_messages(messages), plan, of_mfn=True)
    found: list[Record] = []
    for one in exports:
        if one.name.lower().endswith(".json"):
            rows = resource_export.read_json(one.body, one.name)
        else:
            rows = resource_export.read_csv(_text(one), one.name)
        found += resource_export.records(rows, plan)
    return found


def _text(export: Export) -> str:
    """Return a CSV export as text: UTF-8, or what a Windows machine writes by itself."""
    try:
        return export.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return export.body.decode("cp1252", "replace")
