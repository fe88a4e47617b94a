"""The patient portal's side: posts synthetic appointment bundles, and says what it was answered.

`python -m simulators.blume --url http://127.0.0.1:8080/fhir --count 10 --clients 4` prints one JSON line an answer,
or one for all with `--summary`. `--show NUMBER` prints that bundle and posts nothing. All patients are invented.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

_V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
_BRAZIL = timezone(timedelta(hours=-3))
_RESOURCE, _STUDY = "BLUME CT", ("CT01", "CT HEAD W/O CONTRAST")


class Person(NamedTuple):
    """An invented patient."""

    number: str
    cpf: str
    family: str
    given: tuple[str, ...]
    gender: str
    birth_date: str
    street: str
    city: str
    state: str
    email: str
    complaint: str


#: The first is the patient of the worked example; all are invented.
PATIENTS = (
    Person("12345", "12345678909", "Conceição", ("José", "da Silva"), "male", "1980-01-02", "Av. Brasil 100 & cia",
           "São Paulo", "SP", "jose@example.org", "Dor de cabeça há 3 dias"),
    Person("12346", "98765432100", "D'Ávila Guimarães", ("Mônica",), "female", "1974-12-25", "Rua da Assunção 7",
           "Florianópolis", "SC", "monica@example.org", "Tontura ao levantar; já fez TC em 2019"),
    Person("12347", "11144477735", "Araújo", ("Ítalo", "Antônio"), "male", "2011-02-28", "Praça Sé 1 ^ fundos",
           "Belém", "PA", "italo@example.org", "Queda da bicicleta | bateu a cabeça"),
    Person("12348", "52998224725", "Müller Corrêa", ("Zoë",), "other", "1999-07-31", "Alameda Itú 22",
           "Curitiba", "PR", "zoe@example.org", "Enxaqueca\nhá 2 semanas"),
    Person("12349", "39053344705", "Brandão Filho", ("João", "Régis"), "unknown", "1955-10-01", "Travessa Ypê 300",
           "Brasília", "DF", "joao@example.org", "Retorno ~ controle"),
)  # fmt: skip


def _coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    coded = {"system": system, "code": code}
    return coded | {"display": display} if display else coded


def _placer(value: str) -> dict[str, Any]:
    return {"type": {"coding": [_coding(_V2, "PLAC", "Placer")]}, "system": "urn:oid:2.25.1001", "value": value}


def _patient(person: Person) -> dict[str, Any]:
    record = {"coding": [_coding(_V2, "MR", "Medical record number")]}
    national = {"coding": [_coding(_V2, "NI", "National unique individual identifier")]}
    return {
        "identifier": [
            {"type": record, "system": "urn:oid:2.25.2001", "value": person.number},
            {"type": national, "system": "urn:oid:2.16.840.1.113883.13.237", "value": person.cpf},
        ],
        "name": [{"use": "official", "family": person.family, "given": list(person.given)}],
        "telecom": [
            {"system": "phone", "use": "mobile", "value": "+5511999990000"},
            {"system": "email", "value": person.email},
        ],
        "gender": person.gender,
        "birthDate": person.birth_date,
        "address": [
            {
                "use": "home", "line": [person.street, "Bloco B"], "city": person.city, "state": person.state,
                "postalCode": "01000-000", "country": "BRA",
            }
        ],
        "communication": [{"language": {"coding": [_coding("urn:ietf:bcp:47", "pt-BR")]}, "preferred": True}],
    }  # fmt: skip


def make_bundle(
    number: int, patient: int | None = None, start: datetime | None = None, status: str = "proposed"
) -> bytes:
    """Return booking `number` as a FHIR R4 transaction Bundle in UTF-8, laid out as the portal's own.

    Placer ids are `appt-<number>` and `sr-<number>`. `patient` is an index into `PATIENTS` (default: in turn);
    `start` must know its zone (default: a quarter of an hour of a day that is two days ahead).
    """
    person = PATIENTS[(number if patient is None else patient) % len(PATIENTS)]
    begins = start or _day_after_tomorrow() + timedelta(minutes=15 * (number % 48))
    ends = begins + timedelta(minutes=60)
    names = (
        "Patient", "Organization", "Location", "HealthcareService", "Schedule", "Slot", "Practitioner", "Coverage",
        "ServiceRequest", "Appointment",
    )  # fmt: skip
    urls = {name: f"urn:uuid:00000000-0000-4000-8000-{number:08x}{n:04d}" for n, name in enumerate(names, 1)}
    refer = {name: {"reference": url} for name, url in urls.items()}
    times = {"start": begins.isoformat(timespec="seconds"), "end": ends.isoformat(timespec="seconds")}
    room = _coding("http://terminology.hl7.org/CodeSystem/location-physical-type", "ro", "Room")
    own = _coding("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self", "Self")
    plan = _coding("http://terminology.hl7.org/CodeSystem/coverage-class", "plan", "Plan")
    modality = _coding("http://dicom.nema.org/resources/ontology/DCM", "CT", "Computed Tomography")
    week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    contents: dict[str, dict[str, Any]] = {
        "Patient": _patient(person),
        "Organization": {
            "name": "BLUME TEST ORG",
            "identifier": [{"system": "urn:omegaai:org", "value": "org-1"}],
        },
        "Location": {
            "status": "active", "name": _RESOURCE, "mode": "instance", "physicalType": {"coding": [room]},
            "managingOrganization": refer["Organization"],
        },
        "HealthcareService": {
            "active": True, "providedBy": refer["Organization"], "type": [{"coding": [modality]}],
            "location": [refer["Location"]], "name": _RESOURCE,
            "availableTime": [
                {"daysOfWeek": week, "availableStartTime": "08:00:00", "availableEndTime": "23:00:00"}
            ],
        },
        "Schedule": {"active": True, "actor": [refer["HealthcareService"]]},
        "Slot": {"schedule": refer["Schedule"], "status": "busy-tentative", **times},
        "Practitioner": {
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "555"}],
            "name": [{"family": "Silva", "given": ["Ana"], "prefix": ["Dr"]}],
        },
        "Coverage": {
            "status": "active", "subscriberId": f"POL-{number}", "beneficiary": refer["Patient"],
            "relationship": {"coding": [own]}, "payor": [{"display": "Payer SA", "identifier": {"value": "PAYER1"}}],
            "class": [{"type": {"coding": [plan]}, "value": "PLAN1"}],
        },
        "ServiceRequest": {
            "identifier": [_placer(f"sr-{number}")], "status": "active", "intent": "order", "priority": "routine",
            "code": {"coding": [_coding("urn:blume:orderset", *_STUDY)]}, "subject": refer["Patient"],
            "requester": refer["Practitioner"], "insurance": [refer["Coverage"]],
            "reasonCode": [{"text": "Cefaleia"}],
        },
        "Appointment": {
            "identifier": [_placer(f"appt-{number}")], "status": status,
            "serviceType": [{"coding": [_coding("urn:blume:orderset", _STUDY[0])]}], **times, "minutesDuration": 60,
            "slot": [refer["Slot"]], "comment": person.complaint, "basedOn": [refer["ServiceRequest"]],
            "participant": [
                {"actor": refer["Patient"], "required": "required", "status": "accepted"},
                {"actor": refer["HealthcareService"], "required": "required", "status": "needs-action"},
                {"actor": refer["Location"], "status": "needs-action"},
            ],
        },
    }  # fmt: skip
    entries = [
        {
            "fullUrl": urls[name],
            "resource": {"resourceType": name, **content},
            "request": {"method": "POST", "url": name},
        }
        for name, content in contents.items()
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _day_after_tomorrow() -> datetime:
    return datetime.now(UTC).astimezone(_BRAZIL).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=2)


class Answer(NamedTuple):
    """What the portal was told."""

    status: int
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes


class Blume:
    """One client that keeps its connection open."""

    def __init__(self, url: str, within: float = 30.0) -> None:
        """`url`: the FHIR base, such as `http://127.0.0.1:8080/fhir`; `within`: seconds to wait for an answer."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL must begin with http:// or https:// and name a host")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=within)
        self._path = parts.path or "/"

    def book(self, bundle: bytes, identity: str | None = None) -> Answer:
        """Post a bundle; `identity` goes into Idempotency-Key. It is posted once: what to do next is the caller's.

        Raises:
            OSError, http.client.HTTPException: no answer; the bundle may have arrived.
        """
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        if identity is not None:
            headers["Idempotency-Key"] = identity
        try:
            self._connection.request("POST", self._path, bundle, headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next call connects anew
            raise
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Run:
    """Several clients that share out the numbers of bookings and report each answer."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._numbers = iter(range(options.first, options.first + options.count))
        self._lock = threading.Lock()
        self.statuses: Counter[str] = Counter()
        self.milliseconds: list[float] = []

    def work(self) -> None:
        with Blume(self._options.url) as blume:
            while (number := self._next()) is not None:
                bundle = make_bundle(number, status=self._options.status)
                began = time.perf_counter()
                try:
                    answer = blume.book(bundle, f"booking-{number}" if self._options.idempotency_key else None)
                    said: dict[str, Any] = {"status": answer.status, "location": answer.headers.get("location")}
                except (OSError, http.client.HTTPException) as error:
                    said = {"status": None, "error": type(error).__name__}
                self._report({"booking": f"appt-{number}", **said}, (time.perf_counter() - began) * 1000)

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None)

    def _report(self, said: dict[str, Any], milliseconds: float) -> None:
        with self._lock:
            self.statuses[str(said["status"])] += 1
            self.milliseconds.append(milliseconds)
            if not self._options.summary:
                sys.stdout.write(json.dumps({**said, "milliseconds": round(milliseconds, 2)}) + "\n")
                sys.stdout.flush()


def main() -> int:
    """Run from the command line; 0 when every booking was answered with 2xx."""
    parser = argparse.ArgumentParser(prog="blume", description="Posts synthetic appointment bundles.")
    parser.add_argument("--url", default="http://127.0.0.1:8080/fhir", help="FHIR base to post to")
    parser.add_argument("--count", type=int, default=1, help="how many bookings")
    parser.add_argument("--clients", type=int, default=1, help="how many at a time")
    parser.add_argument("--first", type=int, default=1, help="number of the first booking")
    parser.add_argument("--status", default="proposed", help="Appointment.status")
    parser.add_argument("--idempotency-key", action="store_true", help="send one; otherwise the content identifies")
    parser.add_argument("--summary", action="store_true", help="one line for all instead of one for each")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="print that bundle and post nothing")
    options = parser.parse_args()
    if options.show is not None:
        sys.stdout.write(make_bundle(options.show, status=options.status).decode() + "\n")
        return 0
    run = _Run(options)
    began = time.perf_counter()
    clients = [threading.Thread(target=run.work) for _ in range(options.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds = time.perf_counter() - began
    if options.summary and run.milliseconds:
        waits = sorted(run.milliseconds)
        summary = {
            "answers": dict(run.statuses),
            "seconds": round(seconds, 3),
            "per_second": round(len(waits) / seconds, 1),
            "milliseconds": {
                "median": round(statistics.median(waits), 2),
                "p99": round(waits[int(len(waits) * 0.99)], 2),
            },
        }
        sys.stdout.write(json.dumps(summary) + "\n")
    return 0 if all(status.startswith("2") for status in run.statuses) else 1


if __name__ == "__main__":
    sys.exit(main())
