"""ER7: what is written can be read again, and nothing in a value can pass for a separator, a segment or a frame."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.problem import Problems
from transformers import er7
from transformers.character_sets import codec

HL7 = Path(__file__).parent / "hl7"
MSH = "MSH|^~\\&|BLUME|||||||A1|P|2.5.1||||||UNICODE UTF-8\r"


def header(charset="UNICODE UTF-8", version="2.5.1"):
    fields = [[] for _ in range(15)] + [[[[charset]]] if charset else []]
    fields[9] = [[[version]]]
    return ["MSH", "|", "^~\\&", *fields]


def message(field, charset="UNICODE UTF-8"):
    return [header(charset), ["NTE", [[["1"]]], [], field]]


def written(field, charset="UNICODE UTF-8"):
    """The bytes of one field."""
    return er7.encode(message(field, charset)).split(b"NTE|1||")[1].removesuffix(b"\r")


def read(text, start=MSH):
    """The field NTE-3 of a message with that text."""
    return er7.parse((start + "NTE|1||" + text + "\r").encode()).segments[1][3]


# ------------------------------------------------------------------------------------------------- there and back

line_breaks = st.sampled_from(["\r\n", "\r", "\n"])
anything = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("|^~\\&\r\n\x0b\x1cEFSTRX.b"))
leaves = anything | line_breaks


def as_read(text):
    """Line breaks read as newlines, and text is in Unicode's normal form C."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


@given(leaves)
def test_whatever_a_value_holds_it_is_read_as_it_was_written(text):
    field = er7.parse(er7.encode(message([[[text]]]))).segments[1][3:]
    expected = as_read(text)

    assert ([[[[expected]]]] if expected else []) == field


@given(st.lists(st.lists(st.lists(leaves, min_size=1, max_size=3), min_size=1, max_size=4), min_size=1, max_size=3))
def test_repetitions_components_and_subcomponents_keep_their_places(field):
    segments = er7.parse(er7.encode(message(field))).segments

    def at(value, *indices):
        for index in indices:
            value = value[index] if index < len(value) else ""
        return value

    for r, repetition in enumerate(field):
        for c, component in enumerate(repetition):
            for s, leaf in enumerate(component):
                assert as_read(leaf) == at(segments[1], 3, r, c, s)


@given(leaves)
def test_no_separator_and_no_frame_byte_ever_comes_from_a_value(text):
    data = written([[["x" + text]]])

    assert not set(b"|^~&\r\n\x0b\x1c") & set(data)


@given(st.lists(leaves, max_size=8))
def test_a_value_never_makes_a_segment(texts):
    data = er7.encode([header(), *(["NTE", [[[text]]]] for text in texts)])

    assert 1 + len(texts) == data.count(b"\r")
    assert data.endswith(b"\r")


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_bytes_of_any_kind_are_read_or_refused_with_problems(data):
    for start in (b"", MSH.encode(), b"MSH|^~\\&|\r", b"MSH#@!%$#\r"):
        try:
            segments = er7.parse(start + data).segments
        except Problems:
            continue
        assert segments[0][0] == "MSH"


@pytest.mark.parametrize("path", sorted(HL7.glob("*.hl7")), ids=lambda path: path.stem)
def test_the_worked_messages_come_back_byte_for_byte(path):
    data = path.read_bytes()
    parsed = er7.parse(data)

    assert data == er7.encode(parsed.segments)
    assert parsed.warnings == ()


