"""Follow-up channels: an outcome of a delivery is a message of theirs, made in the transaction that brings it about."""

from __future__ import annotations

import asyncio
import json

import pytest

from channels.channel import Policy
from messages.lifecycle import Event, Status
from messages.message import Step
from messages.outcome import Issue, Outcome, document
from store import directory, reads, revisions
from store.steps import apply_step

QUICK = Policy(wait=(0.02, 0.1), connections=2)
AE = Policy(wait=(0.02, 0.1), refused=1)


def follow(store, *when, of="lines", channel="news", revision="n1"):
    source = {"connector": "outcomes", "settings": {"of": of, "when": list(when)}}
    plan = {"title": "News", "from": source, "destinations": {"blume": {}}}
    directory.deploy(
        store.writer,
        directory.NewRevision(
            channel=channel, title="News", revision=revision, source="", plan=plan, destinations={"blume": True}
        ),
    )


def news(store, channel="news"):
    """The documents of a follow-up channel, oldest first, each as (parameters, issues, other entries)."""
    rows = store.connection.execute(
        "SELECT a.body FROM message m JOIN arrival a ON a.number = m.arrival JOIN channel c ON c.number = m.channel "
        "WHERE c.name = ? ORDER BY m.number",
        (channel,),
    ).fetchall()
    return [_read(json.loads(row[0])) for row in rows]


def _read(bundle):
    *entries, outcome, parameters = [entry["resource"] for entry in bundle["entry"]]
    texts = {one["name"]: one.get("valueString") for one in parameters["parameter"]}
    issues = [(one["details"]["coding"][0]["code"], one["details"].get("text")) for one in outcome["issue"]]
    return texts, issues, entries


@pytest.mark.parametrize(
    ("says", "does", "outcome", "issue"),
    [
        (["AR"], None, "refused", ("207", "AR: Application reject")),
        (["AE"], None, "refused", ("204", "AE: Resource name must match PowerServer exactly")),
        (["accept"], None, "sent", ("AA", "AA")),
        (["accept"], "unmappable", "parked", ("E301", "PID-3.1 is required: %mrn gave nothing")),
        (["accept"], "bug", "parked", ("UNMAPPABLE", "a bug of the transformer: ZeroDivisionError")),
        (["accept"], "filter", "filtered", ("RULED_OUT", "a rule said no")),
    ],
)
def test_an_outcome_is_one_message_of_the_channel_that_follows(make_engine, says, does, outcome, issue):
    engine = make_engine(*says, policy=AE)
    follow(engine.store, "refused", "parked", "sent", "filtered")

    async def story() -> None:
        await engine.book(patient="p1", number=7, **({"do": does} if does else {}))
        await engine.until(lambda: len(news(engine.store)) == 1)

    asyncio.run(story())

    ((told, issues, entries),) = news(engine.store)
    assert (told["outcome"], told["channel"], told["destination"]) == (outcome, "lines", "powerserver")
    assert issues == [issue]
    assert [one["resourceType"] for one in entries] == ["Binary"]


def test_it_is_an_ordinary_message_found_by_the_same_values_in_the_same_order_about_the_same_thing(make_engine):
    engine = make_engine("AR", policy=QUICK)
    follow(engine.store, "refused")

    async def story() -> None:
        await engine.book(patient="p1", number=7)
        await engine.until(lambda: len(news(engine.store)) == 1)

    asyncio.run(story())

    first, told = sorted(reads.find(engine.store.connection, "7"), key=lambda one: one.number)
    assert (first.channel, told.channel) == ("lines", "news")
    assert [delivery.status for delivery in told.deliveries] == ["RECEIVED"]
    columns = (
        "SELECT l.key, m.about FROM delivery d JOIN lane l ON l.id = d.lane JOIN message m ON m.number = d.id >> 4"
    )
    rows = engine.store.connection.execute(columns).fetchall()
    assert rows[0] == rows[1]
    assert reads.reconcile(engine.store.connection).accepted == 2


def test_outcomes_that_nobody_asked_for_make_no_message(make_engine):
    engine = make_engine("accept", "AR", policy=QUICK)
    follow(engine.store, "parked")
    follow(engine.store, "sent", of="another", channel="others")

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.book(patient="p1", number=2)
        await engine.until(lambda: engine.statuses()[:2] == ["SENT", "ERROR"])

    asyncio.run(story())

    assert news(engine.store) == news(engine.store, "others") == []


def test_two_channels_that_follow_get_a_message_each(make_engine):
    engine = make_engine("AR", policy=QUICK)
    follow(engine.store, "refused")
    follow(engine.store, "refused", "parked", channel="second")

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.until(lambda: len(news(engine.store)) == 1)

    asyncio.run(story())

    assert news(engine.store) == news(engine.store, "second")


