from __future__ import annotations

import asyncio

import pytest

from channels.control import Control, NoSuchChannel, NoSuchMessage
from store import directory, reads


@pytest.fixture
def control(store):
    rings = []
    made = Control(store, lambda: rings.append(1))
    made.rings = rings
    return made


def _parked(make_engine, *script: str, **document: object):
    engine = make_engine(*script)

    async def story() -> str:
        answer = await engine.book(patient="p1", number=1, **document)
        await engine.until(engine.at_rest)
        return answer.body.decode()

    return engine, asyncio.run(story())


def test_a_parked_message_is_retried_with_the_same_bytes(make_engine, control):
    engine, message = _parked(make_engine, "AR", "accept")

    (outcome,) = control.act(message, "retry", by="ana", reason="room was added")
    asyncio.run(engine.until(engine.at_rest))

    assert outcome.done
    assert engine.statuses() == ["SENT"]
    assert len({received.payload for received in engine.peer.received}) == 1
    assert control.rings


def test_a_reprocessed_message_is_mapped_anew_under_a_new_control_id(make_engine, control):
    engine, message = _parked(make_engine, "AR", "accept")

    control.act(message, "reprocess", by="ana")
    asyncio.run(engine.until(engine.at_rest))

    first, second = (received.payload.split(b"|")[9] for received in engine.peer.received)
    assert engine.statuses() == ["SENT"]
    assert first != second


def test_a_cancelled_message_lets_its_lane_go_on(make_engine, control):
    engine, message = _parked(make_engine, "AR", "accept")

    async def story() -> None:
        await engine.book(patient="p1", number=2)
        control.act(message, "cancel", by="ana", reason="booked by telephone")
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert engine.statuses() == ["CANCELLED", "SENT"]


def test_who_and_why_stand_in_the_timeline(make_engine, control):
    engine, message = _parked(make_engine, "AR")

    control.act(message, "cancel", by="ana", reason="booked by telephone")

    detail = reads.detail(engine.store.connection, message)
    last = next(iter(detail.timeline.values()))[-1]
    assert (last.event, last.by, last.reason) == ("cancelled", "ana", "booked by telephone")


@pytest.mark.parametrize(
    ("script", "document", "act", "reason"),
    [
        (["accept"], {}, "retry", "only parked deliveries (ERROR) can be tried again; it is SENT"),
        (["accept"], {}, "cancel", "it is SENT"),
        (["accept"], {"do": "unmappable"}, "retry", "it was never mapped: reprocess it"),
    ],
)
def test_what_the_lifecycle_does_not_allow_is_refused_with_its_reason(
    make_engine, control, script, document, act, reason
):
    _, message = _parked(make_engine, *script, **document)

    (outcome,) = control.act(message, act, by="ana")

    assert (outcome.done, outcome.reason) == (False, reason)


def test_a_channel_is_paused_with_who_and_why(make_engine, control, store):
    make_engine()

    control.set_state("lines", "paused", by="ana", reason="upgrade")

    (row,) = directory.channels(store.connection)
    assert (row.state, row.changed_by, row.reason) == ("paused", "ana", "upgrade")


def test_what_is_not_there_cannot_be_acted_on(make_engine, control):
    make_engine()

    with pytest.raises(NoSuchChannel):
        control.set_state("other", "paused", by="ana")
    with pytest.raises(NoSuchMessage):
        control.act("01AAAAAAAAAAAAAAAAAAAAAAAA", "retry", by="ana")
