"""Checks of the code tables: against each other, against both sides, and against what messages brought."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from channels import registry
from channels.requeue import cured
from host.doctor.check import Examined, Told, bad, good, unknown
from messages.problem import Problems
from store import directory, drift, traffic, unmapped
from store.connection import Connection
from transformers import code_table
from transformers.base import Given
from transformers.code_table import Table

#: Stored messages of a channel that are mapped once more to see what they need.
LOOKED_AT = 300

#: The workflow steps of PowerServer, and HL7 table 0278 (filler status codes).
#: Source: help.omegaai.com, Blume and OmegaAI, the table of statuses; HL7 v2.5.1 appendix A.
RIS_STEPS = ("ORDERED", "SCHEDULED", "CONFIRMED", "ARRIVED", "READY FOR SCAN", "NO SHOW", "CANCELLED", "COMPLETED")
FILLER_STATUSES = ("Pending", "Waitlist", "Booked", "Started", "Complete", "Cancelled", "Noshow", "Deleted")


def table_of(examined: Examined, name: str) -> Table | None:
    """Return tables/NAME.csv; None where it is not there or broken."""
    path = examined.site.folder / "tables" / f"{name}.csv"
    try:
        return code_table.load(path) if path.exists() else None
    except Problems:
        return None


def readable(examined: Examined) -> Iterable[Told]:
    """Every table can be read."""
    paths = sorted((examined.site.folder / "tables").glob("*.csv"))
    broken = 0
    for path in paths:
        try:
            code_table.load(path)
        except Problems as problems:
            broken += 1
            yield bad(str(problems.problems[0]).splitlines()[0], about=path.name)
    if not broken:
        yield good(f"{len(paths)} tables can be read")


def statuses(examined: Examined) -> Iterable[Told]:
    """Every status of PowerServer, of HL7 and of FHIR has its row."""
    table = table_of(examined, "powerserver_states")
    if table is None:
        yield unknown("the site has no table powerserver_states: no channel reads PowerServer's statuses", "")
    else:
        missing = [code for code in (*RIS_STEPS, *FILLER_STATUSES) if code not in table.rows]
        if missing:
            yield bad(
                f"no row for {', '.join(missing)}", "add the rows to tables/powerserver_states.csv", "PowerServer"
            )
        else:
            yield good(f"{len(table.rows)} statuses have a row", "PowerServer")
    yield _fhir_statuses(examined)


def _fhir_statuses(examined: Examined) -> Told:
    given = examined.site.value("appointment.statuses")
    if given is None or "appointment" not in registry.names("channel"):
        return unknown("no table of statuses stands in site.yaml: values: appointment: statuses:", "", "FHIR")
    found = registry.load("channel", "appointment").check(examined.site.values["appointment"])
    if found:
        _, text, hint = found[0]
        return bad(text, hint, "FHIR")
    return good("each status of a FHIR Appointment has its row", "FHIR")


def organizations(examined: Examined) -> Iterable[Told]:
    """Every organization has a facility that PowerServer has, and a time zone that there is."""
    table = table_of(examined, "organizations")
    if table is None:
        yield unknown("the site has no table organizations that can be read", "see tables.readable")
        return
    facilities = _facilities(examined)
    wrong = 0
    for key, row in table.rows.items():
        zone = row.get("time_zone", "")
        if zone and not _is_zone(zone):
            wrong += 1
            yield bad(f"'{zone}' is no time zone", "write one such as America/Sao_Paulo", key)
        facility = row.get("facility", "")
        if facilities and unicodedata.normalize("NFC", facility) not in facilities:
            wrong += 1
            listed = ", ".join(sorted(facilities)[:5])
            yield bad(f"PowerServer's export has no resource of the facility '{facility}'; it has {listed}",
                      "write the facility exactly as PowerServer has it", key)  # fmt: skip
    if not wrong:
        compared = "" if facilities else "; PowerServer's facilities are not known here yet"
        yield good(f"{len(table.rows)} organization(s) have facility and time zone{compared}")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _facilities(examined: Examined) -> set[str]:
    return {facility for facility, _ in _known(examined)}


def _known(examined: Examined) -> list[tuple[str, str]]:
    """Return (facility, name) of PowerServer's resources as they were compared last."""
    return drift.known_resources(examined.store) if examined.store is not None else []


