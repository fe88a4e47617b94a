from __future__ import annotations

import asyncio
import dataclasses

import pytest

from channels.door import Door
from connectors.base import Answer, Arrival, IdentityConflict, StoreUnavailable
from messages.problem import Problems
from store import reads


def _door(engine, **change):
    channel = dataclasses.replace(engine.channel, **change)
    return Door("lines", engine.store, [channel], lambda numbers: None)


def _accept(door, body: bytes, identity: str | None = None) -> Answer:
    arrival = Arrival(body=body, content_type="application/json", peer="test", identity=identity)
    return asyncio.run(door.accept(arrival, lambda made: Answer(status=202, body=made[0].id.encode())))


BOOKING = b'{"patient": "p1", "number": 1}'


def test_what_is_answered_is_stored_with_its_frozen_destinations(make_engine):
    engine = make_engine()

    answer = _accept(_door(engine), BOOKING)

    line = reads.line(engine.store.connection, answer.body.decode())
    assert [(d.destination, d.status) for d in line.deliveries] == [("powerserver", "RECEIVED")]


@pytest.mark.parametrize("identity", [None, "key:77"])
def test_a_resend_gets_the_stored_answer_and_is_processed_once(make_engine, identity):
    engine = make_engine()
    door = _door(engine)

    first, second = _accept(door, BOOKING, identity), _accept(door, BOOKING, identity)

    assert second == first
    assert engine.statuses() == ["RECEIVED"]


def test_the_same_identity_with_other_bytes_is_refused_and_recorded(make_engine):
    engine = make_engine()
    door = _door(engine)
    _accept(door, BOOKING, "key:77")

    with pytest.raises(IdentityConflict):
        _accept(door, b'{"patient": "p2", "number": 2}', "key:77")

    assert [line.code for line in reads.refusals(engine.store.connection)] == ["IDENTITY_CONFLICT"]
    assert engine.statuses() == ["RECEIVED"]


def test_what_is_refused_is_recorded_with_its_reason_and_no_value(make_engine):
    engine = make_engine()

    with pytest.raises(Problems, match="patient is missing"):
        _accept(_door(engine), b'{"number": "CANARY"}')

    (line,) = reads.refusals(engine.store.connection)
    assert (line.code, "CANARY" in line.reason) == ("NO_PATIENT", False)


def test_a_closed_door_asks_the_sender_to_come_again(make_engine):
    engine = make_engine()

    with pytest.raises(StoreUnavailable, match="channel lines is paused"):
        _accept(_door(engine, state="paused"), BOOKING)

    assert engine.statuses() == []


def test_a_resend_of_what_was_accepted_before_the_rules_changed_gets_its_answer(make_engine):
    engine = make_engine()
    first = _accept(_door(engine), BOOKING)

    class Stricter(type(engine.channel.transformer)):
        def check(self, body):
            raise Problems.one("STRICT", "nothing is good enough")

    door = _door(engine, transformer=Stricter())

    assert _accept(door, BOOKING) == first
    with pytest.raises(Problems):
        _accept(door, BOOKING + b" ")
