"""HL7 messages become changes of a FHIR server: null and empty, times, repeats, groups, what is missing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from messages.problem import Problems
from transformers import er7
from transformers.base import Filtered, Given
from transformers.hl7_mapping_examples import changed
from transformers.hl7_to_fhir import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site

SITE = Path(__file__).parent / "hl7_mapping_site"
BOOK = er7.parse((SITE / "samples/book.hl7").read_bytes()).segments
GIVEN = Given(now=datetime(2025, 11, 20, tzinfo=UTC), control_id="1", destination="blume")


@pytest.fixture(scope="module")
def transformer():
    return compile_plan(check_mapping(SITE / "base.yaml", load_site(SITE, {})).plan)


def send(transformer, changes):
    segments = BOOK
    for path, value in changes.items():
        segments = changed(segments, path, value)
    document = transformer.check(er7.encode(segments))
    assert transformer.admit(document)
    result = transformer.transform(document, GIVEN)
    return result if isinstance(result, Filtered) else json.loads(result.encoded)


def codes(transformer, changes):
    with pytest.raises(Problems) as found:
        send(transformer, changes)
    return [(problem.code, problem.text) for problem in found.value.problems]


def test_the_change_finds_the_appointment_by_its_identifier(transformer):
    envelope = send(transformer, {})

    assert envelope["find"] == [{"identifier": {"system": "urn:ps", "value": "PS-4712"}}]
    assert (envelope["method"], envelope["path"], envelope["missing"]) == ("PUT", "Appointment", "create")
    assert envelope["join"] == {"identifier": ["system", "value"]}
    assert envelope["only_if"] == {"status": ["proposed", "pending"]}


def test_the_sender_understands_the_change(transformer):
    from connectors.fhir_envelope import read_envelope

    assert read_envelope(json.dumps(send(transformer, {})).encode()).type == "Appointment"


def test_null_removes_an_element_and_empty_leaves_it(transformer):
    assert send(transformer, {"NTE-3": '""'})["body"]["comment"] is None
    assert "comment" not in send(transformer, {"NTE-3": None})["body"]


def test_null_inside_a_coded_value_is_no_text(transformer):
    assert "display" not in send(transformer, {"AIS-3.2": '""'})["body"]["serviceType"][0]["coding"][0]


def test_a_required_element_cannot_be_removed(transformer):
    assert ("E301", "Appointment.status is required: %state gave nothing") in codes(transformer, {"SCH-25.4": '""'})


@pytest.mark.parametrize(
    ("time", "instant"),
    [
        ("20251201090000-0300", "2025-12-01T09:00:00-03:00"),
        ("202507011200", "2025-07-01T12:00:00-04:00"),
        ("20251201090000.25", "2025-12-01T09:00:00.250-05:00"),
        ("20251102013000", "2025-11-02T01:30:00-04:00"),  # shown twice: the earlier one
    ],
)
def test_a_time_is_an_instant_in_the_facility_s_zone(transformer, time, instant):
    assert send(transformer, {"AIS-4": time})["body"]["start"] == instant


@pytest.mark.parametrize(
    ("time", "code", "text"),
    [
        ("20250309023000", "TIME_NONEXISTENT", "the clocks of the zone skip this local time, and no offset is given"),
        ("20251201", "E304", "the value has no time of day"),
        ("20251301090000", "E304", "the calendar has no such time"),
        ("202512012400", "E304", "the calendar has no such time"),
        ("20251201090060", "E304", "the calendar has no such time"),
        ("tomorrow", "E304", "the value is no HL7 time (YYYYMMDDHHMMSS+ZZZZ)"),
    ],
)
def test_a_time_that_is_none_is_told(transformer, time, code, text):
    assert (code, f"Appointment.start: as: instant of AIS-4, TQ1-7: {text}") in codes(transformer, {"AIS-4": time})


def test_an_hour_across_a_change_of_the_clocks_is_an_hour(transformer):
    body = send(transformer, {"AIS-4": "20251102013000-0400"})["body"]

    assert (body["start"], body["end"]) == ("2025-11-02T01:30:00-04:00", "2025-11-02T01:30:00-05:00")


@pytest.mark.parametrize(
    ("number", "unit", "minutes"), [("60", "min", 60), ("1", "h", 60), ("90", "s", 2), ("5", None, 5)]
)
def test_a_duration_is_in_minutes(transformer, number, unit, minutes):
    assert send(transformer, {"AIS-7": number, "AIS-8.1": unit})["body"]["minutesDuration"] == minutes


def test_a_unit_that_is_not_known_is_told(transformer):
    assert ("E304", "minutes: as: minutes of AIS-7: the unit is none of min, s and h") in codes(
        transformer, {"AIS-8.1": "d"}
    )


def test_an_authority_that_is_not_in_the_table_is_told(transformer):
    assert ("E303", "filler: SCH-2: the identifier's authority is not in the table authorities") in codes(
        transformer, {"SCH-2": "PS-1^OTHER"}
    )


def test_a_code_without_a_row_is_told_without_its_value(transformer):
    found = codes(transformer, {"SCH-25.4": "SECRET"})

    assert found[0][0] == "E303"
    assert "SECRET" not in str(found)


def test_the_universal_id_of_an_authority_counts_before_its_name(transformer):
    patient = send(transformer, {"PID-3": "77^^^PS&2.25.2001&ISO"})["body"]["participant"][0]["actor"]

    assert patient["identifier"]["system"] == "urn:mrn"


def test_a_participant_is_made_of_each_aig(transformer):
    segments = [*BOOK, ["AIG", [[["2"]]], [], [[["MR"], ["BLUME MR"]]]]]
    document = transformer.check(er7.encode(segments))
    body = json.loads(transformer.transform(document, GIVEN).encoded)["body"]

    assert [one["actor"].get("display") for one in body["participant"]] == [None, "BLUME CT", "BLUME MR"]


def test_lines_of_notes_are_joined(transformer):
    segments = [*BOOK[:4], ["NTE", [[["2"]]], [], [[["second"]]]], *BOOK[4:]]
    document = transformer.check(er7.encode(segments))

    comment = json.loads(transformer.transform(document, GIVEN).encoded)["body"]["comment"]

    assert comment == "Dor de cabeça há 3 dias\nsecond"


def test_the_note_of_a_service_is_not_the_appointment_s(transformer):
    segments = [one for one in BOOK if one[0] != "NTE"]
    segments.insert(-2, ["NTE", [[["1"]]], [], [[["of the service"]]]])
    document = transformer.check(er7.encode(segments))

    assert "comment" not in json.loads(transformer.transform(document, GIVEN).encoded)["body"]


def test_a_cancellation_changes_what_is_there_and_need_not_be_whole(transformer):
    envelope = send(transformer, {"MSH-9.2": "S15", "AIG": None, "AIL": None, "AIS": None, "TQ1": None})

    assert (envelope["missing"], envelope["body"]["status"]) == ("refuse", "cancelled")
    assert envelope["body"]["cancelationReason"]["coding"][0]["code"] == "prov"


def test_a_message_of_another_event_is_not_for_this_channel(transformer):
    assert transformer.admit(transformer.check(er7.encode(changed(BOOK, "MSH-9.2", "S16")))) == []


@pytest.mark.parametrize(
    ("path", "expression"), [("MSH-9", "MSH-9"), ("MSH-10", "MSH-10"), ("MSH-12", "MSH-12"), ("SCH", "SCH")]
)
def test_a_message_without_what_every_message_has_is_refused(transformer, path, expression):
    with pytest.raises(Problems) as found:
        transformer.check(er7.encode(changed(BOOK, path, None)))

    assert [(one.code, one.expression) for one in found.value.problems] == [("HL7_INVALID", expression)]


def test_a_message_without_its_ordering_key_is_refused(transformer):
    with pytest.raises(Problems, match="the ordering key is empty"):
        transformer.admit(changed(BOOK, "PID-3", None))


def test_the_identity_is_the_sender_s(transformer):
    (admission,) = transformer.admit(BOOK)

    assert admission.identity == "POWERSERVER|BLUME TEST|P0000000000000000001"


def test_the_same_message_gives_the_same_bytes(transformer):
    assert transformer.transform(BOOK, GIVEN).encoded == transformer.transform(BOOK, GIVEN).encoded


def test_the_worker_needs_none_of_the_check_s_libraries():
    import subprocess
    import sys

    heavy = "ruamel pydantic antlr4 hl7apy fhirpathpy"
    code = f"import sys, transformers.hl7_to_fhir; print([m for m in '{heavy}'.split() if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


DOOR = """route:
  - { when: { NTE-3: stop, SCH-25.4: CONFIRMED }, error: not now, code: CLOSED, at: door }
  - { when: { NTE-3: stop }, error: never, at: door }
"""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"NTE-3": "stop", "SCH-25.4": "CONFIRMED"}, [("CLOSED", "not now", "NTE-3"), ("E308", "never", "NTE-3")]),
        ({"NTE-3": "stop", "SCH-25.4": "ARRIVED"}, [("E308", "never", "NTE-3")]),
        ({"NTE-3": "go"}, []),
    ],
)
def test_a_line_of_the_route_that_is_asked_at_the_door_refuses_there_and_all_of_them_are_told(tmp_path, changes, told):
    path = tmp_path / "m.yaml"
    path.write_text((SITE / "base.yaml").read_text().replace("route:\n", DOOR))
    checked = check_mapping(path, load_site(SITE, {}), "m.yaml")
    strict, segments = compile_plan(json.loads(json.dumps(checked.plan))), BOOK
    for place, value in changes.items():
        segments = changed(segments, place, value)

    refused = strict.refusals(strict.check(er7.encode(segments)), None, GIVEN.now)

    assert [(problem.code, problem.text, problem.expression) for problem in refused] == told
    assert {problem.issue_type for problem in refused} <= {"business-rule"}
