"""The rules R1 to R4 of the two systems' manuals, each with a whole host between a Blume and a PowerServer."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.appointment.world import World

START = datetime(2027, 3, 1, 12, tzinfo=UTC)
LATER = START + timedelta(days=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("both")) as opened:
        yield opened


def test_r1_an_appointment_created_in_powerserver_appears_in_blume_with_status_pending(world):
    world.staff(1, "book", START)

    held = world.wait_for_blume(1, "pending")

    assert [one["value"] for one in held["identifier"]] == ["PS-1"]
    assert held["participant"][0]["status"] == "needs-action"
    assert world.received(1) == []


def test_r2_a_blume_user_confirms_blume_scheduled_powerserver_confirmed(world):
    world.staff(2, "book", START)
    world.wait_for_blume(2, "pending")

    world.patient(2, "booked", START)
    schedule = world.wait_for_powerserver(2, "S14")

    assert schedule["SCH-25"] == "Booked^Booked^HL70278^CONFIRMED^Confirmed^99PSSTATUS"
    assert schedule["SCH-2"].startswith("PS-2^")
    assert world.held(2)["status"] == "booked"


def test_r3_a_blume_user_reschedules_blume_requested_powerserver_from_confirmed_to_scheduled(world):
    world.patient(3, "proposed", START)
    world.wait_for_powerserver(3, "S12")
    world.staff(3, "confirm", START)
    world.wait_for_blume(3, "booked")

    world.patient(3, "proposed", LATER)
    schedule = world.wait_for_powerserver(3, "S13")

    assert schedule["SCH-25"].startswith("Pending^Pending^HL70278^REQUESTED")
    assert schedule["TQ1-9"].startswith("SCHEDULED STATUS")
    assert schedule["SCH-2"].startswith("PS-3^")
    assert world.held(3)["status"] == "proposed"


def test_r4_self_scheduling_the_request_is_seen_in_powerserver_which_confirms_it(world):
    world.patient(4, "proposed", START)
    schedule = world.wait_for_powerserver(4, "S12")
    assert schedule["SCH-25"].startswith("Pending^")
    assert world.held(4)["status"] == "proposed"

    world.staff(4, "confirm", START)
    held = world.wait_for_blume(4, "booked")

    assert held["participant"][0]["status"] == "accepted"
    assert [one["value"] for one in held["identifier"]] == ["appt-4", "PS-4"]


def test_what_this_host_wrote_into_blume_comes_back_and_is_no_second_message_to_powerserver(world):
    world.patient(5, "proposed", START)
    world.wait_for_powerserver(5, "S12")
    world.staff(5, "confirm", START)
    world.wait_for_blume(5, "booked")

    message = world.tell(5)
    shown = world.host.wait_for_status(message, "FILTERED")

    assert "an echo" in shown["deliveries"][0]["reason"]
    assert len(world.received(5)) == 1


def test_what_powerserver_tells_because_the_patient_confirmed_is_no_second_change_of_blume(world):
    world.staff(6, "book", START)
    world.wait_for_blume(6, "pending")
    world.patient(6, "booked", START)
    world.wait_for_powerserver(6, "S14")
    version = world.held(6)["meta"]["versionId"]

    world.staff(6, "confirm", START)
    world.staff(6, "cancel", START)
    held = world.wait_for_blume(6, "cancelled")

    assert int(held["meta"]["versionId"]) == int(version) + 1, "one write for the cancellation, none for the echo"
    assert world.state(6) == "CANCELLED"


def test_the_timeline_shows_what_each_side_said_the_state_after_it_and_no_gap_at_the_end(world):
    world.patient(7, "proposed", START)
    world.wait_for_powerserver(7, "S12")
    world.staff(7, "confirm", START)
    world.wait_for_blume(7, "booked")
    world.host.wait_for_status(world.tell(7), "FILTERED")

    by_placer, by_filler, by_patient = (world.host.command("appointment", "show", key, "--json") for key in KEYS)
    (shown,) = by_placer.json["appointments"]

    assert by_placer.json == by_filler.json == by_patient.json
    told = [(line["side"], line["event"], line["change"], line["state"]) for line in shown["lines"]]
    assert told == [
        ("blume", "mapped", "request", "REQUESTED"),
        ("powerserver", "accepted", None, "REQUESTED"),
        ("powerserver", "mapped", "confirmed", "CONFIRMED"),
        ("blume", "accepted", None, "CONFIRMED"),
        ("blume", "ruled out", None, "CONFIRMED"),
    ]
    assert shown["gaps"] == []
    assert "appointment appt-7, PS-7: CONFIRMED" in world.host.command("appointment", "show", "appt-7").out
    assert world.host.command("appointment", "show", "nobody").code == 1


KEYS = ("appt-7", "PS-7", "P7")


def test_the_resource_in_blume_follows_what_staff_moved_it_to(world):
    resource = {"actor": {"reference": "HealthcareService/7", "display": "BLUME CT"}, "status": "accepted"}
    patient = {"actor": {"reference": "Patient/1"}, "status": "accepted"}
    world.patient(9, "proposed", START, participant=[patient, resource])
    world.wait_for_powerserver(9, "S12")

    world.staff(9, "confirm", START, **{"BLUME_CT^BLUME_CT^99PSRES": "BLUME CT 2^BLUME CT 2^99PSRES"})
    held = world.wait_for_blume(9, "booked")
    version = held["meta"]["versionId"]
    world.staff(9, "cancel", START)
    after = world.wait_for_blume(9, "cancelled")

    assert held["participant"][0]["actor"]["reference"] == "Patient/1"
    assert held["participant"][1] == {
        "actor": {"type": "HealthcareService", "display": "BLUME CT 2"}, "status": "accepted",
    }  # fmt: skip
    assert int(after["meta"]["versionId"]) == int(version) + 1
    assert after["participant"][0]["status"] == "declined"


def test_what_the_patient_answers_confirms_and_is_written_into_the_appointment(world):
    world.staff(10, "book", START)
    world.wait_for_blume(10, "pending")
    world.change(10, "pending", START)

    world.host.book(world.answer(10, "accepted"))
    world.wait_for_powerserver(10, "S14")
    world.staff(10, "confirm", START)
    held = world.wait_for_blume(10, "booked")

    assert held["participant"][0]["status"] == "accepted"


def test_while_powerserver_refuses_a_confirmation_the_gap_is_named(world):
    world.staff(8, "book", START)
    world.wait_for_blume(8, "pending")
    world.powerserver.add("AR")
    world.host.wait_for_status(world.patient(8, "booked", START), "ERROR")

    (shown,) = world.host.command("appointment", "show", "PS-8", "--json").json["appointments"]
    (gap,) = shown["gaps"]

    assert (gap["what"], gap["blume"], gap["powerserver"]) == ("parked", "CONFIRMED", "PENDING")
    assert "GAP: a message is parked since" in world.host.command("appointment", "show", "PS-8").out
