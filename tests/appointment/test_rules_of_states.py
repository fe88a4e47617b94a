"""What may follow what: ends, answers of the patient, resources that move, and what Blume is believed to have."""

from datetime import timedelta

import pytest

from channels import appointment as rules
from channels.appointment_memory import Record
from channels.kind import Wait
from tests.appointment.kit import NINE, SETTINGS, Story, change, refused

TEN = NINE + timedelta(hours=1)


def test_a_pending_appointment_is_not_cancelled_by_the_patient_unless_the_site_allows_it():
    story, free = Story(), Story(allow_cancel_pending=True)
    for one in (story, free):
        one.powerserver("PENDING", event="S12", placer=None)

    assert refused(story.blume, "cancelled", filler="PS-1") == (
        "ILLEGAL_TRANSITION: the appointment is PENDING, and this says CANCELLED: no rule leads there"
    )
    assert change(free.blume("cancelled", filler="PS-1")) == "cancel"


def test_what_is_completed_is_refused_at_the_door():
    story = Story()
    story.blume("proposed")
    for status in ("CONFIRMED", "COMPLETED"):
        story.powerserver(status)

    assert refused(story.blume, "cancelled").startswith("ILLEGAL_TRANSITION: the appointment is COMPLETED")


def test_a_no_show_before_the_appointment_has_begun_is_refused():
    story = Story()
    story.blume("proposed")

    assert "before the appointment has begun" in refused(story.powerserver, "CONFIRMED", event="S26")
    story.now = NINE + timedelta(hours=2)
    assert change(story.powerserver("CONFIRMED", event="S26")) == "missed"


def test_powerserver_cannot_turn_an_appointment_into_a_request():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")

    assert change(story.powerserver("PENDING", TEN, priority=("SCHEDULED STATUS",))) == rules.NOT_ASKED
    assert story.state == "CONFIRMED"


def test_a_new_request_after_a_cancelled_one_names_it():
    before, after = Story(), Story()
    before.blume("proposed", order=("sr-1",))
    before.powerserver("CONFIRMED", filler="PS-7")
    before.blume("cancelled", order=("sr-1",))
    after.others = {"order sr-1": before.memory}

    said = after.blume("proposed", placer="appt-2", order=("sr-1",))

    assert (said.values["parent"], said.values["parent_filler"]) == ("appt-1", "PS-7")


def test_what_was_cancelled_is_not_asked_for_again_by_the_same_appointment():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")
    story.blume("cancelled")

    assert "CANCELLED, and this says REQUESTED" in refused(story.blume, "proposed", TEN)


def test_an_answer_of_the_patient_counts_before_the_status():
    story = Story()
    story.powerserver("PENDING", event="S12", placer=None)

    assert change(story.blume("pending", filler="PS-1", response="accepted")) == "confirm"


def test_what_the_patient_declines_is_a_cancellation():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")

    assert change(story.blume("booked", response="declined")) == "cancel"
    assert story.state == "CANCELLED"


def test_what_the_patient_declines_before_confirming_it_is_cancelled_where_the_site_allows_it():
    story, free = Story(), Story(allow_cancel_pending=True)
    for one in (story, free):
        one.powerserver("PENDING", event="S12", placer=None)

    assert "PENDING, and this says CANCELLED" in refused(story.blume, "pending", filler="PS-1", response="declined")
    assert change(free.blume("pending", filler="PS-1", response="declined")) == "cancel"


@pytest.mark.parametrize("answer", ["tentative", "needs-action"])
def test_an_answer_that_decides_nothing_changes_nothing(answer):
    story = Story()
    story.powerserver("PENDING", event="S12", placer=None)

    assert change(story.blume("pending", filler="PS-1", response=answer)) == rules.ECHO


def test_an_answer_to_what_is_over_is_none():
    story = Story()
    story.blume("proposed")
    story.now = NINE + timedelta(hours=2)
    story.powerserver("CONFIRMED", event="S26")

    assert change(story.blume("noshow", response="declined")) == rules.ECHO


@pytest.mark.parametrize(("answer", "status", "shown"), [("accepted", "CONFIRMED", "booked"),
                                                         ("declined", "CANCELLED", "cancelled")])  # fmt: skip
def test_what_the_patient_has_answered_is_written_into_the_appointment_once_powerserver_tells_it(answer, status, shown):
    story = Story(allow_cancel_pending=True)
    story.powerserver("PENDING", event="S12", placer=None)
    story.blume("pending", filler="PS-1", response=answer, settle=None)

    waiting = story.powerserver(status)
    story.settle(2)
    told = story.powerserver(status)

    assert isinstance(waiting, Wait)
    assert (told.values["status"], told.values["believed"]) == (shown, "pending")
    assert change(story.blume(shown, filler="PS-1")) == rules.ECHO


