"""A channel without a mapping file: a small, complete transformer, a real store, a real peer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from channels.channel import Channel, Destination, Policy
from channels.door import Door
from channels.lane import Runner
from connectors.base import Answer, Arrival
from connectors.mllp_sender import MllpSender
from messages.lifecycle import Status
from messages.problem import Problems
from simulators.powerserver import PowerServer
from store import directory, reads
from store.connection import connect
from store.schema import migrate
from store.store import Store
from transformers.base import Admission, Filtered, Given, Transformed


class Lines:
    """Documents are JSON objects {"patient", "number", "do"?}; they become one HL7 segment."""

    def check(self, body: bytes) -> Any:
        document = json.loads(body)
        if "patient" not in document:
            raise Problems.one("NO_PATIENT", "patient is missing", expression="patient")
        return document

    load = check

    def admit(self, document: Any) -> Sequence[Admission]:
        number = str(document["number"])
        return [Admission(key=document["patient"], index={"number": number}, about=number)]

    def transform(self, document: Any, given: Given) -> Transformed | Filtered:
        if document.get("do") == "filter":
            return Filtered(reason="a rule said no")
        if document.get("do") == "unmappable":
            raise Problems.one("E301", "PID-3.1 is required: %mrn gave nothing")
        if document.get("do") == "bug":
            raise ZeroDivisionError
        encoded = (
            f"MSH|^~\\&|A|B|C|D|20251120153000||SIU^S12^SIU_S12|{given.control_id}|P|2.5.1\r"
            f"NTE|{document['number']}|{document['patient']}|{'known' if given.known else 'new'}\r"
        )
        return Transformed(encoded=encoded.encode(), control_id=given.control_id, action="request")


@dataclass
class Engine:
    """A store with one channel behind a door, its runner, and the peer it delivers to."""

    store: Store
    peer: PowerServer
    policy: Policy
    connector: Callable[[], Any] | None = None
    settings: dict[str, object] = field(default_factory=dict)
    #: destination → the one it waits for; empty: one destination.
    after: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plan = {"transformer": "none"}
        directory.deploy(
            self.store.writer,
            directory.NewRevision(
                channel="lines",
                title="Lines",
                revision="r1",
                source="",
                plan=plan,
                destinations=dict.fromkeys(self.after or {"powerserver": ""}, True),
            ),
        )
        self.channel = self._channel()

    def _channel(self) -> Channel:
        row = directory.channels(self.store.connection)[0]
        ordinals = {line.name: line.ordinal for line in row.destinations}
        destinations = [
            self._destination(line.number, line.name, line.ordinal, ordinals.get(self.after.get(line.name, "")))
            for line in row.destinations
        ]
        return Channel(
            number=row.number, name="lines", title="Lines", revision="r1", state="started", source="none",
            source_settings={}, transformer=Lines(), destinations=tuple(destinations),
        )  # fmt: skip

    def _destination(self, number: int, name: str, ordinal: int, waits_for: int | None) -> Destination:
        return _Destination(
            number=number, name=name, ordinal=ordinal, connector="mllp_sender",
            settings={"host": "127.0.0.1", "port": self.peer.port, "answer_within": 0.4, "connect_within": 0.4}
            | self.settings,
            policy=self.policy, after={} if waits_for is None else {waits_for: frozenset({Status.SENT})},
        )  # fmt: skip

    async def book(self, **document: object) -> Answer:
        door = Door("lines", self.store, [self.channel], lambda numbers: None)
        arrival = Arrival(body=json.dumps(document).encode(), content_type="application/json", peer="test")
        return await door.accept(arrival, lambda made: Answer(status=202, body=made[0].id.encode()))

    async def until(self, condition: Callable[[], bool], within: float = 8.0) -> None:
        """Deliver until the condition holds."""
        runners: list[Runner] = []

        def ring() -> None:
            for runner in runners:
                runner.ring()

        runners += [Runner(self.store, self.channel, destination, ring) for destination in self.channel.destinations]
        tasks = [asyncio.create_task(runner.run()) for runner in runners]
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await asyncio.sleep(0.01)
        finally:
            for runner in runners:
                runner.stop()
            await asyncio.wait_for(asyncio.gather(*tasks), 5)

    def statuses(self) -> list[str]:
        return [row[0] for row in self.store.connection.execute("SELECT status FROM delivery ORDER BY id").fetchall()]

    def at_rest(self) -> bool:
        return all(status in {"SENT", "ERROR", "FILTERED", "CANCELLED"} for status in self.statuses())

    def lines(self) -> list[tuple[str, str, str]]:
        """What the peer received: (number, patient, known or new)."""
        notes = [received.payload.decode().split("\r")[1].split("|") for received in self.peer.received]
        return [(note[1], note[2], note[3]) for note in notes]

    def reason(self, number: int = 0) -> str | None:
        return self.store.connection.execute("SELECT reason FROM delivery ORDER BY id").fetchall()[number][0]


class _Destination(Destination):
    def connect(self) -> MllpSender:
        return MllpSender(**self.settings)


@pytest.fixture
def folder(tmp_path):
    link = connect(tmp_path)
    migrate(link)
    link.close()
    return tmp_path


@pytest.fixture
def store(folder):
    opened = Store(folder, "test")
    yield opened
    assert reads.reconcile(opened.connection).holds
    opened.close()


@pytest.fixture
def make_engine(store):
    peers: list[PowerServer] = []

    def make(
        *script: str, policy: Policy | None = None, after: dict[str, str] | None = None, **settings: object
    ) -> Engine:
        peer = PowerServer(list(script) or ["accept"])
        peer.__enter__()
        peers.append(peer)
        policy = policy or Policy(wait=(0.05, 0.2), connections=2)
        return Engine(store=store, peer=peer, policy=policy, settings=settings, after=after or {})

    yield make
    for peer in peers:
        if peer.port:
            peer.__exit__(None, None, None)