def test_parked_mended_and_parked_again_are_two_outcomes(make_engine):
    engine = make_engine("accept", policy=QUICK)
    follow(engine.store, "parked", "cancelled")

    async def story() -> None:
        await engine.book(patient="p1", number=1, do="unmappable")
        await engine.until(lambda: engine.statuses()[:1] == ["ERROR"])
        await engine.store.apply([Step(delivery=16, status=Status.ERROR, event=Event.REPROCESSED)])
        await engine.until(lambda: len(news(engine.store)) == 2)

    asyncio.run(story())
    step = Step(delivery=16, status=Status.ERROR, event=Event.CANCELLED, by="ana", reason="not needed")
    engine.store.writer.now(lambda tx: apply_step(tx, step))

    assert [told["outcome"] for told, _, _ in news(engine.store)] == ["parked", "parked", "cancelled"]
    assert news(engine.store)[2][1] == [("CANCELLED", "not needed")]


def test_a_step_that_does_not_hold_tells_nothing(make_engine):
    engine = make_engine("accept", policy=QUICK)
    follow(engine.store, "parked")
    asyncio.run(engine.book(patient="p1", number=1))
    late = Step(delivery=16, status=Status.PENDING, event=Event.REFUSED, reason="AR")
    parked = Step(delivery=16, status=Status.RECEIVED, event=Event.UNMAPPABLE, issues=(Issue(code="X", text="x"),))

    held = [engine.store.writer.now(lambda tx, one=one: apply_step(tx, one)) for one in (late, parked, parked)]

    assert held == [False, True, False]
    assert len(news(engine.store)) == 1


def test_what_is_undone_was_not_told(make_engine):
    engine = make_engine("accept", policy=QUICK)
    follow(engine.store, "parked")
    asyncio.run(engine.book(patient="p1", number=1))

    def breaks_off(tx):
        assert apply_step(tx, Step(delivery=16, status=Status.RECEIVED, event=Event.UNMAPPABLE))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        engine.store.writer.now(breaks_off)

    assert engine.statuses() == ["RECEIVED"]
    assert news(engine.store) == []


def test_a_revision_that_follows_no_more_receives_no_more_and_one_that_is_rolled_back_to_does(make_engine):
    engine = make_engine("accept", policy=QUICK)
    follow(engine.store, "parked")
    follow(engine.store, "sent", revision="n2")

    def parks(number):
        asyncio.run(engine.book(patient=f"p{number}", number=number))
        step = Step(delivery=max(_deliveries(engine)), status=Status.RECEIVED, event=Event.UNMAPPABLE)
        assert engine.store.writer.now(lambda tx: apply_step(tx, step))
        return len(news(engine.store))

    before = parks(1)
    back = revisions.revision(engine.store.connection, "news", "n1")
    revisions.switch(engine.store.writer, "news", back, revisions.Choice(how="rollback"))

    assert (before, parks(2)) == (0, 1)


def _deliveries(engine):
    return [row[0] for row in engine.store.connection.execute("SELECT id FROM delivery WHERE status = 'RECEIVED'")]


OUTCOME = Outcome(
    outcome="refused", channel="c", destination="d", message="M", delivery=16, action="request", at=0.0,
    issues=[Issue(code="SLOT_BUSY", text="taken")], answer=b"MSA|AE", index={"patient": "12345"},
)  # fmt: skip


def test_the_entries_of_a_bundle_stay_at_their_places_without_their_requests():
    transaction = (
        b'{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1","resource":'
        b'{"resourceType":"Observation","valueQuantity":{"value":1.10}},"request":{"method":"POST","url":"Observation"}}]}'
    )

    text, focus = document(transaction, "application/fhir+json", 0, OUTCOME)

    bundle = json.loads(text)
    assert (bundle["type"], focus) == ("collection", 0)
    assert bundle["entry"][0].keys() == {"fullUrl", "resource"}
    assert b'"value":1.10' in text, "a decimal keeps its digits"
    assert [one["resource"]["resourceType"] for one in bundle["entry"][1:]] == ["OperationOutcome", "Parameters"]


@pytest.mark.parametrize(
    ("body", "first", "focus"),
    [
        (b'{"resourceType":"Appointment"}', "Appointment", 0),
        (b"MSH|^~\\&|A", "Binary", None),
        (b'{"n":1}', "Binary", None),
        (b"\xff\x00", "Binary", None),
    ],
)
def test_what_is_no_bundle_is_its_first_entry(body, first, focus):
    text, about = document(body, "x/y", None, OUTCOME)

    assert json.loads(text)["entry"][0]["resource"]["resourceType"] == first
    assert about == focus


def test_the_document_is_valid_fhir():
    from transformers.fhir_validation import validate

    text, _ = document(b'{"resourceType":"Patient"}', "application/fhir+json", None, OUTCOME)

    assert [one for one in validate(json.loads(text)) if one.severity == "error"] == []
