"""Tests inside mapping files: what differs is said in HL7's words."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from transformers.mapping_check import check_mapping
from transformers.mapping_examples import change
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests, untouched

SITE = Path(__file__).parent / "mapping_site"
BASE = (SITE / "base.yaml").read_text()


def run(folder: Path, expect: str, test: str = "", now=None):
    text = BASE.replace("expect: { SCH-6: NEW }", f"expect: {expect}{test}")
    (folder / "m.yaml").write_text(text)
    checked = check_mapping(folder / "m.yaml", load_site(SITE, {}), "m.yaml")
    assert checked.plan is not None, "\n".join(map(str, checked.problems))
    (result,) = run_tests(checked, SITE, now)
    return result


def test_a_test_that_finds_what_it_expects_passes(tmp_path):
    result = run(tmp_path, "{ SCH-6: NEW, PID-5: Sousa^Ana^^^^^L, PID-3.4.2: 2.25.1, NTE-3: absent, action: request }")

    assert result.passed
    assert (result.name, str(result.place)) == ("a request", "m.yaml:45:11")


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ("{ PID-8: M }", "PID-8 Administrative Sex: expected M, got F"),
        ("{ PID-8: absent }", "PID-8 Administrative Sex: expected nothing, got F"),
        ("{ NTE-3: hello }", "NTE-3 Comment: expected hello, got nothing"),
        ("{ PID-3.4.1: CLINIC }", "PID-3.4.1 Assigning Authority: expected CLINIC, got HOSPITAL"),
        ("{ 'PID-3[2].1': '7' }", "PID-3[2].1 ID Number: expected 7, got nothing"),
        ("{ ZZZ-1: x }", "ZZZ-1: expected x, got nothing"),
        ("{ action: cancel }", "expected the action cancel, got request"),
        ("{ error: E301 }", "expected the error E301, got a message (action request)"),
        ("{ filtered: no }", "expected to be filtered (no), got a message (action request)"),
    ],
)
def test_what_differs_is_said_in_hl7_s_words(tmp_path, expect, difference):
    assert run(tmp_path, expect).differences == (difference,)


def test_all_that_differs_is_said(tmp_path):
    assert len(run(tmp_path, "{ PID-8: M, SCH-6: X, AIS-1: '2' }").differences) == 3


@pytest.mark.parametrize(
    ("changes", "expect", "differences"),
    [
        ("/entry/1/resource/name: null", "{ error: PID-5 is required }", ()),
        ("/entry/1/resource/name: null", "{ error: E301 }", ()),
        (
            "/entry/1/resource/name: null",
            "{ error: E999 }",
            ("expected the error E999, got E301 PID-5 is required: %patient.name gave nothing",),
        ),
        (
            "/entry/1/resource/name: null",
            "{ SCH-6: NEW }",
            ("expected a message, got E301 PID-5 is required: %patient.name gave nothing",),
        ),
        ("/entry/0/resource/status: bogus", "{ error: FHIR_INVALID }", ()),
        ("/entry/0/resource: { resourceType: Patient }", "{ filtered: not for this channel }", ()),
        ("/entry/1/resource/id: null", "{ error: E307 }", ()),
    ],
)
def test_a_document_is_changed_before_it_is_given(tmp_path, changes, expect, differences):
    (tmp_path / "m.yaml").write_text(
        BASE.replace("/entry/0/resource/status: booked", changes).replace("{ SCH-6: NEW }", expect)
    )
    checked = check_mapping(tmp_path / "m.yaml", load_site(SITE, {}), "m.yaml")

    (result,) = run_tests(checked, SITE)

    assert result.differences == differences


def test_a_whole_message_is_compared_but_for_its_time_and_control_id(tmp_path):
    site = tmp_path / "site"
    for name in ("site.yaml", "tables/authorities.csv", "tables/codes.csv", "samples/request.json"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text((SITE / name).read_text())
    golden = (
        "MSH|^~\\&|BLUME^2.25.1001^ISO||||19990101||SIU^S12^SIU_S12|OTHER|P|2.5.1||||||UNICODE UTF-8\r"
        "SCH|A1^HOSPITAL^2.25.1^ISO|||||NEW|||60||^^^20251201090000-0300|||||^Portal||||^Portal\r"
        "PID|||1^^^HOSPITAL&2.25.1&ISO^MR||Sousa^Ana^^^^^L|||F\r"
        "RGS|1|A\r"
        "AIS|1||CTHEAD\r"
    )
    text = BASE.replace("{ SCH-6: NEW }", "{ message: samples/golden.hl7 }")
    (site / "m.yaml").write_text(text)

    def differences(message: str):
        (site / "samples/golden.hl7").write_bytes(message.encode())
        (result,) = run_tests(check_mapping(site / "m.yaml", load_site(site, {})), site)
        return result.differences

    assert differences(golden) == ()
    assert differences(golden.replace("|||F\r", "|||M\r")) == ("PID-8 Administrative Sex: expected M, got F",)
    assert differences(golden.replace("RGS|1|A\r", "")) == (
        "expected the segments MSH SCH PID AIS, got MSH SCH PID RGS AIS",
    )


def test_the_clock_of_a_test_is_its_own_or_the_caller_s(tmp_path):
    assert run(tmp_path, "{ MSH-7: 20251120153000.000-0300 }").passed

    text = BASE.replace("    now: 2025-11-20T15:30:00-03:00\n", "")
    (tmp_path / "m.yaml").write_text(text.replace("{ SCH-6: NEW }", "{ MSH-7: 20240101090000.000-0300 }"))
    checked = check_mapping(tmp_path / "m.yaml", load_site(SITE, {}), "m.yaml")
    assert run_tests(checked, SITE, datetime(2024, 1, 1, 12, tzinfo=UTC))[0].passed


def test_rules_that_no_test_touches_are_named(tmp_path):
    (tmp_path / "m.yaml").write_text(BASE)
    checked = check_mapping(tmp_path / "m.yaml", load_site(SITE, {}), "m.yaml")

    lines = [place.rsplit(":", 2)[1] for place in untouched(checked.plan, run_tests(checked, SITE))]

    assert [BASE.splitlines()[int(line) - 1].strip() for line in lines] == [
        "- { when: \"%appt.status = 'cancelled'\", do: cancel }",
        'SCH-6: { request: NEW, cancel: { from: "%appt.description", default: CANCELLED } }',
        "RGS-2: { request: A, cancel: D }",
    ]


def test_a_mapping_with_mistakes_has_no_tests_to_run(tmp_path):
    (tmp_path / "m.yaml").write_text(BASE.replace("endpoint.app", "endpoint.no"))

    assert run_tests(check_mapping(tmp_path / "m.yaml", load_site(SITE, {})), SITE) == []


def test_a_change_follows_json_pointer():
    document = {"a": [1, {"b/c": 2, "d~e": 3}]}

    assert change(document, "/a/1/b~1c", 9) == {"a": [1, {"b/c": 9, "d~e": 3}]}
    assert change(document, "/a/1/d~0e", None) == {"a": [1, {"b/c": 2}]}
    assert change(document, "/a/-", 5) == {"a": [1, {"b/c": 2, "d~e": 3}, 5]}
    assert change(document, "/a/0", None) == {"a": [{"b/c": 2, "d~e": 3}]}
    assert document == {"a": [1, {"b/c": 2, "d~e": 3}]}


@pytest.mark.parametrize(
    ("pointer", "value", "told"),
    [
        ("a/0", 1, "'a/0' is no JSON Pointer: it begins with /, such as /entry/0/resource/status"),
        ("/a/7", 1, "/a/7 is not there: the list has 1 entries, from 0"),
        ("/x/y", 1, "/x is not there"),
        ("/x", None, "/x is not there, so it cannot be removed"),
        ("/a/0/x", 1, "/a/0/x leads into a single value"),
    ],
)
def test_a_change_that_leads_nowhere_says_where_it_stops(pointer, value, told):
    with pytest.raises(ValueError, match="^" + told.replace("(", "\\(") + "$"):
        change({"a": [1]}, pointer, value)