# ------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ([[["A & B | C ^ D ~ E \\"]]], rb"A \T\ B \F\ C \S\ D \R\ E \E" + b"\\"),
        ([[["one\ntwo\r\nthree\rfour"]]], rb"one\.br\two\.br\three\.br\four"),
        ([[["\x0b\x1c\x00\x7f\t"]]], b"\\X0B\\\\X1C\\\\X00\\\\X7F\\\t"),
        ([[["a"], [""], ["c"], [""]]], b"a^^c"),
        ([[["a", "", "c", ""]]], b"a&&c"),
        ([[["a"]], [[""]], [["c"]], [[""]]], b"a~~c"),
        ([[["a", ""], ["", ""]], [["", "b"], [""]]], b"a~&b"),
        ([[['""']]], b'""'),
        ([[["Sa\u0303o"]]], "São".encode()),
        ([[[r"already \.br\ escaped"]]], rb"already \E\.br\E\ escaped"),
    ],
)
def test_a_field_is_written_escaped_once_and_trimmed(field, expected):
    assert expected == written(field)


def test_trailing_empty_fields_are_not_written():
    assert er7.encode([header(), ["PID", [], [[["1"]]], [], [[[""]]]]]).endswith(b"\rPID||1\r")


@pytest.mark.parametrize(("charset", "expected"), [("8859/1", b"S\xe3o"), ("UNICODE UTF-8", b"S\xc3\xa3o")])
def test_the_bytes_are_in_the_character_set_that_msh_18_names(charset, expected):
    assert expected == written([[["São"]]], charset)


@pytest.mark.parametrize(
    ("charset", "text", "place"),
    [("8859/1", "日本", "NTE-3"), ("", "São", "NTE-3"), ("EBCDIC", "x", "MSH-18"), ("UNICODE UTF-16", "x", "MSH-18")],
)
def test_what_cannot_be_written_is_refused_by_place_and_never_replaced(charset, text, place):
    with pytest.raises(Problems) as refused:
        er7.encode(message([[["x"]], [[text]]], charset))

    assert [place] == [problem.expression for problem in refused.value.problems]
    assert text not in str(refused.value) or text == "x"
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_a_character_in_msh_is_named_by_its_own_number():
    segments = message([[["x"]]], "ASCII")
    segments[0][4] = [[["Clínica"]]]
    with pytest.raises(Problems, match="MSH-4"):
        er7.encode(segments)


def test_the_separators_of_the_message_are_the_ones_written():
    segments = [["MSH", "#", "@!%$", [], [[["a@b"]]]], ["NTE", [[["1|2#3"], ["4"]]]]]

    assert er7.encode(segments, "ASCII") == rb"MSH#@!%$##a%S%b" + b"\r" + rb"NTE#1|2%F%3@4" + b"\r"


# ------------------------------------------------------------------------------------------------------- reading


def test_msh_is_numbered_as_the_standard_numbers_it():
    msh = er7.parse(MSH.encode()).segments[0]

    assert (msh[1], msh[2], msh[3], msh[10]) == ("|", "^~\\&", [[["BLUME"]]], [[["A1"]]])


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", "\r\n\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\r\n"])
def test_any_line_ending_blank_lines_and_a_byte_order_mark_are_taken(ending, start):
    data = (start + MSH.replace("\r", ending) + "PID|1" + ending + "ZPS|x").encode()
    names = [segment[0] for segment in er7.parse(data).segments]

    assert names == ["MSH", "PID", "ZPS"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\F\\S\\T\\R\\E" + "\\", "|^&~\\"),
        (r"a\.br\b", "a\nb"),
        (r"a\X0D\b\X0A\c\X0D0A\d", "a\nb\nc\nd"),
        (r"\XC3A3" + "\\", "ã"),
        (r"\XFF" + "\\", r"\XFF" + "\\"),
        (r"\\server\share", r"\\server\share"),
        (r"C:\dir", r"C:\dir"),
        ("ends in \\", "ends in \\"),
        (r"\Q\ stays", r"\Q\ stays"),
        (r"\H\F\N" + "\\", r"\H\F\N" + "\\"),
        (r"\.sp 2\\.in+4\\Z12\\C1234\\M123456" + "\\", r"\.sp 2\\.in+4\\Z12\\C1234\\M123456" + "\\"),
        (r"\temp\F" + "\\", r"\temp|"),
        ('""', '""'),
    ],
)
def test_escape_sequences_are_undone_and_everything_else_is_kept_letter_by_letter(text, expected):
    assert [[[expected]]] == read(text)


