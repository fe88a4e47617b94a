"""What integrations of this kind trip over, and the tests that show that this one does not.

Traps 3 to 7 and 10 to 13 of those that are known of PowerServer, OmegaAI and the engines between them.
"""

import re

import pytest

from simulators.powerserver import PowerServer
from tests.cli.console_script import ROOT, SAMPLE, RunningHost

FILES = sorted((ROOT / "tests").rglob("test_*.py"))

TRAPS = {
    "3: an acknowledgement after its time-out, while the next message waits": [
        "test_a_late_answer_to_one_message_is_never_credited_to_the_next",
    ],
    "4: what is tried again, when, and what never is": [
        "test_an_ar_is_tried_again_only_where_its_text_is_listed",
        "test_a_delivery_ends_as_powerserver_says",
        "test_each_answer_to_a_write_has_one_meaning_and_is_asked_for_once",
    ],
    "5: killed between the write to the socket and the acknowledgement": [
        "test_lanes_that_are_killed_before_any_of_their_calls_lose_nothing_and_repeat_at_most_once",
        "test_an_interrupted_send_is_sent_again_with_the_same_bytes",
        "test_held_when_unanswered_where_the_mapping_says_so",
    ],
    "6: a C-STORE with a transfer syntax that is not taken, and an association that ends mid-way": [
        "test_no_response_is_never_success",
        "test_a_line_that_is_cut_at_any_pdu_of_an_instance_leaves_it_there_once_and_whole",
        "test_several_classes_and_syntaxes_go_over_as_many_associations_as_they_need",
    ],
    "7: the same Bundle twice, an older version after a newer one, cancelled and then a late booked": [
        "test_the_same_bundle_twice_sends_once",
        "test_an_older_version_of_the_appointment_after_a_newer_one_is_stale",
        "test_what_was_cancelled_is_not_asked_for_again_by_the_same_appointment",
    ],
    "10: two appointments of one patient keep their order, and one stuck patient holds up nobody else": [
        "test_messages_of_one_patient_never_overtake_each_other",
        "test_one_stuck_patient_does_not_hold_up_the_others",
    ],
    "11: João in UTF-8 and in Latin-1, there and back": [
        "test_a_note_arrives_letter_by_letter",
    ],
    "12: PowerServer tells what this host has brought, and Blume what this host has written": [
        "test_what_powerserver_tells_because_the_patient_confirmed_is_an_echo",
        "test_what_blume_tells_because_this_host_wrote_it_is_an_echo",
        "test_what_powerserver_tells_because_the_patient_confirmed_is_no_second_change_of_blume",
    ],
    "13: a booking that is older than two days is tried again": [
        "test_a_booking_that_is_too_old_by_now_is_not_sent_again_and_it_is_said",
        "test_an_appointment_may_have_started_two_days_ago_and_no_longer",
    ],
}


@pytest.fixture(scope="module")
def there():
    """The names of all tests, in whatever file they stand."""
    return set(re.findall(r"^def (test_\w+)\(", "\n".join(path.read_text("utf-8") for path in FILES), re.MULTILINE))


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_has_its_tests(trap, there):
    assert [name for name in TRAPS[trap] if name not in there] == []


def test_a_booking_that_is_too_old_by_now_is_not_sent_again_and_it_is_said(tmp_path):
    data = tmp_path / "data"
    with PowerServer(["AR", "accept", "accept"]) as powerserver:
        with RunningHost(data, powerserver.port, env={"APPOINTMENT_PAST_WINDOW": "36500 days"}) as host:
            message = host.book(SAMPLE.read_bytes())
            host.wait_for_status(message, "ERROR")
        with RunningHost(data, powerserver.port, env={"APPOINTMENT_PAST_WINDOW": "2 days"}) as host:
            would = host.command("messages", "would", message, "--json").json["deliveries"]
            retried = host.command("messages", "retry", message)
            shown = host.wait_for_event(message, "overdue")
            anew = host.command("messages", "reprocess", message)
            parked = host.wait_for_event(message, "unmappable")
            (gap,) = host.command("appointment", "show", "appt-77", "--json").json["appointments"][0]["gaps"]
            received = len(powerserver.received)

    assert (would[0]["becomes"], "TIME_INVALID" in would[0]["cause"]) == ("parked", True)
    assert (retried.code, anew.code, received) == (0, 0, 1)
    assert "today it would not be taken: TIME_INVALID" in shown
    assert "TIME_INVALID" in parked
    assert gap["what"] == "parked"
