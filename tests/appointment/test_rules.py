"""What is sent, what is left out and why: the rules of an appointment, told as short stories of both sides."""

from datetime import timedelta

from channels import appointment as rules
from channels.kind import Wait
from messages.lifecycle import Event
from tests.appointment.kit import NINE, Story, change

TEN = NINE + timedelta(hours=1)


def test_a_patient_asks_confirms_moves_and_cancels():
    story = Story()

    told = [change(story.blume("proposed"))]
    told += [change(story.powerserver("CONFIRMED"))]
    told += [change(story.blume("proposed", TEN))]
    told += [change(story.powerserver("CONFIRMED", TEN))]
    told += [change(story.blume("cancelled", TEN))]

    assert told == ["request", "confirmed", "reschedule", "confirmed", "cancel"]
    assert story.state == "CANCELLED"


def test_powerserver_books_and_the_patient_confirms():
    story = Story()

    told = [change(story.powerserver("PENDING", event="S12", placer=None))]
    told += [change(story.blume("booked", filler="PS-1"))]

    assert told == ["booked", "confirm"]
    assert story.state == "CONFIRMED"


def test_what_blume_tells_because_this_host_wrote_it_is_an_echo():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")

    assert change(story.blume("booked")) == rules.ECHO


def test_what_blume_tells_before_its_answer_was_read_is_an_echo_too():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED", settle=None)

    assert change(story.blume("booked")) == rules.ECHO


def test_what_powerserver_tells_because_the_patient_confirmed_is_an_echo():
    story = Story()
    story.powerserver("PENDING", event="S12", placer=None)
    story.blume("booked", filler="PS-1")

    assert change(story.powerserver("CONFIRMED")) == rules.ANSWERED


def test_what_powerserver_tells_before_its_acknowledgement_was_read_is_an_echo_too():
    story = Story()
    story.powerserver("PENDING", event="S12", placer=None)
    story.blume("booked", filler="PS-1", settle=None)

    assert change(story.powerserver("CONFIRMED")) == rules.ANSWERED
    assert story.state == "CONFIRMED"


def test_the_first_echo_of_a_request_brings_powerserver_s_number_to_blume():
    story = Story()
    story.blume("proposed")

    first = story.powerserver("PENDING", priority=("SCHEDULED STATUS",))
    second = story.powerserver("PENDING", priority=("SCHEDULED STATUS",))

    assert change(first) == "numbered"
    assert change(second) != "numbered"


def test_the_same_bundle_twice_sends_once():
    story = Story()

    assert [change(story.blume("proposed")) for _ in range(2)] == ["request", rules.NOTHING]


def test_an_older_version_of_the_appointment_after_a_newer_one_is_stale():
    story = Story()
    story.blume("proposed")
    early = story.now
    story.powerserver("CONFIRMED")
    story.blume("cancelled")

    assert change(story.blume("booked", modified=early.isoformat())) == rules.STALE
    assert story.state == "CANCELLED"


def test_an_older_message_of_powerserver_after_a_newer_one_is_stale():
    story = Story()
    story.blume("proposed")
    early = story.now
    story.powerserver("CONFIRMED")

    assert change(story.powerserver("PENDING", said_at=early.isoformat())) == rules.STALE
    assert story.state == "CONFIRMED"


def test_what_powerserver_did_not_accept_is_sent_when_it_is_told_again():
    story = Story()

    told = [change(story.blume("proposed", settle=Event.REFUSED)), change(story.blume("proposed"))]

    assert told == ["request", "request"]


def test_another_note_alone_is_a_modification_and_leaves_the_state():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")
    story.blume("booked")

    said = story.blume("booked", other=("CT01", "another note"))

    assert (change(said), said.values["state"], story.state) == ("modify", "CONFIRMED", "CONFIRMED")


def test_the_comment_that_is_written_where_staff_want_another_time_comes_back_as_an_echo():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")
    story.powerserver("RESCHEDULE")

    assert change(story.blume("proposed", other=("CT01", "needs reschedule"))) == rules.ECHO
    assert change(story.blume("proposed", TEN, other=("CT01", "needs reschedule"))) == "reschedule"


def test_powerserver_moves_an_appointment_and_blume_s_echo_moves_nothing():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")

    moved = story.powerserver("PENDING", TEN)

    assert (change(moved), moved.values["status"]) == ("pending", "pending")
    assert change(story.blume("pending", TEN)) == rules.ECHO


def test_powerserver_s_message_waits_while_the_patient_s_change_is_on_its_way():
    story = Story()
    story.blume("proposed")
    story.blume("proposed", TEN, settle=None)

    said = story.powerserver("CONFIRMED")

    assert isinstance(said, Wait)


def test_a_confirmation_that_powerserver_sent_before_it_accepted_the_move_is_superseded():
    story = Story()
    story.blume("proposed")
    story.powerserver("CONFIRMED")
    said_at = story.now + timedelta(seconds=30)
    story.blume("proposed", TEN)

    assert change(story.powerserver("PENDING", said_at=said_at.isoformat())) == rules.SUPERSEDED
    assert story.state == "REQUESTED"


def test_a_confirmation_that_powerserver_sent_after_it_accepted_the_move_counts():
    story = Story()
    story.blume("proposed")
    story.blume("proposed", TEN)

    assert change(story.powerserver("CONFIRMED", NINE)) == "confirmed"
    assert story.state == "CONFIRMED"


def test_what_staff_did_after_powerserver_told_of_the_move_counts_though_its_answer_came_later():
    """PowerServer takes a move, then its staff cancel; its answer was lost, and the same bytes are answered later."""
    story = Story()
    story.blume("proposed")
    story.blume("proposed", TEN, settle=None)
    story.powerserver("PENDING", TEN, priority=("SCHEDULED STATUS",))
    said = story.now + timedelta(minutes=1)
    story.now = said + timedelta(minutes=1)
    story.settle(2, said_at=story.now.timestamp())

    assert change(story.powerserver("CONFIRMED", TEN, event="S15", said_at=said.isoformat())) == "cancelled"


def test_what_powerserver_told_of_the_move_is_older_than_what_it_tells_next_whenever_it_answers():
    story = Story()
    story.blume("proposed")
    story.blume("proposed", TEN)
    early = story.now - timedelta(seconds=90)
    story.memory |= {"heard": early.timestamp() - 1}

    echo = story.powerserver("PENDING", TEN, priority=("SCHEDULED STATUS",), said_at=early.isoformat())
    later = story.powerserver("CONFIRMED", TEN, said_at=(early + timedelta(seconds=5)).isoformat())

    assert (change(echo), change(later)) == ("numbered", "confirmed")


def test_what_powerserver_told_when_it_had_the_same_time_once_before_dates_nothing():
    story = Story()
    story.blume("proposed")
    first = story.now + timedelta(seconds=30)
    story.blume("proposed", TEN)
    story.blume("proposed", NINE)

    echo = story.powerserver("PENDING", priority=("SCHEDULED STATUS",), said_at=first.isoformat())
    later = story.powerserver("CONFIRMED", event="S15", said_at=(first + timedelta(seconds=5)).isoformat())

    assert (change(echo), change(later)) == ("numbered", rules.SUPERSEDED)


def test_where_powerserver_s_clock_is_not_known_the_newer_of_both_edits_counts():
    story = Story()
    story.blume("proposed")
    story.memory = {name: value for name, value in story.memory.items() if name != "accepted"}
    before = story.now - timedelta(minutes=30)

    assert change(story.powerserver("CONFIRMED", TEN, said_at=before.isoformat())) == rules.KEPT
