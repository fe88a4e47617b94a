"""Repairs of drifts: a plan that a person sees, and its application, each change refused or done by itself.

A plan is made of both sides as they are now. Its number is made of its changes: when it is applied it is made anew, and
where anything differs by then, nothing is done.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from channels.resource_sync import TABLE
from connectors.fhir_client import FORM, STRICTLY, Call, FhirClient, FhirServer
from connectors.fhir_reply import read_refusal, read_resource
from connectors.fhir_sender import FhirSender
from connectors.mllp_sender import MllpSender
from host.resource_sync import SideRead, inside, read_sides, settings_of
from messages.identity import control_id
from messages.lifecycle import Event
from messages.resource import NAMES, Drift, Record
from store import directory, unmapped
from store.connection import Connection
from transformers.mapping_site import Site
from transformers.resource_compare import compare
from transformers.resource_file import SyncPlan
from transformers.resource_mfn import write_message
from transformers.resource_repair import Unrepairable, to_omegaai, to_powerserver

#: Appointments in these are still to come about (FHIR R4, value set appointmentstatus).
_TO_COME = "proposed,pending,booked,arrived,checked-in,waitlist"
#: What the host leaves to people, by category, and what they do.
_BY_HAND = {
    "MISSING_IN_OAI": "the host makes no resources in OmegaAI and removes none from PowerServer: make it in OmegaAI, "
                      "or close it in PowerServer once no appointment is on it",
    "DUPLICATE": "the host removes no resources: choose the one that stays, move the others' appointments, and rename "
                 "or remove them",
    "UNMAPPED_FACILITY": "the host changes no files of the site: add the row",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a plan."""

    side: str
    facility: str
    name: str
    category: str
    field: str
    #: What the side has, and what it is to have.
    before: str
    after: str
    #: fhir, mfn or csv; None: the host does not do it.
    how: str | None
    #: Why the host does not do it; None where it does.
    refused: str | None
    #: What a person does instead, with the menu path.
    action: str
    #: What is sent.
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be changed."""

    id: str
    changes: tuple[Change, ...]


class CannotPlan(RuntimeError):
    """A side cannot be read; the text says which and why."""


async def make_plan(site: Site, plan: SyncPlan, connection: Connection) -> Plan:
    """Return what would bring the sides in step; nothing is changed.

    Raises:
        CannotPlan: a side cannot be read.
    """
    omegaai, powerserver = await read_sides(site, plan, connection, whole=True)
    for name, given in (("OmegaAI", omegaai), ("PowerServer", powerserver)):
        if isinstance(given, str):
            raise CannotPlan(f"{name} cannot be read: {given}")
    assert isinstance(omegaai, SideRead)  # noqa: S101 - said above
    assert isinstance(powerserver, SideRead)  # noqa: S101 - said above
    drifts = compare(omegaai.records, powerserver.records, plan.rules).drifts
    maker = _Maker(site, plan, omegaai, powerserver)
    bound = await _bound(site, plan, connection, drifts, omegaai)
    changes = tuple(maker.change(drift, bound) for drift in drifts if drift.severity != "info")
    digest = hashlib.sha256(orjson.dumps([asdict(change) for change in changes], option=orjson.OPT_SORT_KEYS))
    return Plan(id=digest.hexdigest()[:12], changes=changes)


class _Maker:
    def __init__(self, site: Site, plan: SyncPlan, omegaai: SideRead, powerserver: SideRead) -> None:
        self._site, self._plan = site, plan
        self._held = omegaai.held
        self._ours = {record.where: record for record in omegaai.records}
        self._theirs = {record.where: record for record in powerserver.records}

    def change(self, drift: Drift, bound: Mapping[tuple[str, str], str]) -> Change:
        """Return the change that cures a drift; refused where the host does not do it."""
        how: str | None = None
        payload: dict[str, Any] = {}
        refused: str | None = None
        try:
            how, payload = self._payload(drift)
        except Unrepairable as error:
            refused = str(error)
        if refused is None and drift.category in self._plan.depends:
            refused = bound.get((drift.facility, drift.name))
        is_ours = drift.change == "omegaai"
        values = (drift.omegaai, drift.powerserver) if is_ours else (drift.powerserver, drift.omegaai)
        return Change(
            side=NAMES.get(drift.change or "", "this site"), facility=drift.facility, name=drift.name,
            category=drift.category, field=drift.field, before=values[0], after=values[1],
            how=how if refused is None else None, refused=refused, action=drift.action,
            payload=payload if refused is None else {},
        )  # fmt: skip

    def _payload(self, drift: Drift) -> tuple[str, dict[str, Any]]:
        if drift.change == "omegaai" and self._plan.repair_omegaai == "report":
            raise Unrepairable("this site has the host report only: repair: omegaai of resource-sync.yaml")
        if drift.change == "powerserver" and self._plan.repair_powerserver == "report":
            raise Unrepairable("this site has the host report only: repair: powerserver of resource-sync.yaml")
        ours, theirs = self._ours.get(drift.omegaai_where), self._theirs.get(drift.powerserver_where)
        if drift.change == "omegaai" and ours is not None and theirs is not None:
            envelope = to_omegaai(drift, self._held[ours.where], (ours, theirs), self._plan)
            return "fhir", {"envelope": orjson.loads(envelope)}
        if drift.change == "powerserver" and ours is not None:
            return self._plan.repair_powerserver, {"change": to_powerserver(drift, ours, theirs)}
        raise Unrepairable(_BY_HAND.get(drift.category, "a person does this"))


# -- what depends on it -------------------------------------------------------------------------------------


async def _bound(
    site: Site, plan: SyncPlan, connection: Connection, drifts: Sequence[Drift], omegaai: SideRead
) -> dict[tuple[str, str], str]:
    """Return, by facility and name, why a resource must stay as it is: appointments are still to come on it.

    OmegaAI refuses to delete a healthcare service with future appointments; no repair goes behind that.
    """
    if plan.repair_omegaai == plan.repair_powerserver == "report":
        return {}
    found = dict(_waiting(connection))
    ours = {record.where: record for record in omegaai.records}
    server: FhirServer = settings_of(site, plan.omegaai_station, FhirServer, "OmegaAI")
    client = FhirClient(server)
    try:
        for drift in drifts:
            key = drift.facility, drift.name
            if drift.category in plan.depends and key not in found and drift.omegaai_where in ours:
                words = await _appointments(client, ours[drift.omegaai_where])
                if words is not None:
                    found[key] = words
    finally:
        await client.close()
    return found


def _waiting(connection: Connection) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the resources that parked bookings name."""
    for row in directory.channels(connection):
        for codes in unmapped.waiting(connection, row.number).values():
            for code in codes:
                if code.table == TABLE:
                    facility, _, name = code.code.partition("|")
                    yield (facility, name), "parked bookings name this resource: cancel them, or repair it by hand"


