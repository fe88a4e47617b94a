"""One hand-written mapping: a new booking (Bundle) to SIU^S12, as mappings/appointment-to-powerserver.yaml says.

What a programmer would write who has only this one message to write and wants it fast. It gives the text that is sent
and the same values as segments, which is what the rules of the structure are held against; `agree` proves at the start
that both are the shipped mapping's.
"""

from __future__ import annotations

import csv
import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from bench.bookings import bundle
from transformers import er7
from transformers.fhir_json import load_strict

Json = dict[str, Any]

_SEX = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_NAME_TYPES = {"official": "L", "usual": "D", "maiden": "M", "nickname": "N", "anonymous": "S", "temp": "U", "old": "U"}
_ADDRESS_TYPES = {"home": "H", "work": "B", "temp": "C", "billing": "BI", "old": "BA"}
_SPECIAL = re.compile(r"[|^~\\&\x00-\x08\x0a-\x1f\x7f]").search
_ESCAPED = {ord(mark): f"\\{letter}\\" for mark, letter in zip("|^~\\&", "FSRET", strict=True)}
_ESCAPED |= {code: f"\\X{code:02X}\\" for code in (*range(9), *range(10, 32), 127)} | {10: "\\.br\\", 13: "\\.br\\"}
_BRAZIL = re.compile(r"\+55(\d\d)(\d{8,9})").fullmatch


class Sent(NamedTuple):
    """An SIU^S12."""

    #: Ordering key: the patient's identifier and its issuer.
    key: str
    text: bytes
    #: As `er7.parse` gives them; MSH-7 and MSH-10 in their places.
    segments: list[er7.Segment]