def test_only_what_is_confirmed_arrives_unless_the_site_lets_others():
    story, free = Story(), Story(arrive_unconfirmed=True)
    for one in (story, free):
        one.powerserver("PENDING", event="S12", placer=None)

    assert refused(story.powerserver, "ARRIVED") == (
        "ILLEGAL_TRANSITION: the appointment is PENDING, and this says ARRIVED: no rule leads there"
    )
    assert change(free.powerserver("ARRIVED")) == "arrived"
    story.powerserver("CONFIRMED")
    assert change(story.powerserver("ARRIVED")) == "arrived"


def test_the_resource_that_staff_moved_it_to_is_told_to_blume_and_stays():
    story = Story()
    story.blume("proposed")

    moved = story.powerserver("CONFIRMED", resource="BLUME CT 2")
    stays = story.powerserver("CANCELLED", resource="BLUME CT 2")

    assert (moved.values["moved_to"], "moved_to" in stays.values) == ("BLUME CT 2", False)
    assert "moved_to" not in Story().powerserver("PENDING", event="S12", placer=None).values


def test_the_resource_that_staff_moved_it_to_comes_back_from_blume_as_an_echo_and_the_old_one_is_chosen_anew():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED", resource="BLUME CT 2")

    assert change(story.blume("booked", resource="BLUME CT 2")) == rules.ECHO
    assert change(story.blume("proposed", resource="BLUME CT")) == "reschedule"


def test_an_appointment_that_is_made_longer_says_so_at_the_door_and_on_its_way():
    story = Story()
    facts = {"status": ("proposed",), "start": (NINE.isoformat(),), "books": ("true",), "minutes": ("15",)}
    ends = {minutes: ((NINE + timedelta(minutes=minutes)).isoformat(),) for minutes in (10, 15)}
    kind = story.sides["fhir-to-hl7"]

    (warned,) = kind.at_door(facts | {"end": ends[10]}, None)

    assert (warned.code, warned.severity) == ("DURATION_RAISED", "warning")
    assert not kind.at_door(facts | {"end": ends[15]}, None)
    assert not kind.at_door(facts | {"end": ends[10], "books": ("false",)}, None)
    said = story._tell("fhir-to-hl7", {
        "placer": "appt-1", "status": "proposed", "start": NINE.isoformat(), "end": ends[10][0], "resource": "CT",
        "minutes": "15", "books": "true", "modified": story.now.isoformat()}, None)  # fmt: skip
    assert said.warning == rules.RAISED
    assert Story().blume("proposed", books="true").warning is None


@pytest.mark.parametrize("status", ["cancelled", "noshow", "entered-in-error"])
def test_what_ended_before_powerserver_knew_it_is_not_sent(status):
    assert change(Story().blume(status)) == rules.UNSENT


@pytest.mark.parametrize("status", ["arrived", "checked-in", "fulfilled"])
def test_powerserver_s_own_news_that_come_back_from_blume_change_nothing(status):
    story = Story()
    story.blume("proposed")

    assert change(story.blume(status)) in {rules.NEWS, rules.ECHO}


def test_an_appointment_that_powerserver_had_before_this_host_is_taken_as_it_comes():
    assert change(Story().blume("booked", filler="PS-1")) == "confirm"
    assert change(Story().blume("cancelled", filler="PS-1")) == "cancel"
    assert change(Story().powerserver("ARRIVED")) == "arrived"


def test_an_organization_s_own_table_of_statuses_counts_for_it_alone():
    own = {"statuses": {**SETTINGS["statuses"], "org-9": {"ARRIVED": {"fhir": "booked"}}}}
    story, other = Story(arrive_unconfirmed=True, **own), Story(arrive_unconfirmed=True, **own)
    for one in (story, other):
        one.blume("proposed")

    assert story.powerserver("ARRIVED", organization="org-9").values["status"] == "booked"
    assert other.powerserver("ARRIVED").values["status"] == "arrived"


def test_the_memory_is_json_and_says_what_it_was_told():
    story = Story()
    story.blume("proposed", settle=None)

    record = Record.read(story.memory)

    assert record.written_down() == story.memory
    assert [(way.side, way.snapshot.state) for way in record.ways.values()] == [("powerserver", "REQUESTED")]


def test_the_same_version_again_after_powerserver_s_news_moves_nothing():
    story, version = Story(), (NINE - timedelta(days=1)).isoformat()
    story.blume("proposed", modified=version)
    story.powerserver("CONFIRMED", settle=None)

    assert change(story.blume("proposed", modified=version)) == rules.REPEATED


def test_what_blume_is_believed_to_have_goes_with_every_write():
    story = Story()
    story.blume("proposed")

    assert story.powerserver("CONFIRMED").values["believed"] == "proposed"
    assert story.powerserver("CANCELLED").values["believed"] == "booked"
    assert "believed" not in Story().powerserver("PENDING", event="S12", placer=None).values


def test_the_time_that_blume_is_believed_to_have_goes_along_too():
    story = Story()
    story.blume("proposed", TEN)

    assert story.powerserver("CONFIRMED").values["believed_start"] == TEN.isoformat()
    assert story.powerserver("CANCELLED").values["believed_start"] == NINE.isoformat()
