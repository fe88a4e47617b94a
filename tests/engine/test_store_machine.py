"""T19: people and lanes act on the same deliveries in any order; the store and a model of it stay the same."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from messages.lifecycle import OPEN, TRANSITIONS, Event, Status
from messages.message import Step
from store import directory, reads
from store.connection import connect
from store.retention import prune
from store.schema import migrate
from store.steps import apply_step
from store.store import NewArrival, NewMessage, Store

PATIENTS = ("p0", "p1", "p2")
BY_PEOPLE = (Event.RETRIED, Event.REPROCESSED, Event.CANCELLED)


class StoreMachine(RuleBasedStateMachine):
    """The model: delivery → status, and for each patient the deliveries in the order they came."""

    deliveries = Bundle("deliveries")

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        link = connect(self.folder)
        migrate(link)
        link.close()
        self.store = Store(self.folder, "test")
        self.statuses: dict[int, Status] = {}
        self.lanes: dict[str, list[int]] = {patient: [] for patient in PATIENTS}
        self.booked = 0

    def teardown(self) -> None:
        self.store.close()
        self._temporary.cleanup()

    @initialize()
    def channel(self) -> None:
        directory.deploy(
            self.store.writer,
            directory.NewRevision(channel="c", title="C", revision="r", source="", plan={}, destinations={"d": True}),
        )
        self.row = directory.channels(self.store.connection)[0]

    @rule(target=deliveries, patient=st.sampled_from(PATIENTS))
    def book(self, patient: str) -> int:
        self.booked += 1
        new = NewMessage(
            channel=self.row.number, channel_name="c", revision="r", focus=None, about=None, key=patient,
            index={"n": str(self.booked)}, destinations=[(self.row.destinations[0].number, 0)],
        )  # fmt: skip
        arrival = NewArrival(
            door="d", peer="t", identity=str(self.booked), content_type="x", body=b"x", messages=[new],
            compose=lambda made: (202, {}, b""),
        )  # fmt: skip
        stored = asyncio.run(self.store.receive(arrival))
        delivery = stored.messages[0].number * 16
        self.statuses[delivery] = Status.RECEIVED
        self.lanes[patient].append(delivery)
        return delivery

    @rule(delivery=deliveries, event=st.sampled_from(list(Event)), believed=st.none() | st.sampled_from(list(Status)))
    def act(self, delivery: int, event: Event, believed: Status | None) -> None:
        """A lane or a person acts, perhaps on a status that is no longer true."""
        status = believed or self.statuses.get(delivery, Status.SENT)
        if (status, event) not in TRANSITIONS:
            return
        mapped = event is Event.MAPPED
        step = Step(
            delivery=delivery, status=status, event=event, by="ana" if event in BY_PEOPLE else None,
            encoded=b"MSH" if mapped else None, control_id=f"C{delivery}" if mapped else None,
        )  # fmt: skip
        held = self.store.writer.now(lambda tx: apply_step(tx, step))

        assert held == (self.statuses.get(delivery) is status)
        if held:
            self.statuses[delivery] = TRANSITIONS[status, event]

    @rule()
    def forget(self) -> None:
        """Retention forgets what is at rest, and nothing else."""
        self.store.writer.now(lambda tx: prune(tx, before=1e12))
        kept = OPEN | {Status.ERROR}
        self.statuses = {delivery: status for delivery, status in self.statuses.items() if status in kept}

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store(self.folder, "test")
        asyncio.run(self.store.wake_all([self.row.destinations[0].number]))

    @invariant()
    def the_store_has_the_statuses_of_the_model(self) -> None:
        rows = dict(self.store.connection.execute("SELECT id, status FROM delivery").fetchall())
        assert rows == self.statuses

    @invariant()
    def nothing_is_unaccounted_for(self) -> None:
        balance = reads.reconcile(self.store.connection)
        assert balance.holds
        assert balance.accepted == self.booked

    @invariant()
    def a_ready_lane_offers_its_oldest_unfinished_delivery_and_a_parked_one_blocks_it(self) -> None:
        if not self.booked:
            return
        number = self.row.destinations[0].number
        offered = {work.delivery.id for work in self.store.ready("c", (number, "d"), 100)}
        expected = set()
        for lane in self.lanes.values():
            unfinished = [d for d in lane if self.statuses.get(d) in OPEN | {Status.ERROR}]
            if unfinished and self.statuses[unfinished[0]] in OPEN:
                expected.add(unfinished[0])
        assert offered == expected


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=int(os.environ.get("STORE_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