class Mapping:
    """The mapping with its code tables."""

    def __init__(self, tables: Path) -> None:
        self._authorities = {
            system: (namespace, universal_id, kind, code)
            for system, namespace, universal_id, kind, code in _rows(tables / "authorities.csv")
        }
        self._code_systems = dict(_rows(tables / "code_systems.csv"))
        self._order_sets = {code: modality for code, _, modality in _rows(tables / "ordersets.csv")}
        self._organizations = {row[0]: row[1:4] for row in _rows(tables / "organizations.csv")}
        self._resources = {row[0]: row[1:] for row in _rows(tables / "resources.csv")}

    def siu_s12(self, document: Json, control_id: str) -> Sent:
        """Return the message for a Bundle with one proposed Appointment.

        Raises:
            LookupError, ValueError: not such a Bundle, or a value that stands in none of the tables.
        """
        by_url = {entry["fullUrl"]: entry["resource"] for entry in document["entry"]}
        appointment = next(one for one in by_url.values() if one["resourceType"] == "Appointment")
        if appointment["status"] != "proposed":
            raise ValueError("not a request")
        actors = [by_url[one["actor"]["reference"]] for one in appointment["participant"]]
        patient = next(one for one in actors if one["resourceType"] == "Patient")
        service = next(one for one in actors if one["resourceType"] == "HealthcareService")
        order = by_url[appointment["basedOn"][0]["reference"]]
        requester = by_url[order["requester"]["reference"]]
        organization, facility, zone = self._organizations[
            _in_system(by_url[service["providedBy"]["reference"]], "urn:omegaai:org")
        ]
        procedure = order["code"]["coding"][0]
        resource = service["name"]
        modality, active, department, room = self._resources[resource]
        if active != "yes" or self._order_sets[procedure["code"]] != modality:
            raise ValueError("not bookable")

        booking = _of_type(appointment, "PLAC")
        placer = _of_type(order, "PLAC")
        record = _of_type(patient, "MR")
        name, address = patient["name"][0], patient["address"][0]
        doctor, doctor_id = requester["name"][0], requester["identifier"][0]
        service_type = service["type"][0]["coding"][0]
        lines = address["line"]
        telecom = [_xtn(point) for point in patient["telecom"]]
        numbers = [self._cx(identifier) for identifier in patient["identifier"]]
        booking_by, placer_by, doctor_by = (self._authorities[one["system"]] for one in (booking, placer, doctor_id))

        starts, ends = _local(appointment["start"], zone), _local(appointment["end"], zone)
        minutes = str(appointment["minutesDuration"])
        now = time.time()
        said_at = f"{_second(int(now), zone)[0]}.{int(now * 1000) % 1000:03}{_second(int(now), zone)[1]}"
        day = patient["birthDate"].replace("-", "")
        sex = _SEX[patient["gender"]]
        note = appointment["comment"]
        family, first, further = name["family"], name["given"][0], " ".join(name["given"][1:])
        street, rest = lines[0], " ".join(lines[1:])
        city, state, code, country = address["city"], address["state"], address["postalCode"], address["country"]
        name_type, use = _NAME_TYPES[name["use"]], _ADDRESS_TYPES[address["use"]]
        surname, calling, title = doctor["family"], doctor["given"][0], doctor["prefix"][0]
        study, words, study_system = procedure["code"], procedure["display"], self._code_systems[procedure["system"]]
        kind, kind_text = service_type["code"], service_type["display"]
        kind_system = self._code_systems[service_type["system"]]
        booked, ordered, licence = booking["value"], placer["value"], doctor_id["value"]

        segments: list[er7.Segment] = [
            ["MSH", "|", "^~\\&", _SENDER, [[[organization]]], _RECEIVER, [[[facility]]], [[[said_at]]], [], _TYPE,
             [[[control_id]]], _P, _VERSION, [], [], [], [], [], _CHARSET],
            ["SCH", [[[booked], [booking_by[0]], [booking_by[1]], [booking_by[2]]]], [], [], [], [], _REASON, _ROUTINE,
             _NORMAL, [[[minutes]]], _MINUTE,
             [[["1"], [""], ["M" + minutes], [starts], [ends], ["SCHEDULED STATUS"]]], _CONTACT, [], [], [], _CONTACT,
             [], [], [], _CONTACT, [], [], [], [], _PENDING,
             [[[ordered], [placer_by[0]], [placer_by[1]], [placer_by[2]]]]],
            ["TQ1", _ONE, [], [], [], [], [], [[[starts]]], [[[ends]]], _PRIORITY],
            ["NTE", _ONE, _P, [[[note]]]],
            ["PID", _ONE, [], [one for _, one in numbers], [],
             [[[family], [first], [further], [""], [""], [""], [name_type]]], [], [[[day]]], [[[sex]]], [], [],
             [[[street], [rest], [city], [state], [code], [country], [use]]], [], [one for _, one in telecom]],
            ["PV1", _ONE, _OUTPATIENT, [], [], [], [], [],
             [[[licence], [surname], [calling], [""], [""], [title], [""], [""], [*doctor_by[:3]], ["L"], [""], [""],
               [doctor_by[3]]]]],
            _RGS,
            ["AIS", _ONE, _ADD, [[[study], [words], [study_system]]], [[[starts]]], [], [], [[[minutes]]], _MINUTE, [],
             _PENDING_ONLY],
            ["AIG", _ONE, _ADD, [[[resource], [resource], ["99PSRES"]]], _MODALITY,
             [[[kind], [kind_text], [kind_system]]], _ONE, [], [[[starts]]], [], [], [[[minutes]]], _MINUTE],
            ["AIL", _ONE, _ADD, [[[department], [room], [""], [facility]]], _DEPARTMENT, [], [[[starts]]], [], [],
             [[[minutes]]], _MINUTE],
        ]  # fmt: skip

        values = (booked, ordered, note, family, first, further, street, rest, city, state, code, country, surname,
                  calling, title, study, words, kind, kind_text, resource, licence)  # fmt: skip
        if _SPECIAL("\x09".join(values)):
            (booked, ordered, note, family, first, further, street, rest, city, state, code, country, surname, calling,
             title, study, words, kind, kind_text, resource, licence) = map(_escape, values)  # fmt: skip
        text = (
            f"MSH|^~\\&|BLUME^2.25.1001^ISO|{organization}|POWERSERVER|{facility}|{said_at}||SIU^S12^SIU_S12|{control_id}"
            "|P|2.5.1||||||UNICODE UTF-8\r"
            f"SCH|{booked}^{booking_by[0]}^{booking_by[1]}^{booking_by[2]}|||||NEW^New request from patient portal"
            f"^99EVREASON|ROUTINE^Routine^HL70276|Normal^Normal^HL70277|{minutes}|min^minute^UCUM"
            f"|1^^M{minutes}^{starts}^{ends}^SCHEDULED STATUS|^Blume portal||||^Blume portal||||^Blume portal|||||"
            "Pending^Pending^HL70278^REQUESTED^Requested^99BLUMEST"
            f"|{ordered}^{placer_by[0]}^{placer_by[1]}^{placer_by[2]}\r"
            f"TQ1|1||||||{starts}|{ends}|SCHEDULED STATUS^SCHEDULED STATUS^99PSPRI\r"
            f"NTE|1|P|{note}\r"
            f"PID|1||{'~'.join([one for one, _ in numbers])}||{family}^{first}^{further}^^^^{name_type}||{day}"
            f"|{sex}|||{street}^{rest}^{city}^{state}^{code}^{country}^{use}||{'~'.join([one for one, _ in telecom])}\r"
            f"PV1|1|O||||||{licence}^{surname}^{calling}^^^{title}^^^{doctor_by[0]}&{doctor_by[1]}&{doctor_by[2]}^L^^^"
            f"{doctor_by[3]}\r"
            "RGS|1|A\r"
            f"AIS|1|A|{study}^{words}^{study_system}|{starts}|||{minutes}|min^minute^UCUM||Pending^Pending^HL70278\r"
            f"AIG|1|A|{resource}^{resource}^99PSRES|MODALITY^Modality^99PSTYPE|{kind}^{kind_text}^{kind_system}|1||{starts}"
            f"|||{minutes}|min^minute^UCUM\r"
            f"AIL|1|A|{department}^{room}^^{facility}|D^Department^HL70305||{starts}|||{minutes}|min^minute^UCUM\r"
        )
        return Sent(f"{record['system']}|{record['value']}", text.encode(), segments)

    def _cx(self, identifier: Json) -> tuple[str, list[list[str]]]:
        namespace, universal_id, kind, code = self._authorities[identifier["system"]]
        value = identifier["value"]
        text = f"{_escape(value)}^^^{namespace}&{universal_id}&{kind}^{code}"
        return text, [[value], [""], [""], [namespace, universal_id, kind], [code]]


