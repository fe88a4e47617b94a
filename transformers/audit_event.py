"""An entry of the audit trail as the standards tell it: a FHIR AuditEvent, and the XML of a DICOM audit message.

Sources: FHIR R4 auditevent.html; IHE Basic Audit Log Patterns (BALP); DICOM PS3.15 A.5.1 (schema) and A.5.2; PS3.16 CID
402 (roles of participants), CID 404 (types of objects).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from messages.audit import DCM, EVENTS, OURS, RESTFUL, Entry

#: Participants of a transfer (PS3.16 CID 402).
_SOURCE, _DESTINATION, _APPLICATION = "110153", "110152", "110150"
_NAMES = {_SOURCE: "Source Role ID", _DESTINATION: "Destination Role ID", _APPLICATION: "Application"}
_SECURITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
#: Words of a detail that stand in elements of their own.
_PLACED = frozenset({"patient", "study", "issuer", "requested_by"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """The host that tells of the event."""

    #: Name of the site.
    site: str
    #: Name of the machine.
    host: str = "plugin-host"


def fhir_audit_event(entry: Entry, observer: Observer) -> dict[str, Any]:
    """Return a FHIR R4 AuditEvent with everything that the entry says."""
    event = EVENTS[entry.what]
    subtype = {"system": RESTFUL, "code": event.subtype} if event.subtype else {"system": OURS, "code": entry.what}
    return {
        "resourceType": "AuditEvent",
        "type": {"system": event.system, "code": event.code, "display": event.display},
        "subtype": [subtype],
        "action": event.action,
        "recorded": _time(entry),
        "outcome": str(int(entry.outcome)),
        "agent": _agents(entry, observer),
        "source": {"site": observer.site, "observer": {"display": f"plugin-host at {observer.host}"}},
        "entity": _entities(entry),
    }


def _agents(entry: Entry, observer: Observer) -> list[dict[str, Any]]:
    host = {
        "type": {"coding": [{"system": DCM, "code": _APPLICATION, "display": _NAMES[_APPLICATION]}]},
        "who": {"display": f"plugin-host at {observer.host}"},
        "requestor": entry.who == "host",
    }
    if entry.who == "host":
        return [host, *_asked_by(entry)]
    person: dict[str, Any] = {"who": {"display": entry.who}, "altId": entry.who, "requestor": True}
    if entry.address:
        person["network"] = {"address": entry.address, "type": "2"}  # an IP address
    return [person, host]


def _asked_by(entry: Entry) -> list[dict[str, Any]]:
    asked = entry.detail.get("requested_by")
    return [{"who": {"display": str(asked)}, "altId": str(asked), "requestor": False}] if asked else []


def _entities(entry: Entry) -> list[dict[str, Any]]:
    job = {"what": {"identifier": {"system": OURS, "value": entry.entity}}, "role": _coded(_ROLE, "20", "Job")}
    found = [{**job, "detail": _details(entry)}] if _details(entry) else [job]
    if patient := entry.detail.get("patient"):
        what = {"value": str(patient)} | (
            {"assigner": {"display": str(entry.detail["issuer"])}} if entry.detail.get("issuer") else {}
        )
        found.append({
            "what": {"type": "Patient", "identifier": what}, "type": _coded(_SECURITY, "1", "Person"),
            "role": _coded(_ROLE, "1", "Patient"),
        })  # fmt: skip
    if study := entry.detail.get("study"):
        what = {"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}
        found.append({
            "what": {"type": "ImagingStudy", "identifier": what}, "type": _coded(_SECURITY, "2", "System Object"),
            "role": _coded(_ROLE, "3", "Report"),
        })  # fmt: skip
    return found


def _details(entry: Entry) -> list[dict[str, str]]:
    return [{"type": name, "valueString": _text(value)} for name, value in entry.detail.items() if name not in _PLACED]


def _coded(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def dicom_audit_message(entry: Entry, observer: Observer) -> bytes:
    """Return the XML of a DICOM audit message (PS3.15 A.5.1), UTF-8 without a declaration."""
    event = EVENTS[entry.what]
    root = Element("AuditMessage")
    identification = SubElement(
        root, "EventIdentification", EventActionCode=event.action, EventDateTime=_time(entry),
        EventOutcomeIndicator=str(int(entry.outcome)),
    )  # fmt: skip
    scheme = "DCM" if event.system == DCM else "plugin-host"
    _code(identification, "EventID", event.code, event.display, scheme)
    if scheme == "DCM" and event.subtype is None:
        _code(identification, "EventTypeCode", entry.what, entry.what, "plugin-host")
    participant = SubElement(root, "ActiveParticipant", {"UserID": entry.who, "UserIsRequestor": "true"})
    if entry.detail.get("requested_by"):
        participant.set("AlternativeUserID", str(entry.detail["requested_by"]))
    if entry.address:
        participant.set("NetworkAccessPointID", entry.address)
        participant.set("NetworkAccessPointTypeCode", "2")  # an IP address
    _code(participant, "RoleIDCode", _APPLICATION, _NAMES[_APPLICATION], "DCM")
    source = SubElement(
        root, "AuditSourceIdentification", AuditSourceID=observer.host, AuditEnterpriseSiteID=observer.site
    )
    SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})  # application server
    ours = _object(root, entry.entity, "2", "20")
    _code(ours, "ParticipantObjectIDTypeCode", "job", "job", "plugin-host")
    for detail in _details(entry):
        value = base64.b64encode(detail["valueString"].encode()).decode()
        SubElement(ours, "ParticipantObjectDetail", type=detail["type"], value=value)
    if entry.detail.get("patient"):
        patient = _object(root, str(entry.detail["patient"]), "1", "1")
        _code(patient, "ParticipantObjectIDTypeCode", "2", "Patient Number", "RFC-3881")
    if entry.detail.get("study"):
        study = _object(root, str(entry.detail["study"]), "2", "3")
        _code(study, "ParticipantObjectIDTypeCode", "110180", "Study Instance UID", "DCM")
    encoded: bytes = tostring(root, encoding="utf-8", xml_declaration=False)
    return encoded


def _object(root: Element, identifier: str, kind: str, role: str) -> Element:
    return SubElement(
        root, "ParticipantObjectIdentification", ParticipantObjectID=identifier,
        ParticipantObjectTypeCode=kind, ParticipantObjectTypeCodeRole=role,
    )  # fmt: skip


def _code(parent: Element, name: str, code: str, display: str, scheme: str) -> None:
    SubElement(parent, name, {"csd-code": code, "originalText": display, "codeSystemName": scheme})


def _time(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    plain: Mapping[str, Any] | list[Any] | int | float | bool | None = value  # type: ignore[assignment]  # of JSON
    return json.dumps(plain, ensure_ascii=False)
