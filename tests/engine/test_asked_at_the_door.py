"""What the door asked of a message is not asked again on the way, where the revision that asked it maps it."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from channels.prepare import prepare
from messages.lifecycle import Event, Status
from messages.message import Step
from store import follow
from tests.engine.conftest import Lines
from transformers.base import Given, Transformed


class Telling(Lines):
    """Lines that parks each message, and remembers what it was told of the door."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def transform(self, document, given: Given) -> Transformed:
        self.told.append(given.asked)
        return super().transform({**document, "do": "unmappable"}, given)


@pytest.fixture
def mapped(make_engine):
    """Book a message, let something happen, map it; return what the transformer was told."""

    def run(*, reprocessed: bool = False, **channel: object) -> bool:
        engine, telling = make_engine(), Telling()
        asyncio.run(engine.book(patient="p", number=1))
        engine.channel = dataclasses.replace(engine.channel, transformer=telling, **channel)
        for again in (False, True) if reprocessed else (False,):
            (destination,) = engine.channel.destinations
            (work,) = engine.store.ready(engine.channel.name, (destination.number, destination.name), 1)
            steps = [*prepare(engine.channel, destination, work, engine.store).steps]
            if reprocessed and not again:
                steps.append(Step(delivery=work.delivery.id, status=Status.ERROR, event=Event.REPROCESSED))
            for step in steps:
                asyncio.run(engine.store.apply([step]))
        return telling.told[-1]

    return run


def test_what_the_door_asked_is_not_asked_again(mapped):
    assert mapped() is True


def test_a_newer_revision_asks_itself(mapped):
    assert mapped(revision="r2") is False


def test_what_is_mapped_anew_is_asked_anew(mapped):
    assert mapped(reprocessed=True) is False


def test_what_never_stood_at_a_door_is_asked_on_the_way(mapped):
    assert mapped(source=follow.CONNECTOR) is False
