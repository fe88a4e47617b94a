"""A site with all that a status page must show: channels in every state, and messages in every status."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import flask
import jinja2
import orjson
import pytest

from channels.control import Control
from console import pages_channels
from console.app import create_app
from console.panes import Origin
from messages.lifecycle import Event, Status
from messages.message import Step
from store import directory
from store.connection import connect
from store.schema import migrate
from store.store import NewArrival, NewMessage, Refusal, Store

ROOT = Path(__file__).resolve().parents[2]
WIRE = (ROOT / "tests" / "hl7" / "appointment-s12.hl7").read_bytes()
BUNDLE = (ROOT / "mappings" / "samples" / "appointment-request.json").read_bytes()

#: Values of the patient in BUNDLE and WIRE: they may stand in a page, and nowhere else.
SURNAME, MRN = "Conceição", "12345"

#: Segments of WIRE whose names the panes are to show.
NAMES = {("PID", 5): "Patient Name", ("PID", 7): "Date/Time of Birth", ("MSH", 10): "Message Control ID"}

M, C, S = Event.MAPPED, Event.CLAIMED, Status


def explain(connection, number: int) -> dict[str, tuple[Origin, ...]]:
    """Say of one field of whatever was sent where it came from."""
    origin = Origin(
        place="PID-3", target="PID-3", rule="mappings/blume-appointment.yaml:64:3", source="%mrn",
        found='{"value": "12345"}', conversion="as: CX, table: authorities", gave="12345",
    )  # fmt: skip
    return dict.fromkeys(("powerserver", "viewer", "omegaai", "archive", "ris"), (origin,))


def describe(segment: str, number: int) -> str:
    return NAMES.get((segment, number), "")


def wait(coroutine):
    """Run a coroutine to its end; in a thread, because Playwright runs a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@dataclass
class Site:
    folder: Path
    store: Store
    ids: dict[str, str] = field(default_factory=dict)
    #: Rings of the bell: how often the processes were woken.
    rung: int = 0

    def ring(self) -> None:
        self.rung += 1

    def channel(self, name: str) -> directory.ChannelRow:
        return next(row for row in directory.channels(self.store.connection) if row.name == name)

    def deploy(self, name: str, title: str, **peers: str) -> None:
        parts = {
            of: {"settings": dict(zip(("host", "port"), peer.split(":"), strict=True))} for of, peer in peers.items()
        }
        new = directory.NewRevision(
            channel=name, title=title, revision="a1b2c3d4e5f6", source="", plan={"destinations": parts},
            destinations=dict.fromkeys(peers, True),
        )  # fmt: skip
        directory.deploy(self.store.writer, new)

    def line(self, channel: str, destination: str, state: str, reason: str | None = None) -> None:
        number = next(line.number for line in self.channel(channel).destinations if line.name == destination)
        wait(directory.set_connection(self.store.writer, number, state, reason))

    def receive(self, channel: str, index: dict[str, str] | None = None, body: bytes = BUNDLE) -> tuple[str, list[int]]:
        """Accept one message; return its id, and the ids of its deliveries."""
        row = self.channel(channel)
        made = self.store.connection.execute("SELECT count(*) + 1 FROM message").fetchone()[0]
        new = NewMessage(
            channel=row.number, channel_name=row.name, revision=row.revision or "", focus=None, about=None,
            index=index or {"patient": f"{20000 + made}", "appointment": f"appt-{made}"},
            key=str(made), destinations=[(line.number, line.ordinal) for line in row.destinations],
        )  # fmt: skip
        arrival = NewArrival(
            door="fhir", peer="10.20.30.40", identity=str(made), content_type="application/fhir+json", body=body,
            messages=[new], compose=lambda made: (202, {}, b"{}"),
        )  # fmt: skip
        message = wait(self.store.receive(arrival)).messages[0]
        return message.id, [message.number * 16 + line.ordinal for line in row.destinations]

    def move(self, delivery: int, *steps: tuple[Status, Event, dict[str, object]]) -> None:
        for status, event, more in steps:
            assert wait(self.store.apply([Step(delivery=delivery, status=status, event=event, **more)])) == [True]

    def mapped(self, delivery: int) -> tuple[Status, Event, dict[str, object]]:
        control_id = f"CONTROL{delivery:013d}"
        wire = re.sub(rb"A0000000000000000001", control_id.encode(), WIRE)
        return S.RECEIVED, M, {"encoded": wire, "control_id": control_id, "action": "request"}

    def sent(self, channel: str) -> str:
        message, deliveries = self.receive(channel)
        for delivery in deliveries:
            answer = {"reason": "AA", "response": acknowledgement("AA", delivery)}
            self.move(delivery, self.mapped(delivery), (S.TRANSFORMED, C, {}), (S.PENDING, Event.ACCEPTED, answer))
        return message


def acknowledgement(code: str, delivery: int, text: str = "") -> bytes:
    head = "MSH|^~\\&|POWERSERVER|BLUME TEST|BLUME|BLUME TEST ORG|20251120153001-0300||ACK^S12^ACK|77|P|2.5.1"
    return f"{head}\rMSA|{code}|CONTROL{delivery:013d}|{text}\r".encode()