def _xtn(point: Json) -> tuple[str, list[list[str]]]:
    value = point["value"]
    if point["system"] == "email":
        return f"^NET^Internet^{_escape(value)}", [[""], ["NET"], ["Internet"], [value]]
    split = _BRAZIL(value)
    if split is None:
        raise ValueError("not a Brazilian number")
    area, local = split.groups()
    return f"^PRN^CP^^55^{area}^{local}", [[""], ["PRN"], ["CP"], [""], ["55"], [area], [local]]


def _in_system(resource: Json, system: str) -> str:
    value: str = next(one["value"] for one in resource["identifier"] if one["system"] == system)
    return value


def _of_type(resource: Json, code: str) -> Json:
    for identifier in resource["identifier"]:
        for coding in identifier["type"]["coding"]:
            if coding["code"] == code:
                found: Json = identifier
                return found
    raise LookupError(code)


def _escape(text: str) -> str:
    if text.isalnum() or not _SPECIAL(text):
        return text
    return text.replace("\r\n", "\n").translate(_ESCAPED)


@lru_cache(maxsize=4096)
def _local(instant: str, zone: str) -> str:
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(zone)).strftime("%Y%m%d%H%M%S%z")


@lru_cache(maxsize=4)
def _second(now: int, zone: str) -> tuple[str, str]:
    here = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone))
    return here.strftime("%Y%m%d%H%M%S"), here.strftime("%z")


def _rows(path: Path) -> list[list[str]]:
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return list(csv.reader(lines))[1:]


_SENDER = [[["BLUME"], ["2.25.1001"], ["ISO"]]]
_RECEIVER = [[["POWERSERVER"]]]
_TYPE = [[["SIU"], ["S12"], ["SIU_S12"]]]
_P, _ONE, _ADD, _OUTPATIENT = [[["P"]]], [[["1"]]], [[["A"]]], [[["O"]]]
_VERSION = [[["2.5.1"]]]
_CHARSET = [[["UNICODE UTF-8"]]]
_REASON = [[["NEW"], ["New request from patient portal"], ["99EVREASON"]]]
_ROUTINE = [[["ROUTINE"], ["Routine"], ["HL70276"]]]
_NORMAL = [[["Normal"], ["Normal"], ["HL70277"]]]
_MINUTE = [[["min"], ["minute"], ["UCUM"]]]
_CONTACT = [[[""], ["Blume portal"]]]
_PENDING = [[["Pending"], ["Pending"], ["HL70278"], ["REQUESTED"], ["Requested"], ["99BLUMEST"]]]
_PENDING_ONLY = [[["Pending"], ["Pending"], ["HL70278"]]]
_PRIORITY = [[["SCHEDULED STATUS"], ["SCHEDULED STATUS"], ["99PSPRI"]]]
_MODALITY = [[["MODALITY"], ["Modality"], ["99PSTYPE"]]]
_DEPARTMENT = [[["D"], ["Department"], ["HL70305"]]]
_RGS: er7.Segment = ["RGS", _ONE, _ADD]


def agree(site: Path) -> None:
    """Prove that this mapping gives what the shipped one gives, MSH-7 and MSH-10 apart, and segments as sent.

    Raises:
        AssertionError: they differ, so that a comparison would be of two different works.
    """
    from bench.shipped import shipped_mapping  # noqa: PLC0415  # the check of mapping files is not for the run

    ours, theirs = Mapping(site / "tables"), shipped_mapping(site)
    for number in range(10):
        body = bundle(number, 100_000_000 + number)
        sent = ours.siu_s12(load_strict(body), "A0000000000000000001")
        expected = theirs(body, "A0000000000000000001")
        assert _but_time(sent.text) == _but_time(expected), f"the floor's mapping differs for booking {number}"
        assert er7.parse(sent.text).segments == sent.segments, f"the segments are not what is sent: booking {number}"


def _but_time(message: bytes) -> list[bytes]:
    fields = message.split(b"|")
    del fields[6]
    return fields
