from __future__ import annotations

import asyncio

import pytest

from channels.channel import Policy
from connectors.mllp_sender import MllpSender
from store import reads

QUICK = Policy(wait=(0.02, 0.1), connections=2)


@pytest.mark.parametrize(
    ("powerserver_says", "ends", "sends"),
    [
        (["accept"], "SENT", 1),
        (["AE", "accept"], "SENT", 2),
        (["AE"] * 5, "ERROR", 5),
        (["AR"], "ERROR", 1),
        (["CE"], "ERROR", 1),
        (["CR"], "ERROR", 1),
        (["no answer", "accept"], "SENT", 2),
        (["wrong id", "accept"], "SENT", 2),
        (["garbage", "accept"], "SENT", 2),
        (["hang up", "accept"], "SENT", 2),
        (["hang up mid-frame", "accept"], "SENT", 2),
        (["accept and hang up", "accept"], "SENT", 1),
        (["late 0.6", "accept"], "SENT", 2),
        (["not HL7", "accept"], "SENT", 2),
        (["reset", "accept"], "SENT", 2),
        (["two answers"], "SENT", 1),
        (["CA"], "SENT", 1),
        (["slow"], "SENT", 1),
    ],
)
def test_a_delivery_ends_as_powerserver_says(make_engine, powerserver_says, ends, sends):
    engine = make_engine(*powerserver_says, policy=QUICK, answer_within=2.0 if "slow" in powerserver_says else 0.3)

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert engine.statuses() == [ends]
    payloads = [received.payload for received in engine.peer.received]
    assert len(payloads) == sends
    assert len(set(payloads)) == 1, "every resend is byte for byte the same"


def test_messages_of_one_patient_never_overtake_each_other(make_engine):
    engine = make_engine("accept", "AE", "no answer", "accept", policy=QUICK)

    async def story() -> None:
        for number in range(12):
            await engine.book(patient=f"p{number % 3}", number=number)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    first = {}
    for number, patient, _ in engine.lines():
        first.setdefault(patient, []).append(int(number))
    for order in first.values():
        assert order == sorted(order)
    assert engine.statuses() == ["SENT"] * 12


def test_one_stuck_patient_does_not_hold_up_the_others(make_engine):
    engine = make_engine("AR", "accept", policy=Policy(wait=(0.02, 0.1), connections=1))

    async def story() -> None:
        await engine.book(patient="stuck", number=1)
        await engine.book(patient="stuck", number=2)
        await engine.book(patient="other", number=3)
        await engine.until(lambda: engine.statuses()[2] == "SENT")

    asyncio.run(story())

    assert engine.statuses() == ["ERROR", "RECEIVED", "SENT"]


def test_while_powerserver_is_down_messages_wait_in_line_and_cost_no_attempt(make_engine):
    engine = make_engine("accept", policy=QUICK)
    engine.peer.__exit__(None, None, None)
    engine.peer.port = 0

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.until(lambda: engine.reason() is not None)

    asyncio.run(story())

    assert engine.statuses() == ["QUEUED"]
    assert engine.reason() == "the destination cannot be reached (ConnectionRefusedError)"
    assert engine.store.connection.execute("SELECT attempts FROM delivery").fetchone() == (0,)


def test_held_when_unanswered_where_the_mapping_says_so(make_engine):
    engine = make_engine("no answer", policy=Policy(wait=(0.02, 0.1), hold_unanswered=True))

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert engine.statuses() == ["ERROR"]
    assert engine.reason() == "sent without an answer: look whether it arrived, then retry or cancel"


@pytest.mark.parametrize(
    ("do", "ends", "reason"),
    [
        ("filter", "FILTERED", "a rule said no"),
        ("unmappable", "ERROR", "error E301 PID-3.1 is required: %mrn gave nothing"),
        ("bug", "ERROR", "a bug of the transformer: ZeroDivisionError"),
    ],
)
def test_what_is_not_sent_says_why(make_engine, do, ends, reason):
    engine = make_engine("accept")

    async def story() -> None:
        await engine.book(patient="p1", number=1, do=do)
        await engine.book(patient="p2", number=2)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert engine.statuses() == [ends, "SENT"]
    assert engine.reason() == reason


def test_what_was_accepted_about_a_thing_is_known_to_the_next_message_about_it(make_engine):
    engine = make_engine("accept")

    async def story() -> None:
        await engine.book(patient="p1", number=7, try_=1)
        await engine.until(engine.at_rest)
        await engine.book(patient="p1", number=7, try_=2)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert [line[2] for line in engine.lines()] == ["new", "known"]


