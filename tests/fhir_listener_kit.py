"""A real FHIR listener for the tests: on port 0, in a thread with its own loop, before a small complete intake."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import queue
import socket
import threading
from dataclasses import dataclass, field

from connectors.base import Answer, Arrival, IdentityConflict, StoreUnavailable
from connectors.fhir_listener import FhirListener
from messages.identity import message_id
from messages.message import Message
from messages.problem import Problem, Problems
from transformers.fhir_json import load_strict
from transformers.fhir_validation import validate

#: A name that must never be seen outside a stored body.
CANARY = "Conceição-Kanarienvogel"


def appointment(**changes):
    participant = {"actor": {"display": CANARY}, "status": "accepted"}
    times = {"start": "2025-12-01T09:00:00-03:00", "end": "2025-12-01T10:00:00-03:00"}
    return {"resourceType": "Appointment", "status": "booked", **times, "participant": [participant], **changes}


def patient():
    return {"resourceType": "Patient", "name": [{"family": CANARY}]}


def bundle(kind, *resources, **changes):
    entries = [{"fullUrl": f"urn:uuid:{n}", "resource": resource} for n, resource in enumerate(resources)]
    if kind in {"transaction", "batch"}:
        for entry in entries:
            entry["request"] = {"method": "POST", "url": entry["resource"].get("resourceType", "Basic")}
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **changes}


ORDER = json.dumps(appointment()).encode()
HEAD = b"POST /fhir HTTP/1.1\r\nHost: door\r\nContent-Type: application/fhir+json\r\n"


def post(body=ORDER, *lines):
    """The bytes of a whole request."""
    return HEAD + b"".join(line + b"\r\n" for line in (b"Content-Length: %d" % len(body), *lines)) + b"\r\n" + body


def chunked(body, size):
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@dataclass
class DictIntake:
    """An intake that keeps everything in dicts: one message for each Appointment, deduplication, one FHIR rule."""

    stored: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    refusals: list[tuple[Arrival, tuple[Problem, ...]]] = field(default_factory=list)
    deliveries: dict[str, list[dict]] = field(default_factory=dict)
    #: A message about the whole Bundle instead of one for each Appointment.
    whole: bool = False
    #: How many channels take each Appointment.
    channels: int = 1
    disk_full: bool = False
    bug: bool = False
    #: accept waits for it where it is set; `entered` says that one is waiting.
    gate: asyncio.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    async def accept(self, arrival, compose):
        self.arrivals.append(arrival)
        if self.gate is not None:
            self.entered.set()
            await self.gate.wait()
        if self.bug:
            raise KeyError(CANARY)
        document = self._check(arrival)
        given = document.get("identifier", {}) if document["resourceType"] == "Bundle" else {}
        identity = arrival.identity or given.get("value") or hashlib.sha256(arrival.body).hexdigest()
        if identity in self.stored:
            body, answer = self.stored[identity]
            if body != arrival.body:
                raise IdentityConflict
            return answer
        if self.disk_full:
            raise StoreUnavailable
        messages = [self._message(arrival, focus) for focus in self._subjects(document) for _ in range(self.channels)]
        answer = compose(messages)
        self.stored[identity] = arrival.body, answer
        self.messages += messages
        for message in messages:
            self.deliveries[message.id] = [delivery("powerserver", "RECEIVED", 1764580000.25)]
        return answer

    async def refuse(self, arrival, problems):
        if self.disk_full:
            raise StoreUnavailable
        self.refusals.append((arrival, problems.problems))

    def state(self, message_id):
        return self.deliveries.get(message_id)

    def _check(self, arrival):
        try:
            document = json.loads(arrival.body)
        except ValueError:
            raise Problems.one("JSON_SYNTAX", "This is not JSON.") from None
        lacking = [n for n, a in self._appointments(document) if "status" not in a]
        if lacking:
            text = "Appointment.status is missing."
            places = [f"Bundle.entry[{n}].resource.status" for n in lacking]
            raise Problems(
                Problem(code="FHIR_INVALID", text=text, expression=place, issue_type="required", hint="Give a status.")
                for place in places
            )
        return document

    def _subjects(self, document):
        if document["resourceType"] != "Bundle" or self.whole:
            return [None]
        return [number for number, _ in self._appointments(document)]

    def _appointments(self, document):
        if document.get("resourceType") == "Appointment":
            return [(0, document)]
        resources = [entry.get("resource", {}) for entry in document.get("entry", [])]
        return [(n, r) for n, r in enumerate(resources) if r.get("resourceType") == "Appointment"]

    def _message(self, arrival, focus):
        return Message(
            number=len(self.messages) + 1,
            id=message_id(),
            channel="appointments",
            revision="1",
            received_at=1764580000.25,
            peer=arrival.peer,
            content_type=arrival.content_type,
            body=arrival.body,
            focus=focus,
        )


class CheckedIntake(DictIntake):
    """Checks the content as the channels do."""

    def _check(self, arrival):
        document = load_strict(arrival.body)
        if problems := validate(document):
            raise Problems(problems)
        return document


def delivery(destination, status, at):
    return {"destination": destination, "status": status, "reason": f"the peer said {CANARY}", "at": at}


class Door:
    """A listener that runs in a thread until the `with` ends."""

    def __init__(self, intake, **settings):
        self.intake = intake
        self.listener = FhirListener(**{"port": 0, "body_within": 5.0, **settings})
        self.errors = []
        self.loop = None
        self._opened = queue.Queue()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        opened = self._opened.get(timeout=10)
        if isinstance(opened, BaseException):
            self._thread.join()
            raise opened
        self.address = opened
        self.host, port = opened.rsplit(":", 1)
        self.port = int(port)
        return self

    def __exit__(self, *_):
        self.close()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()
        assert self.errors == []

    def close(self):
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            self.loop.call_soon_threadsafe(self._serving.cancel)

    def call(self, function, *args):
        self.loop.call_soon_threadsafe(function, *args)

    def emptied(self):
        """The intake, with all forgotten that an earlier test before this door has left."""
        self.recorded()
        vars(self.intake).update(vars(DictIntake()))
        return self.intake

    def recorded(self):
        """Codes of all refusals that were recorded; what the loop had begun before is waited for."""
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result(timeout=10)
        return [problems[0].code for _, problems in self.intake.refusals]

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=10)

    def request(self, method, path, body=None, headers=None):
        """One request on a connection of its own: status, headers in lower case, body."""
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=10)) as connection:
            return exchange(connection, method, path, body, headers)

    def post(self, document, path="/fhir", **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, body, {"Content-Type": "application/fhir+json", **given})

    def _run(self):
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.errors.append(error)
            self._opened.put(error)

    async def _main(self):
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self._serving = asyncio.create_task(self.listener.serve(self.intake, self._opened.put))
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving


def exchange(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    return read_answer(connection.getresponse())


def read_answer(response):
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def answers(peer):
    """Every HTTP answer that comes until the other side closes, as (status, headers, body)."""
    raw = b""
    while piece := peer.recv(65536):
        raw += piece
    found = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        found.append((int(status.split()[1]), headers, rest[:length]))
        raw = rest[length:]
    return found


def issue(refusal):
    """The one issue that a refusal of the door shows."""
    shown = {
        "severity": "error",
        "code": refusal.issue_type,
        "details": {
            "coding": [{"system": "urn:plugin-host:problem", "code": refusal.code}],
            "text": refusal.text,
        },
    }
    return shown | ({"expression": [refusal.expression]} if refusal.expression else {})


def outcome(refusal):
    return {"resourceType": "OperationOutcome", "issue": [issue(refusal)]}


def parsed(body, resource):
    """The body, after the model of fhir.resources has accepted it."""
    document = json.loads(body)
    resource.model_validate(document)
    return document


def shown(answer):
    """What an answer says: the status and the whole document."""
    status, _, body = answer
    return status, json.loads(body)


def refused(refusal):
    return refusal.status, outcome(refusal)
