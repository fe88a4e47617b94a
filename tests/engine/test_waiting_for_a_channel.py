"""`after: { channel: … }`: a delivery waits for what another channel does with the same document."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest

from channels.channel import Channel
from channels.door import Door
from channels.lane import Runner
from connectors.base import Answer, Arrival
from messages.lifecycle import Event, Status
from messages.message import Step
from store import directory
from store.steps import apply_step
from tests.engine.conftest import Lines


class Patients(Lines):
    """Takes the documents that say `register`."""

    def admit(self, document):
        return super().admit(document) if document.get("register") else []


def second_channel(engine, name="patients"):
    directory.deploy(
        engine.store.writer,
        directory.NewRevision(
            channel=name, title=name, revision="p1", source="", plan={"transformer": "none"}, destinations={"ris": True}
        ),
    )
    row = next(row for row in directory.channels(engine.store.connection) if row.name == name)
    destination = dataclasses.replace(
        engine.channel.destinations[0], number=row.destinations[0].number, name="ris", after_channel=None
    )
    return Channel(
        number=row.number, name=name, title=name, revision="p1", state="started", source="none", source_settings={},
        transformer=Patients(), destinations=(destination,),
    )  # fmt: skip


def waiting(engine):
    """The engine's channel, whose destination waits for the channel `patients`."""
    destination = dataclasses.replace(engine.channel.destinations[0], after_channel="patients")
    engine.channel = dataclasses.replace(engine.channel, destinations=(destination,))


async def book(engine, *channels, **document):
    door = Door("lines", engine.store, channels, lambda numbers: None)
    arrival = Arrival(body=json.dumps(document).encode(), content_type="application/json", peer="test")
    return await door.accept(arrival, lambda made: Answer(status=202, body=b""))


async def run(engine, channels, condition):
    runners = [Runner(engine.store, channel, one) for channel in channels for one in channel.destinations]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        async with asyncio.timeout(15):
            while not condition():
                await asyncio.sleep(0.02)
    finally:
        for runner in runners:
            runner.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)


def states(engine, channel):
    rows = engine.store.connection.execute(
        "SELECT d.id, d.status, d.reason FROM delivery d JOIN message m ON m.number = d.id >> 4 WHERE m.channel = ?",
        (channel.number,),
    )
    return [tuple(row) for row in rows]


def test_the_patient_is_registered_before_the_appointment_is_sent(make_engine):
    engine = make_engine("accept")
    patients = second_channel(engine)
    waiting(engine)

    async def story():
        await book(engine, engine.channel, patients, patient="p1", number=1, register=True)
        await run(engine, [engine.channel], lambda: "RECEIVED" in (states(engine, engine.channel)[0][2] or ""))
        assert engine.peer.received == []
        await run(engine, [engine.channel, patients], lambda: len(engine.peer.received) == 2 and engine.at_rest())

    asyncio.run(story())

    assert states(engine, patients)[0][1] == "SENT"
    assert states(engine, engine.channel)[0][1] == "SENT"
    times = engine.store.connection.execute(
        "SELECT delivery, at FROM event WHERE event = 'claimed' ORDER BY at"
    ).fetchall()
    assert [row[0] for row in times] == [states(engine, patients)[0][0], states(engine, engine.channel)[0][0]]


def test_a_document_that_the_other_channel_did_not_take_waits_for_nobody(make_engine):
    engine = make_engine("accept")
    patients = second_channel(engine)
    waiting(engine)

    async def story():
        await book(engine, engine.channel, patients, patient="p1", number=1)
        await run(engine, [engine.channel], engine.at_rest)

    asyncio.run(story())

    assert states(engine, engine.channel)[0][1] == "SENT"


@pytest.mark.parametrize(
    ("step", "goes"),
    [
        ((Event.RULED_OUT,), True),
        ((Event.CANCELLED,), True),
        ((Event.UNMAPPABLE,), False),
        ((Event.MAPPED,), False),
        ((Event.UNMAPPABLE, Event.CANCELLED), True),
    ],
    ids=["filtered", "cancelled", "parked", "on its way", "parked and then cancelled"],
)
def test_the_wait_ends_when_there_is_nothing_more_to_wait_for(make_engine, step, goes):
    engine = make_engine("accept")
    patients = second_channel(engine)
    waiting(engine)
    asyncio.run(book(engine, engine.channel, patients, patient="p1", number=1, register=True))
    status = Status.RECEIVED
    for event in step:
        made = {"encoded": b"MSH", "control_id": "C"} if event is Event.MAPPED else {}
        one = Step(delivery=states(engine, patients)[0][0], status=status, event=event, **made)
        assert engine.store.writer.now(lambda tx, one=one: apply_step(tx, one))
        status = Status.ERROR

    (work,) = engine.store.ready("lines", (engine.channel.destinations[0].number, "powerserver"), 9)
    waits = asyncio.run(engine.store.waits_for_channel(work.delivery, "patients"))

    assert (waits is None) == goes
    if not goes:
        assert "waits for patients" in states(engine, engine.channel)[0][2]