def test_an_interrupted_send_is_sent_again_with_the_same_bytes(make_engine):
    engine = make_engine("accept")

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        engine.store.connection.execute("UPDATE delivery SET status = 'PENDING'")
        engine.store.connection.execute("INSERT INTO outgoing VALUES ((SELECT id FROM delivery), 'C1', ?)", [SENT])
        engine.store.connection.execute("UPDATE level SET status = 'PENDING'")
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert [received.payload for received in engine.peer.received] == [SENT]
    assert engine.statuses() == ["SENT"]


SENT = b"MSH|^~\\&|A|B|C|D|20251120153000||SIU^S12^SIU_S12|C1|P|2.5.1\rNTE|1|p1|new\r"


def test_the_timeline_tells_every_step(make_engine):
    engine = make_engine("AE", "accept", policy=QUICK)

    async def story() -> str:
        answer = await engine.book(patient="p1", number=1)
        await engine.until(engine.at_rest)
        return answer.body.decode()

    detail = reads.detail(engine.store.connection, asyncio.run(story()))

    assert detail is not None
    (timeline,) = detail.timeline.values()
    assert [entry.event for entry in timeline] == ["mapped", "claimed", "deferred", "claimed", "accepted"]


def test_a_destination_that_waits_for_another_goes_after_it(make_engine):
    engine = make_engine("no answer", "accept", policy=QUICK, after={"first": "", "second": "first"})

    async def story() -> list[str]:
        await engine.book(patient="p1", number=1)
        await engine.until(lambda: engine.statuses()[0] == "QUEUED")
        between = engine.statuses()
        await engine.until(engine.at_rest)
        return between

    assert asyncio.run(story()) == ["QUEUED", "RECEIVED"]
    assert engine.statuses() == ["SENT", "SENT"]
    assert engine.reason(1) == "AA"


def test_a_message_that_kills_the_process_is_parked_the_third_time(make_engine):
    engine = make_engine("accept")

    async def story() -> None:
        await engine.book(patient="p1", number=1)

    asyncio.run(story())
    (delivery,) = engine.store.connection.execute("SELECT id FROM delivery").fetchone()

    outcomes = []
    for _ in range(3):
        engine.store.mark.set(delivery)  # what a process leaves behind that dies while it maps
        outcomes.append(engine.store.count_crash(3))

    assert outcomes == [None, None, delivery]
    assert engine.statuses() == ["ERROR"]
    assert engine.reason() == "the process died 3 times while it was being mapped"
    assert engine.store.count_crash(3) is None


def test_of_a_run_whose_line_breaks_the_unsent_go_back_and_cost_no_attempt(make_engine):
    engine = make_engine("hang up", "accept", policy=Policy(wait=(0.02, 0.1), connections=1))

    async def story() -> None:
        for number in range(6):
            await engine.book(patient=f"p{number}", number=number)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert engine.statuses() == ["SENT"] * 6
    attempts = engine.store.connection.execute("SELECT attempts FROM delivery ORDER BY id").fetchall()
    assert attempts == [(2,)] + [(1,)] * 5
    payloads = [received.payload for received in engine.peer.received]
    assert len(payloads) == 7
    assert len(set(payloads)) == 6


def test_where_unanswered_is_held_nothing_is_claimed_that_is_not_sent_at_once(make_engine):
    engine = make_engine("hang up", "accept", policy=Policy(wait=(0.02, 0.1), connections=1, hold_unanswered=True))

    async def story() -> None:
        for number in range(4):
            await engine.book(patient=f"p{number}", number=number)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert sorted(engine.statuses()) == ["ERROR", "SENT", "SENT", "SENT"]


def test_answers_of_a_run_are_kept_when_the_connector_fails_behind_them(make_engine, monkeypatch):
    engine = make_engine("accept", policy=Policy(wait=(0.02, 0.1), connections=1))
    send, sent = MllpSender.send, []

    async def fails_once(self, encoded, control_id):
        sent.append(control_id)
        if len(sent) == 3:
            raise ZeroDivisionError
        return await send(self, encoded, control_id)

    monkeypatch.setattr(MllpSender, "send", fails_once)

    async def story() -> None:
        for number in range(6):
            await engine.book(patient=f"p{number}", number=number)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert engine.statuses() == ["SENT"] * 6
    assert len(engine.peer.received) == 6, "what was answered before the failure was not sent again"
