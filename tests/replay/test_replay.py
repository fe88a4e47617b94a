"""`plugin-host replay`: stored messages through a changed file, compared with what was sent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from host import command_replay
from host.replaying import Trial
from host.site import check_files, read_site
from messages.problem import Problems
from store import history
from tests.replay.kit import CHANNEL, bundle

ROOM = ('AIL-3.2: { from: "%service.name", table: resources.room }', "AIL-3.2: { value: ROOM 9 }")
GENDER = ("{ male: M, female: F, other: O, unknown: U }", "{ male: M, female: W, other: O, unknown: U }")


def test_the_file_that_runs_gives_the_same_messages(running):
    running.deliver(*(bundle(number) for number in range(1, 8)))
    result = running.command("replay", CHANNEL, "--with", running.mapping)

    assert result.out == "7 messages: 7 same, 0 differ, 0 new errors\n"
    assert result.code == 0


def test_a_changed_field_is_named_and_counted(running):
    running.deliver(*(bundle(number) for number in range(1, 8)))
    result = running.command("replay", CHANNEL, "--with", running.changed(ROOM))

    first, second = result.out.splitlines()
    assert first == "7 messages: 0 same, 7 differ, all in AIL-3, 0 new errors"
    assert second.split("(")[0].split() == ["7", "AIL-3", "Location", "Resource", "ID"]
    assert result.code == 1


def test_only_the_messages_concerned_differ(running):
    ids = running.deliver(*(bundle(number) for number in range(1, 6)))
    result = running.command("replay", CHANNEL, "--with", running.changed(GENDER), "--json").json

    assert result["sentence"] == "5 messages: 4 same, 1 differ, all in PID-8, 0 new errors"
    assert result["fields"] == [
        {"path": "PID-8", "name": "PID-8 Administrative Sex", "deliveries": 1, "such_as": [ids[0]]}
    ]
    assert [one["message"] for one in result["differing"]] == [ids[0]]


def test_nothing_of_a_patient_is_printed_or_logged_unless_asked_for(running):
    running.deliver(bundle(1))
    file = running.changed(GENDER, ROOM)
    quiet = running.command("replay", CHANNEL, "--with", file)
    as_json = running.command("replay", CHANNEL, "--with", file, "--json")
    asked = running.command("replay", CHANNEL, "--with", file, "--values")

    for word in ("BLUME CT", "ROOM 9", "12346", "Mônica"):
        assert word not in quiet.out + quiet.err + as_json.out + as_json.err
    assert "PID-8 Administrative Sex: was F, would be W" in asked.out
    line = json.loads(asked.err)
    assert (line["event"], line["channel"], line["count"]) == ("values of messages are shown", CHANNEL, 1)
    assert line["by"]
    assert "ROOM 9" not in asked.err


def stop_accepting(appointment):
    appointment["status"] = "entered-in-error"


def at_the_other_clinic(organization):
    organization["identifier"] = [{"system": "urn:omegaai:org", "value": "org-2"}]


def moved(appointment):
    appointment["meta"] = {"lastUpdated": "2099-01-01T00:00:00Z"}
    for field in ("start", "end"):
        appointment[field] = (datetime.fromisoformat(appointment[field]) + timedelta(days=7)).isoformat()


def by_a_stranger(practitioner):
    practitioner["identifier"] = [{"system": "urn:oid:2.25.9999", "value": "555"}]


CANCELS = """  - { when: "%change = 'cancel'", do: cancel }"""
FILTER_PROPOSED = (
    CANCELS,
    f"""  - {{ when: "%appt.status = 'proposed'", filter: PowerServer's own news }}
{CANCELS}""",
)
PARK_ALL = (
    CANCELS,
    f"""  - {{ when: "%appt.exists()", error: closed for the day, code: CLOSED }}
{CANCELS}""",
)
NO_KEY = ('order: ["%mrn.system", "%mrn.value"]', 'order: ["%appt.description"]')
TAKE_BOOKED = (
    "  each: Bundle.entry.resource.ofType(Appointment)",
    """  each: Bundle.entry.resource.ofType(Appointment)
  accept: "%it.status = 'booked'\"""",
)


@pytest.mark.parametrize(
    ("change", "expected", "cause"),
    [
        (FILTER_PROPOSED, "0 new errors, 2 newly filtered", "newly filtered: PowerServer's own news"),
        (PARK_ALL, "2 new errors", "newly parked: error CLOSED closed for the day"),
        (NO_KEY, "2 new errors", "newly refused: error E307"),
        (TAKE_BOOKED, "2 new errors", "newly refused: this channel would not take it"),
    ],
)
def test_what_would_become_of_messages_is_told_by_cause(running, change, expected, cause):
    running.deliver(bundle(1), bundle(2))
    result = running.command("replay", CHANNEL, "--with", running.changed(change))

    assert result.out.splitlines()[0] == f"2 messages: 0 same, 0 differ, {expected}"
    assert cause in result.out
    assert result.code == 1


def test_a_parked_message_that_would_pass_is_told_with_what_it_was_parked_for(running):
    running.deliver(bundle(1), bundle(2, Practitioner=by_a_stranger))
    table = running.folder / "tables" / "authorities.csv"
    table.write_text(table.read_text("utf-8") + "urn:oid:2.25.9999,STRANGER,2.25.9999,ISO,NPI\n", "utf-8")
    result = running.command("replay", CHANNEL, "--with", running.mapping)

    assert result.out.splitlines()[0] == "2 messages: 1 same, 0 differ, 0 new errors, 1 newly sent"
    assert "newly sent: was: error " in result.out


def test_a_rule_that_only_moved_to_another_line_makes_no_difference(running):
    running.deliver(bundle(1, Appointment=stop_accepting), bundle(2, Organization=at_the_other_clinic))
    running.deliver(bundle(2, Organization=at_the_other_clinic, Appointment=moved))
    result = running.command("replay", CHANNEL, "--with", running.changed(("\nroute:", "\n# a remark\n\nroute:")))

    assert result.out == "3 messages: 3 same, 0 differ, 0 new errors\n"
    [parked] = [reason for reason in running.reasons() if reason and "NOT_ALLOWED" in reason]
    assert f"{CHANNEL}.yaml:" in parked, "the rule's line is in the reason, and makes no difference"


def test_each_message_is_mapped_with_the_time_and_the_knowledge_of_its_day(running):
    running.deliver(bundle(1))
    running.deliver(bundle(1, Appointment=moved))
    result = running.command("replay", CHANNEL, "--with", running.mapping)

    assert result.out == "2 messages: 2 same, 0 differ, 0 new errors\n", "the first was a request, the second a move"
    payloads = [received.payload for received in running.powerserver.received]
    assert [b"SIU^S12" in payloads[0], b"SIU^S13" in payloads[1]] == [True, True]


def test_what_would_be_searchable_otherwise_is_a_difference(running):
    running.deliver(bundle(1))
    file = running.changed(('  appointment: "%booking.value"', '  appointment: "%booking.system"'))
    result = running.command("replay", CHANNEL, "--with", file)

    assert result.out.splitlines()[0] == "1 messages: 0 same, 1 differ, all in index appointment, 0 new errors"


def test_only_the_newest_and_only_those_behind_one(running):
    ids = running.deliver(*(bundle(number) for number in range(1, 6)))
    last = running.command("replay", CHANNEL, "--with", running.mapping, "--last", 2, "--json").json
    rest = running.command("replay", CHANNEL, "--with", running.mapping, "--after", ids[3].lower(), "--json").json
    none = running.command("replay", CHANNEL, "--with", running.mapping, "--since", "2099-01-01T00:00:00Z")

    assert (last["messages"], last["reached"]) == (2, ids[-1])
    assert (rest["messages"], rest["complete"]) == (1, True)
    assert none.out == "0 messages: 0 same, 0 differ, 0 new errors\n"
    assert none.code == 0


def test_without_a_file_it_is_the_channel_s_own_on_disk(running):
    running.deliver(bundle(1), bundle(2))

    assert running.command("replay", CHANNEL).out == "2 messages: 2 same, 0 differ, 0 new errors\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["appointment-to-powerservr", "--with", "{file}"], 2, "is of the channel appointment-to-powerserver"),
        ([CHANNEL, "--with", "{file}", "--destination", "powersever"], 2, "did you mean 'powerserver'?"),
        ([CHANNEL, "--with", "{file}", "--after", "01NOSUCH"], 2, "no message 01NOSUCH"),
        ([CHANNEL, "--with", "{file}", "--since", "yesterday"], 2, "is no time"),
        (["appointment-to-nowhere"], 1, "there is no file of the channel appointment-to-nowhere"),
    ],
)
def test_a_wrong_call_is_answered_with_what_is_meant(running, arguments, code, said):
    result = running.command("replay", *(word.format(file=running.mapping) for word in arguments))

    assert result.code == code
    assert said in result.err


