"""The rules of a kind: at the door, before the mapping, after the answer; what they remember changes with the step."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import ClassVar

import pytest

from channels.channel import Policy
from channels.kind import Go, Hold, Wait
from messages.lifecycle import Event
from messages.problem import Problems
from messages.subject import SubjectChange
from store import subjects
from tests.engine.conftest import Lines
from transformers.base import KindWords

QUICK = Policy(wait=(0.02, 0.1), connections=2)


class Facing(Lines):
    """Lines with facts: the thing that a document is about, and what it says of it."""

    def admit(self, document):
        return [dataclasses.replace(super().admit(document)[0], facts=self.facts(document, None))]

    def facts(self, document, _focus):
        return {name: (str(document[name]),) for name in ("thing", "says") if name in document}


class Counter:
    """A thing may be told of three times; what is told twice is not sent again."""

    words: ClassVar = {"lines": KindWords(facts={}, gives={})}

    def keys(self, facts):
        return facts.get("thing", ())

    def also(self, facts):
        return facts.get("also", ())

    def keep_until(self, _facts):
        return 0.0

    def at_door(self, _facts, memory):
        if memory and memory["sent"] >= 3:
            raise Problems.one("ENOUGH", "three times is enough")

    def before_mapping(self, facts, memory, occasion):
        memory = memory or {"sent": 0, "last": None, "under": None}
        if memory["under"] is not None and occasion.is_open(memory["under"]):
            return Wait(reason="another one is on its way", seconds=0.02)
        if facts["says"][0] == memory["last"]:
            return Hold(reason="nothing new", memory={**memory, "held": True}, note={"said": facts["says"][0]})
        if facts["says"][0] == "nonsense":
            raise Problems.one("NONSENSE", "this cannot be said")
        return Go(
            values={"change": "more"}, memory={**memory, "under": occasion.delivery, "new": facts["says"][0]},
            note={"said": facts["says"][0]},
        )  # fmt: skip

    def settled(self, memory, outcome):
        if outcome.event is not Event.ACCEPTED:
            return {**memory, "under": None}, {"refused": True}
        return {"sent": memory["sent"] + 1, "last": memory["new"], "under": None}, {"sent": True}


@pytest.fixture
def counting(make_engine):
    def make(*script):
        engine = make_engine(*script, policy=QUICK)
        engine.channel = dataclasses.replace(engine.channel, transformer=Facing(), kind=("counter", Counter()))
        return engine

    return make


def _told(engine, *says):
    async def story() -> None:
        for number, one in enumerate(says):
            await engine.book(patient=f"p{number}", number=number, thing="t", says=one)
            await engine.until(engine.at_rest)

    asyncio.run(story())


def _memory(engine):
    return subjects.find(engine.store.connection, "counter", ["t"])


def test_what_the_peer_accepted_is_remembered_in_the_step_that_says_so(counting):
    engine = counting()

    _told(engine, "one")

    assert _memory(engine).memory == {"sent": 1, "last": "one", "under": None}
    happened = subjects.history(engine.store.connection, _memory(engine).number)
    assert [(one.event, one.note) for one in happened] == [
        ("mapped", {"said": "one", "values": {"change": "more"}}),
        ("accepted", {"sent": True}),
    ]


def test_what_the_rules_hold_back_is_filtered_with_their_reason(counting):
    engine = counting()

    _told(engine, "one", "one")

    assert engine.statuses() == ["SENT", "FILTERED"]
    assert engine.reason(1) == "nothing new"
    assert _memory(engine).memory["held"] is True


def test_what_the_peer_refuses_is_not_remembered_as_said(counting):
    engine = counting("AR", "accept")

    _told(engine, "one", "one")

    assert engine.statuses() == ["ERROR", "SENT"]
    assert _memory(engine).memory["sent"] == 1


def test_what_the_rules_do_not_allow_is_parked_and_stands_in_the_history(counting):
    engine = counting()

    _told(engine, "nonsense")

    assert engine.statuses() == ["ERROR"]
    assert "NONSENSE" in engine.reason()
    happened = subjects.history(engine.store.connection, _memory(engine).number)
    assert [(one.event, one.note) for one in happened] == [("unmappable", {"problem": "NONSENSE"})]


def test_what_cannot_become_right_is_refused_at_the_door_and_a_resend_of_the_accepted_is_not(counting):
    engine = counting()
    _told(engine, "one", "two", "three")

    with pytest.raises(Problems, match="three times is enough"):
        asyncio.run(engine.book(patient="p9", number=9, thing="t", says="four"))
    again = asyncio.run(engine.book(patient="p2", number=2, thing="t", says="three"))

    assert again.status == 202
    assert engine.statuses() == ["SENT"] * 3


def test_two_messages_about_one_thing_are_decided_one_after_the_other(counting):
    engine = counting("late 0.2", "accept")

    async def story() -> None:
        await engine.book(patient="p1", number=1, thing="t", says="one")
        await engine.book(patient="p2", number=2, thing="t", says="one")
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert sorted(engine.statuses()) == ["FILTERED", "SENT"], "the second was decided by what the first had become"


def test_a_decision_by_a_memory_that_has_changed_is_not_committed(store):
    def wanted(version):
        return SubjectChange(kind="counter", keys=("t",), version=version, change=lambda _: {"n": version})

    class Step:
        delivery, event = 16, Event.MAPPED

    store.writer.now(lambda tx: subjects.change(tx, wanted(0), Step))

    believed = store.writer.now(lambda tx: [subjects.is_as_believed(tx, wanted(version)) for version in (0, 1, 2)])

    assert believed == [False, True, False]


def test_several_keys_lead_to_one_subject_and_new_ones_are_learnt(store):
    def said(*keys, also=()):
        class Step:
            delivery, event = 16, Event.MAPPED

        change = SubjectChange(
            kind="counter", keys=keys, also=also, change=lambda memory: {"n": (memory or {"n": 0})["n"] + 1}
        )
        store.writer.now(lambda tx: subjects.change(tx, change, Step))

    said("placer 1")
    said("filler 9", "placer 1")
    said("filler 9", also=("order 5",))

    found = [subjects.find(store.connection, "counter", [key]) for key in ("placer 1", "filler 9", "order 5")]
    assert {(one.number, one.version) for one in found} == {(1, 3)}
    assert subjects.find(store.connection, "another kind", ["placer 1"]).memory is None


def test_a_subject_is_forgotten_when_it_was_quiet_and_need_not_be_kept(store):
    class Step:
        delivery, event = 16, Event.MAPPED

    for key, until in (("over", 0.0), ("to come", 4e9)):
        change = SubjectChange(kind="counter", keys=(key,), change=lambda _: {}, keep_until=until)
        store.writer.now(lambda tx, change=change: subjects.change(tx, change, Step))

    store.writer.now(lambda tx: subjects.forget(tx, tx.now + 1))

    assert subjects.find(store.connection, "counter", ["over"]).memory is None
    assert subjects.find(store.connection, "counter", ["to come"]).memory == {}
