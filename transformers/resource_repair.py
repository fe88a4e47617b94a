"""What a repair writes: a change to OmegaAI's HealthcareService, or a record of MFN^M05 for PowerServer. Pure.

Each is made of what both sides have at the time of the plan; the plan names the version that the change was made for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from messages.resource import Drift, Record
from transformers import resource_values as values
from transformers.resource_file import FieldSource, SyncPlan

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
#: HL7 table 0267 (days of the week) is the days' names in capitals.
_RENAMED = frozenset({"NAME_CASE", "NAME_SPACE"})


class Unrepairable(ValueError):
    """The host does not do this; the text says why, and who does."""


def field_of(drift: Drift) -> str:
    """Return the field's name in resource-sync.yaml: `hours` of `hours mon-fri`."""
    return drift.field.partition(" ")[0]


def to_omegaai(drift: Drift, service: Mapping[str, Any], records: tuple[Record, Record], plan: SyncPlan) -> bytes:
    """Return the request envelope (fhir_sender's) that makes OmegaAI's resource as PowerServer has it.

    Args:
        drift: to be cured.
        service: OmegaAI's HealthcareService as it was read.
        records: of OmegaAI and of PowerServer.
        plan: says how a field is written.

    Raises:
        Unrepairable: no field, or its value cannot be written so.
    """
    source = next((one for one in plan.fields if one.name == field_of(drift)), None)
    if source is None or (source.write is None and drift.category not in _RENAMED):
        raise Unrepairable("the host does not write this to OmegaAI: a person does")
    body = {"resourceType": "HealthcareService", **_elements(drift, source, service, records)}
    envelope = {
        "method": "PUT", "path": f"HealthcareService/{service['id']}", "body": body, "merge": True,
        "if_match": service.get("meta", {}).get("versionId"),
    }  # fmt: skip
    return json.dumps({key: value for key, value in envelope.items() if value is not None}).encode()


def _elements(
    drift: Drift, source: FieldSource, service: Mapping[str, Any], records: tuple[Record, Record]
) -> dict[str, Any]:
    ours, theirs = records
    if drift.category in _RENAMED:
        return {"name": theirs.name}
    value = theirs.values[source.name].normal
    if value is None:
        raise Unrepairable("PowerServer's value cannot be read: mend it there first")
    if source.write == "active":
        return {"active": value}
    if source.write == "modality":
        return {"type": _types(service, theirs.values[source.name].raw.strip().upper())}
    if source.write == "hours":
        return {"availableTime": _times(ours.values["hours"].normal or {}, value)}
    kind = {"duration": ("valueDuration", _minutes(value)), "overbooking": ("valueBoolean", value)}[source.write or ""]
    others = [one for one in service.get("extension", []) if one.get("url") != source.extension]
    return {"extension": [*others, {"url": source.extension, kind[0]: kind[1]}]}


def _minutes(value: int) -> dict[str, Any]:
    return {"value": value, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"}


def _types(service: Mapping[str, Any], modality: str) -> list[dict[str, Any]]:
    """Return the types with another modality; what is no DICOM modality (two capital letters) is not written."""
    if not (len(modality) == 2 and modality.isalpha()) or modality == "XR":
        raise Unrepairable(f"PowerServer's class {modality} is no DICOM modality: a person chooses one")
    others = [one for one in service.get("type", []) if not any(c.get("system") == _DCM for c in one.get("coding", []))]
    return [*others, {"coding": [{"system": _DCM, "code": modality}]}]


def _times(ours: values.Hours, theirs: values.Hours) -> list[dict[str, Any]]:
    """Return availableTime: PowerServer's one pair on the days that OmegaAI has open, or PowerServer's own days."""
    pair = theirs.get(values.EVERY_DAY)
    hours = dict.fromkeys(ours, pair) if pair else theirs
    return [
        {"daysOfWeek": [day for day in values.DAYS if hours.get(day) == times],
         "availableStartTime": f"{times[0]}:00", "availableEndTime": _end(times[1])}
        for times in values.unique(hours[day] for day in values.DAYS if day in hours)
    ]  # fmt: skip


def _end(time: str) -> str:
    # FHIR R4, data type time: there is no 24:00; an end at midnight is read as the end of the day.
    return "00:00:00" if time == "24:00" else f"{time}:00"


def to_powerserver(drift: Drift, ours: Record, theirs: Record | None) -> dict[str, str]:
    """Return the change of a location (resource_mfn's, or a line of CSV) that makes PowerServer's as OmegaAI has it.

    Raises:
        Unrepairable: a value of OmegaAI cannot be read, or department and room, which name it, are not known.
    """
    if theirs is None and drift.category != "MISSING_IN_PS":
        raise Unrepairable("PowerServer has no such resource")
    place = theirs if theirs is not None else ours
    change = {
        "event": "MAD" if theirs is None else "MUP", "facility": ours.facility or "", "name": ours.name,
        "department": _raw(place, "department"), "room": _raw(place, "room"),
    }  # fmt: skip
    if not change["room"]:
        raise Unrepairable("the room is not known: a person makes it in PowerServer first")
    if drift.category == "INACTIVE_MISMATCH":
        change["event"] = "MAC" if ours.values["active"].normal else "MDC"
    for name, value in {**(theirs.values if theirs else {}), **_right(drift, ours, theirs)}.items():
        text = _hl7(name, value.normal)
        if text is not None:
            change[name] = text
    return change


def _right(drift: Drift, ours: Record, theirs: Record | None) -> dict[str, Any]:
    if theirs is None:
        return dict(ours.values)
    name = field_of(drift)
    if drift.category in _RENAMED:
        return {}
    if ours.values[name].normal is None:
        raise Unrepairable("OmegaAI's value cannot be read: mend it there first")
    return {name: ours.values[name]}


def _raw(record: Record, name: str) -> str:
    return record.values[name].raw.strip() if name in record.values else ""


def _hl7(name: str, normal: Any) -> str | None:
    """Return a value as MFN^M05 has it; None for fields that it has not."""
    if normal is None:
        return None
    if name == "modality":
        return str(normal)
    if name == "duration":
        return str(normal)
    if name == "overbooking":
        return "Y" if normal else "N"
    if name == "active":
        return "A" if normal else "I"
    return _hours(normal) if name == "hours" else None


def _hours(normal: values.Hours) -> str:
    """Return repetitions of VH, HL7 v2.5.1 chapter 2A: first day, last day, first hour, last hour."""
    if values.EVERY_DAY in normal:
        normal = dict.fromkeys(values.DAYS, normal[values.EVERY_DAY])
    return "~".join(
        f"{day.upper()}^{day.upper()}^{times[0].replace(':', '')}^{times[1].replace(':', '')}"
        for day, times in normal.items()
    )