def test_a_fifth_encoding_character_before_2_7_is_ignored_with_a_warning():
    parsed = er7.parse(b"MSH|^~\\&#|BLUME|||||||A1|P|2.5.1\rNTE|1||a#b\\P\\\r")

    assert parsed.segments[1][3] == [[["a#b\\P\\"]]]
    assert parsed.segments[0][2] == "^~\\&"
    assert [warning.expression for warning in parsed.warnings] == ["MSH-2"]


def test_a_fifth_encoding_character_of_2_7_is_the_truncation_character():
    parsed = er7.parse(b"MSH|^~\\&#|BLUME|||||||A1|P|2.7\rNTE|1||a\\P\\b\r")

    assert parsed.segments[1][3] == [[["a#b"]]]
    assert parsed.warnings == ()
    assert b"a\\P\\b" in er7.encode(parsed.segments)


def test_a_raw_line_break_inside_a_field_is_kept_with_a_warning():
    parsed = er7.parse((MSH + "NTE|1||first\nsecond line\r\nthird\rPID|1\r").encode())

    assert parsed.segments[1][3] == [[["first\nsecond line\nthird"]]]
    assert [segment[0] for segment in parsed.segments] == ["MSH", "NTE", "PID"]
    assert [warning.code for warning in parsed.warnings] == ["HL7_LINE_BREAK"]


@pytest.mark.parametrize("filler", ["OBX|1|TX|1^note||text||||||F\r", "|", "^", "a\r\n", "~&"])
def test_a_message_of_more_parts_than_memory_is_for_is_refused_at_once(filler):
    with pytest.raises(Problems, match="HL7_TOO_LARGE the message has more than 150,000 segments, fields and comp"):
        er7.parse((MSH + "NTE|1||" + filler * 260_000).encode())


def test_a_report_of_ten_thousand_lines_is_read():
    line = "OBX|1|TX|1^note||text||||||F\r"

    assert len(er7.parse((MSH + line * 10_000).encode()).segments) == 10_001


@pytest.mark.parametrize(
    ("declared", "text", "encoded_in", "read_in", "warned"),
    [
        ("UNICODE UTF-8", "São", "utf-8", "utf-8", False),
        ("utf8", "São", "utf-8", "utf-8", False),
        ("8859/1", "São", "latin-1", "iso8859-1", False),
        ("ISO-8859-1", "São", "latin-1", "iso8859-1", False),
        ("", "Sao", "ascii", "ascii", False),
        ("", "São", "utf-8", "utf-8", True),
        ("", "São", "latin-1", "cp1252", True),
        ("UNICODE UTF-8", "São", "latin-1", "cp1252", True),
        ("EBCDIC", "São", "utf-8", "utf-8", True),
    ],
)
def test_a_message_is_read_in_the_declared_set_else_utf_8_else_cp1252(declared, text, encoded_in, read_in, warned):
    start = MSH.replace("UNICODE UTF-8", declared)
    parsed = er7.parse((start + "NTE|1||").encode() + text.encode(encoded_in) + b"\r")

    assert (text, read_in) == (parsed.segments[1][3][0][0][0], parsed.charset)
    assert warned == bool(parsed.warnings)
    assert not any(text in str(warning) for warning in parsed.warnings)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PID|1\r",
        b"MSH",
        b"MSH|^~\\|x|\r",
        b"MSH|^^^^|x|\r",
        b"MSH|abcd|x|\r",
        b"MSH|^~\\&#!|x|\r",
        b"{}\r\n\r\n\r\n",
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(Problems) as refused:
        er7.parse(data)

    assert [problem.code for problem in refused.value.problems] == ["HL7_INVALID"]


def test_the_names_of_character_sets_in_the_standard_are_known():
    assert {"ascii", "iso8859-15", "utf-8"} == {codec(name) for name in ("ASCII", "8859/15", "UNICODE UTF-8")}
