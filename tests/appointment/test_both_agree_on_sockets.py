"""The walk of tests/appointment/walk.py, short: the real host, both mappings, and two peers that keep their own state.

Longer: `python -m tests.appointment.walk 20 60`.

What integrations of this kind trip over, and where it is tested:

| trap | test |
|---|---|
| an ACK that comes after its time-out | tests/test_mllp_sender.py, a late answer is never credited to the next |
| what is tried again and what is not | tests/engine/test_lanes.py, tests/test_fhir_sender.py |
| killed between sending and ACK | tests/rig/test_kill_points.py, tests/rig/test_random_kills.py |
| a C-STORE that ends mid-way | tests/dicom/test_faults.py, tests/dicom/test_dicom_sender.py |
| one stuck patient, two appointments of one patient | tests/engine/test_lanes.py |
| character sets of names and notes | tests/test_powerserver_character_sets.py |
| the older or late version, the same twice; echoes | tests/appointment/test_rules.py and this walk |
| an appointment older than two days | tests/cli/test_rules_before_sending.py (at the door; a replay is not told) |
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
