"""Two encodings of the same message, compared in the words of its format."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from transformers.differences import differences, moment, version, words

MSH = "MSH|^~\\&|A|B|C|D|20251120153000.123-0300||SIU^S12^SIU_S12|01ABC|P|2.5.1"


def hl7(*segments: str, header: str = MSH) -> bytes:
    return "".join(f"{segment}\r" for segment in (header, *segments)).encode()


def paths(before: bytes, after: bytes) -> list[str]:
    return [found.path for found in differences(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["PID|1||12"], ["PID|1||12"], []),
        (["PID|1||12"], ["PID|1||13"], ["PID-3"]),
        (["PID|1||12^^^A"], ["PID|1||12"], ["PID-3"]),
        (["PID|1||12^^^"], ["PID|1||12"], []),
        (["PID|1||12~13"], ["PID|1||13~12"], ["PID-3"]),
        (["PID|1||12|"], ["PID|1||12||M"], ["PID-5"]),
        (["PID|1", "AIL|1|A|R1"], ["PID|1", "AIL|1|A|R2"], ["AIL-3"]),
        (["NTE|1|a", "NTE|2|b"], ["NTE|1|a", "NTE|2|c"], ["NTE-2"]),
        (["NTE|1|a"], ["NTE|1|a", "NTE|2|b"], ["NTE"]),
        (["NTE|1|a", "PV1|1"], ["PV1|1"], ["NTE"]),
        (["PV1|1", "NTE|1|a"], ["NTE|1|a", "PV1|1"], ["order of segments"]),
        (["PID|1||A\\S\\B"], ["PID|1||A^B"], ["PID-3"]),
    ],
)
def test_hl7_messages_are_compared_field_by_field(before, after, expected):
    assert paths(hl7(*before), hl7(*after)) == expected


def test_what_the_host_writes_anew_at_every_mapping_does_not_count():
    other = MSH.replace("20251120153000.123-0300", "20251121000000.000-0300").replace("01ABC", "01XYZ")

    assert paths(hl7("PID|1"), hl7("PID|1", header=other)) == []
    assert paths(hl7("PID|1"), hl7("PID|1", header=MSH.replace("|P|", "|T|"))) == ["MSH-11"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (b'{"a": {"b": 1}}', b'{"a": {"b": 2}}', ["a.b"]),
        (b'{"a": [1, 2]}', b'{"a": [1, 3]}', ["a"]),
        (b'{"a": [{"b": 1}]}', b'{"a": [{"b": 1}, {"b": 2}]}', ["a"]),
        (b'{"a": 1, "c": 2}', b'{"a": 1}', ["c"]),
        (b"%PDF-1", b"%PDF-2", ["bytes"]),
        (b"MSH|", b"MSH|^~\\&|A", ["bytes"]),
    ],
)
def test_other_formats_are_compared_too(before, after, expected):
    assert paths(before, after) == expected


def test_a_difference_does_not_print_its_values():
    found = differences(hl7("PID|1||SECRET"), hl7("PID|1||OTHER"))[0]

    assert (found.before, found.after) == ("SECRET", "OTHER")
    assert "SECRET" not in repr(found)
    assert "OTHER" not in repr(found)


def test_a_field_is_named_in_the_words_of_hl7():
    assert words("PID-8", "2.5.1") == "PID-8 Administrative Sex"
    assert words("AIL-3", "2.5.1") == "AIL-3 Location Resource ID"
    assert words("ZPI-3", "2.5.1") == "ZPI-3"
    assert words("index accession", "2.5.1") == "index accession"


def test_the_moment_of_a_message_is_its_msh_7_to_the_millisecond():
    expected = datetime(2025, 11, 20, 15, 30, 0, 123000, timezone(timedelta(hours=-3)))

    assert moment(hl7("PID|1")) == expected
    assert moment(hl7("PID|1")).astimezone(UTC).hour == 18
    assert moment(b"{}") is None
    assert moment(b"MSH|^~\\&|A\r") is None
    assert version(hl7()) == "2.5.1"