def test_a_file_with_a_mistake_is_not_tried(running):
    result = running.command("replay", CHANNEL, "--with", running.changed(("PID-8: {", "PID-88: {")))

    assert result.code == 3
    assert "changed.yaml:" in result.err
    assert "E403" in result.err


class Interrupted(list):
    """Somebody presses Ctrl-C at the third message."""

    def __iter__(self):
        for position, number in enumerate(super().__iter__()):
            if position == 2:
                raise KeyboardInterrupt
            yield number


def test_an_interrupted_replay_says_what_it_has_and_how_to_go_on(running, capsys):
    ids = running.deliver(*(bundle(number) for number in range(1, 6)))
    [file] = check_files(read_site(running.folder), [running.mapping])
    store = running.store()
    numbers = Interrupted(history.numbers(store.connection, CHANNEL))
    code = command_replay._replay(Trial(store.connection, file), numbers, values=False, as_json=False)
    store.close()

    said = capsys.readouterr()
    assert code == 130
    assert said.out == "2 messages: 2 same, 0 differ, 0 new errors\n"
    assert said.err == f"interrupted, 3 messages are left; go on with --after {ids[1]}\n"


def test_what_the_door_refused_and_would_take_now_is_counted(running):
    with pytest.raises(Problems):
        running.deliver(bundle(1, Patient=lambda patient: patient.pop("identifier")))
    running.deliver(bundle(2))
    with pytest.raises(Problems):
        running.deliver(bundle(3, Patient=lambda patient: patient.pop("identifier")))
    file = running.changed(('order: ["%mrn.system", "%mrn.value"]', 'order: ["%booking.value"]'))
    result = running.command("replay", CHANNEL, "--with", file)

    assert result.out.splitlines()[0].endswith("0 new errors, 1 refused before and taken now")
    assert result.code == 1, "one of them came before the messages that were compared"


def test_nothing_is_sent_and_nothing_is_changed(running):
    running.deliver(bundle(1))
    before = running.command("reconcile", "--json").json
    running.command("replay", CHANNEL, "--with", running.changed(ROOM))

    assert running.command("reconcile", "--json").json == before
    assert len(running.powerserver.received) == 1