def resources(examined: Examined) -> Iterable[Told]:
    """The table of resources that bookings are mapped by names what PowerServer has."""
    table = table_of(examined, "resources")
    known = {name for _, name in _known(examined)}
    if table is None or not known:
        yield unknown("PowerServer's resources are not known here yet", "plugin-host drift --now")
        return
    folded = {name.casefold().replace(" ", ""): name for name in known}
    wrong = 0
    for name, row in table.rows.items():
        if row.get("active") == "no" or unicodedata.normalize("NFC", name) in known:
            continue
        wrong += 1
        near = folded.get(name.casefold().replace(" ", ""))
        told = f"PowerServer has no resource '{name}'" + (f", but '{near}'" if near else "")
        yield bad(told, f"tables/resources.csv:{table.lines[name]}: write the name exactly as both sides have it", name)
    if not wrong:
        yield good(f"PowerServer has all active resources of the table ({len(table.rows)} rows)")


def modalities(examined: Examined) -> Iterable[Told]:
    """Every order set has a resource that can do it."""
    ordersets, table = table_of(examined, "ordersets"), table_of(examined, "resources")
    if ordersets is None or table is None:
        yield unknown("the site has no tables ordersets and resources that can be read", "see tables.readable")
        return
    groups = examined.sync.groups if examined.sync is not None else {}
    can = {_group(row, groups) for row in table.rows.values() if row.get("active") != "no"}
    # A study without a modality takes that of the resource.
    missing = {
        key: row["modality"]
        for key, row in ordersets.rows.items()
        if row.get("modality") and _group(row, groups) not in can
    }
    for key, modality in missing.items():
        yield bad(f"no active resource has the modality '{modality}'",
                  "correct the order set's modality in tables/ordersets.csv, or add the resource", key)  # fmt: skip
    if not missing:
        yield good(f"{len(ordersets.rows)} order sets have a resource of their modality")


def _group(row: Mapping[str, str], groups: Mapping[str, str]) -> str:
    modality = row.get("modality", "")
    return groups.get(modality, modality)


def coverage(examined: Examined) -> Iterable[Told]:
    """Every table covers the codes of the last days' messages. Codes are of messages: they are counted, not shown."""
    if examined.store is None:
        yield unknown("there is no store yet, so no messages", "")
        return
    days = examined.site.doctor.traffic_days
    since = examined.now - days * 86400
    missing: Counter[str] = Counter()
    messages = 0
    for file in examined.files:
        plan = file.checked.plan
        if plan is None:
            continue
        transformer = registry.load("transformer", plan["transformer"])(plan)
        for body, focus in list(traffic.last_bodies(examined.store, file.channel, since, LOOKED_AT)):
            messages += 1
            missing.update({table for table, _ in _codes(transformer, body, focus, plan)})
    waits = _waiting(examined.store, examined)
    for table, count in sorted((missing + waits).items()):
        yield bad(f"{count} message(s) of the last {days} days have a code without a row",
                  "plugin-host unmapped shows the codes; add the rows and deploy", table)  # fmt: skip
    if not missing and not waits:
        told = f"the tables have a row for every code of {messages} message(s) of the last {days} days"
        yield good(told) if messages else unknown(f"no message came in the last {days} days", "")


def _codes(transformer: object, body: bytes, focus: int | None, plan: dict[str, object]) -> Iterator[tuple[str, str]]:
    given = Given(
        now=datetime.now(UTC), control_id="DOCTOR", destination=next(iter(plan["destinations"])), focus=focus,  # type: ignore[call-overload]  # a mapping
    )  # fmt: skip
    try:
        transformer.transform(transformer.load(body), given)  # type: ignore[attr-defined]  # a Transformer
    except Problems as problems:
        for problem in problems.problems:
            yield from ((code.table, code.code) for code in problem.unmapped)
    except Exception:  # noqa: BLE001 - a bug of the transformer shows itself where the message is parked
        return


def _waiting(connection: Connection, examined: Examined) -> Counter[str]:
    """Return, by table, how many parked deliveries wait for a row that is still missing."""
    found: Counter[str] = Counter()
    fit = {file.channel: file.checked.plan for file in examined.files if file.checked.plan is not None}
    for row in directory.channels(connection):
        plan = fit.get(row.name)
        if plan is None:
            continue
        transformer = registry.load("transformer", plan["transformer"])(plan)
        free = set(cured(connection, row.number, transformer))
        for delivery, codes in unmapped.waiting(connection, row.number).items():
            if delivery not in free:
                found.update({code.table for code in codes})
    return found
