"""Which bookings stand already: PowerServer has them on the same resource at the same time (decision 0062)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from messages.lifecycle import Event
from tests.appointment.kit import NINE, Story


def stands(story, **changes):
    facts = {
        "status": "booked", "start": NINE.isoformat(), "end": (NINE + timedelta(minutes=60)).isoformat(),
        "resource": "BLUME CT",
    } | changes  # fmt: skip
    given = {name: (value,) for name, value in facts.items() if value is not None}
    return story.sides["fhir-to-hl7"].stands(given, story.memory)


def test_what_powerserver_has_accepted_stands_until_it_is_over():
    story = Story()
    before = stands(story)
    story.blume("proposed", settle=None)
    on_its_way = stands(story)
    story.settle(story.delivery)
    accepted = stands(story)
    story.blume("cancelled")

    assert (before, on_its_way, accepted, stands(story)) == (False, False, True, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"start": (NINE + timedelta(hours=1)).isoformat(), "end": (NINE + timedelta(hours=2)).isoformat()},
        {"end": (NINE + timedelta(minutes=90)).isoformat()},
        {"resource": "BLUME MR"},
        {"resource": None},
        {"start": None},
    ],
)
def test_another_time_or_resource_is_booked_anew(changes):
    story = Story()
    story.blume("proposed")

    assert stands(story)
    assert not stands(story, **changes)


def test_what_powerserver_refused_does_not_stand():
    story = Story()
    story.blume("proposed", settle=Event.REFUSED)

    assert not stands(story)