def _fill(site: Site) -> None:
    site.deploy("blume-appointment", "Blume appointment → PowerServer", powerserver="ps01.clinic.example:6661")
    site.deploy("form-document", "Submitted form → document viewer", viewer="ps01.clinic.example:6662")
    site.deploy("powerserver-status", "PowerServer status → Blume", blume="blume.example:443", archive="vna:6680")
    site.deploy("resource-sync", "Healthcare resource sync", omega="omega.example:443")
    site.deploy("study-share", "Study share", pacs="pacs:11112")
    directory.set_problem(
        site.store.writer, "pull-prior", "Pull prior",
        "mappings/pull-prior.yaml:12:9: error E102 unknown name %apt\n    did you mean '%appt'?",
    )  # fmt: skip
    directory.set_state(site.store.writer, "resource-sync", "paused", "admin", "PowerServer upgrade")
    directory.set_state(site.store.writer, "study-share", "stopped", "admin", None)
    site.line("blume-appointment", "powerserver", "connected")
    site.line("powerserver-status", "blume", "connected")
    site.line("powerserver-status", "archive", "idle")
    site.line("form-document", "viewer", "unreachable", "ConnectionRefusedError; next try in 32 s")
    _fill_messages(site)


def _fill_messages(site: Site) -> None:
    for channel in ("blume-appointment",) * 6 + ("powerserver-status",) * 4 + ("resource-sync",) * 2:
        site.sent(channel)
    site.ids["two destinations"] = site.sent("powerserver-status")
    site.ids["sent"], (delivery,) = site.receive("blume-appointment", {"patient": MRN, "appointment": "appt-77"})
    later = {"reason": "no answer that counts (TimeoutError: 30 s); the same bytes go again"}
    accepted = {"reason": "AA", "response": acknowledgement("AA", delivery)}
    site.move(
        delivery, site.mapped(delivery), (S.TRANSFORMED, C, {}), (S.PENDING, Event.UNANSWERED, later),
        (S.QUEUED, C, {}), (S.PENDING, Event.ACCEPTED, accepted),
    )  # fmt: skip
    site.ids["filtered"], (delivery,) = site.receive("blume-appointment")
    site.move(delivery, (S.RECEIVED, Event.RULED_OUT, {"reason": "entered in error in Blume"}))
    site.ids["unmappable"], (delivery,) = site.receive("blume-appointment", {"appointment": "appt-7790"})
    why = "PID-3.1 is required: %mrn gave nothing\n    rule: mappings/blume-appointment.yaml:64:3"
    site.move(delivery, (S.RECEIVED, Event.UNMAPPABLE, {"reason": why}))
    site.ids["refused"], (delivery,) = site.receive("blume-appointment")
    no = {"reason": "AR unknown facility", "response": acknowledgement("AR", delivery, "unknown\tfacility")}
    site.move(delivery, site.mapped(delivery), (S.TRANSFORMED, C, {}), (S.PENDING, Event.REFUSED, no))
    for _ in range(4):
        site.ids["queued"], (delivery,) = site.receive("form-document")
    unreachable = {"reason": "the destination cannot be reached (ConnectionRefusedError)"}
    site.move(delivery, site.mapped(delivery), (S.TRANSFORMED, Event.POSTPONED, unreachable))
    problem = {"code": "FHIR_INVALID", "text": "status is required", "expression": "Bundle.entry[3].resource"}
    refusal = Refusal(
        door="fhir", peer="10.20.30.41", code="FHIR_INVALID", reason=orjson.dumps([problem]).decode(),
        content_type="application/fhir+json", body=BUNDLE,
    )  # fmt: skip
    wait(site.store.refuse(refusal))


class Compiled(jinja2.BytecodeCache):
    """Templates that were compiled once, for all apps of a run: each test has an app of its own."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def _templates_are_compiled_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flask.Flask, "jinja_options", {"bytecode_cache": Compiled()})
        yield


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A store that was filled once, closed, and its message ids."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    connection = connect(folder)
    migrate(connection)
    connection.close()
    site = Site(folder, Store(folder, "console"))
    _fill(site)
    site.store.close()
    return folder, site.ids


@pytest.fixture
def site(filled, tmp_path):
    folder, ids = filled
    shutil.copytree(folder, tmp_path / "data")
    site = Site(tmp_path / "data", Store(tmp_path / "data", "console"), dict(ids))
    for role, doors in (("intake", ["127.0.0.1:8080"]), ("lanes", [])):
        directory.announce(site.store.writer, role, 4711, None, doors)
    yield site
    site.store.close()


@pytest.fixture
def app(site):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True,
        zone="America/Sao_Paulo", describe=describe, explain=explain,
    )  # fmt: skip
    yield app
    app.extensions["desk"].reader.close()


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    from .browsers import ARGUMENTS, CHROMIUM

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def address(app):
    from .browsers import served

    with served(app) as address:
        yield address


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def csrf(client):
    """The token of the client's session, as its first page gave it."""
    return re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)[1]


def asked_for(client, message: str) -> str:
    """Return the page of a message whose bodies were asked for."""
    page = client.get(f"/messages/{message}").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    return client.post(f"/messages/{message}/read", data={"csrf": csrf}, follow_redirects=True).text


@pytest.fixture(autouse=True)
def _nothing_is_shown_again(monkeypatch):
    """Let each page show how the store stands now; what is kept for a second has a test of its own."""
    monkeypatch.setattr(pages_channels, "KEPT_FOR", 0.0)


@pytest.fixture(autouse=True)
def all_that_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "asyncio")
    return caplog


def rewind(site: Site, seconds: float) -> None:
    """Let all processes have been silent for so long."""
    site.store.connection.execute("UPDATE process SET beat_at = ?", (time.time() - seconds,))
