"""The walk of tests/appointment/walk.py, short: the real host, both mappings, and two peers that keep their own state.

Longer: `python -m tests.appointment.walk 20 60`.
"""

from datetime import UTC, datetime

import pytest

from tests.appointment.walk import Walk, walk
from tests.appointment.world import World

START = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("walk"), blocks=False) as opened:
        yield opened


def test_in_the_end_both_sides_agree_on_every_appointment_and_nothing_is_echoed(world):
    differences, parked = walk(world, 7, range(1, 4), 25)

    assert differences == []
    assert len(parked) < 3, "of every appointment a message is parked: nothing was shown"


def test_a_confirmation_that_powerserver_never_told_is_found_out(world):
    walked = Walk(world, 1, range(11, 12))
    world.staff(11, "book", START)
    desk = walked.desks[11]
    desk.status, desk.start = "SCHEDULED", START
    world.wait_for_blume(11, "pending")
    walked.quiet()
    assert walked.differences() == []

    desk.change("CONFIRMED", START, asked=False)
    desk.tells.clear()
    walked.quiet()

    assert walked.differences() == ["11: Blume has pending, PowerServer booked, at the same time"]