async def _appointments(client: FhirClient, record: Record) -> str | None:
    """Return why the resource must stay: how many appointments are still to come, or that nobody can say."""
    form = {
        "actor": record.where, "date": f"ge{datetime.now(UTC):%Y-%m-%d}", "status": _TO_COME, "_count": "1",
    }  # fmt: skip
    call = Call(
        method="POST", path="/Appointment/_search", content=urlencode(form).encode(), content_type=FORM,
        headers=STRICTLY, repeatable=True,
    )  # fmt: skip
    try:
        answer = await client.ask(call, "")
        if read_refusal(answer) is not None:
            return f"OmegaAI does not say whether appointments are still to come on it ({answer.status})"
        bundle = read_resource(answer)
    except OSError as error:
        return f"OmegaAI cannot be asked whether appointments are still to come on it: {error}"
    count = bundle.get("total", len(bundle.get("entry") or []))
    return f"{count} appointment(s) are still to come on it" if count else None


# -- applying -----------------------------------------------------------------------------------------------


async def apply_plan(site: Site, plan: SyncPlan, repairs: Plan) -> list[dict[str, Any]]:
    """Make the changes, one by one; return what came of each."""
    results = [{"name": one.name, "field": one.field, "done": False, "said": one.refused or ""}
               for one in repairs.changes]  # fmt: skip
    doing = list(zip(repairs.changes, results, strict=True))
    await _by_fhir(site, plan, [pair for pair in doing if pair[0].how == "fhir"])
    await _by_mfn(site, plan, [pair for pair in doing if pair[0].how == "mfn"])
    _by_csv(site, plan, repairs.id, [pair for pair in doing if pair[0].how == "csv"])
    return results


_Pairs = Sequence[tuple[Change, dict[str, Any]]]


async def _by_fhir(site: Site, plan: SyncPlan, doing: _Pairs) -> None:
    if not doing:
        return
    sender: FhirSender = settings_of(site, plan.omegaai_station, FhirSender, "OmegaAI")
    touched: set[str] = set()
    try:
        for change, result in doing:
            envelope = dict(change.payload["envelope"])
            if envelope["path"] in touched:  # our own change before made a new version of it
                envelope.pop("if_match", None)
            try:
                await sender.open()
                reply = await sender.send(orjson.dumps(envelope), control_id())
            except OSError as error:
                result["said"] = f"not answered: {error}; compare anew before it is tried again"
                continue
            result["done"], result["said"] = reply.event is Event.ACCEPTED, reply.reason or ""
            touched.add(envelope["path"])
    finally:
        await sender.close()


async def _by_mfn(site: Site, plan: SyncPlan, doing: _Pairs) -> None:
    if not doing or plan.repair_station is None:
        return
    sender: MllpSender = settings_of(site, plan.repair_station, MllpSender, "PowerServer")
    header = {name: str(site.value(f"endpoint.{name}") or "") for name in ("sending_app", "receiving_app")}
    header["processing_id"] = str(site.value("endpoint.processing_id") or "P")
    try:
        for change, result in doing:
            number = control_id()
            body = write_message(
                [change.payload["change"]], control_id=number, now=datetime.now(UTC), header=header
            )  # fmt: skip
            try:
                await sender.open()
                reply = await sender.send(body, number)
            except OSError as error:
                result["said"] = f"not answered: {error}; compare anew before it is tried again"
                continue
            result["done"], result["said"] = reply.event is Event.ACCEPTED, reply.reason or ""
    finally:
        await sender.close()


def _by_csv(site: Site, plan: SyncPlan, number: str, doing: _Pairs) -> None:
    """Write the changes into one file for PowerServer's administrator, whole or not at all."""
    if not doing or plan.repair_station is None:
        return
    folder = inside(site, str(site.stations[plan.repair_station].get("folder", "")))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Facility", "Resource", "Field", "Is", "Shall be", "Where"])
    for change, _ in doing:
        writer.writerow([change.facility, change.name, change.field, change.before, change.after, change.action])
    path = folder / f"changes-{number}.csv"
    try:
        fresh = path.with_suffix(".part")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(out.getvalue())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        for _, result in doing:
            result["said"] = f"{path.name} cannot be written: {error.strerror}"
        return
    for _, result in doing:
        result["done"], result["said"] = True, f"written to {path.name}"
