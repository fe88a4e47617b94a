"""Paths of HL7: what the specification writes is read, and every mistake is told in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers import hl7_path
from transformers.hl7_path import HL7Block, HL7Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PID-3", HL7Path("PID", 3)),
        ("SCH-11.6", HL7Path("SCH", 11, component=6)),
        ("PID-3[2].1", HL7Path("PID", 3, 2, 1)),
        ("PID-3[2].1.2", HL7Path("PID", 3, 2, 1, 2)),
        ("PID-3.4.2", HL7Path("PID", 3, None, 4, 2)),
        ("ZDS-1", HL7Path("ZDS", 1)),
        ("PV1-19", HL7Path("PV1", 19)),
    ],
)
def test_a_path_is_read_and_written_as_the_specification_has_it(text, expected):
    assert hl7_path.parse(text) == expected
    assert str(expected) == text


numbers = st.integers(1, 999)


@given(st.from_regex(r"[A-Z][A-Z0-9]{2}", fullmatch=True), numbers, st.none() | numbers, st.none() | numbers, numbers)
def test_every_path_comes_back(segment, field, repetition, component, subcomponent):
    path = HL7Path(segment, field, repetition, component, subcomponent if component else None)

    assert hl7_path.parse(str(path)) == path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("PID3", "'PID3' lacks the hyphen between segment and field. Did you mean 'PID-3'?"),
        ("PID.3", "'PID.3' lacks the hyphen between segment and field. Did you mean 'PID-3'?"),
        ("PID-0", "'PID-0' counts from 0: fields, repetitions and components count from 1"),
        ("PID-3[0]", "'PID-3[0]' counts from 0: fields, repetitions and components count from 1"),
        ("PID-3.0", "'PID-3.0' counts from 0: fields, repetitions and components count from 1"),
        ("pid-3", "'pid-3' must begin with a segment name in capitals. Did you mean 'PID-3'?"),
        ("pid.3.1", "'pid.3.1' must begin with a segment name in capitals. Did you mean 'PID-3.1'?"),
        (" PID-3", "' PID-3' has a space in it. Did you mean 'PID-3'?"),
        ("PID", "'PID' is a whole segment: a field is missing, as in PID-3"),
        ("PID-3-1", "'PID-3-1' has a hyphen between field and component: there stands a dot. Did you mean 'PID-3.1'?"),
        (
            "PID-3.1[2]",
            "'PID-3.1[2]' has its repetition behind the component, not behind the field. Did you mean 'PID-3[2].1'?",
        ),
        ("PID-3[]", "'PID-3[]' is the key of a repeating field, not of one value; one repetition is written PID-3[2]"),
        ("PID-3.1.2.3", "'PID-3.1.2.3' goes deeper than a subcomponent (SEG-field.component.subcomponent)"),
        ("PATIENT-3", "'PATIENT-3' does not begin with a segment name of three characters, as PID-3 does"),
        ("", "'' does not begin with a segment name of three characters, as PID-3 does"),
        (
            "PID-3[2",
            "'PID-3[2' is no HL7 path: write SEG-field, SEG-field.component or SEG-field[repetition].component",
        ),
    ],
)
def test_a_mistake_is_told_in_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=r".") as refused:
        hl7_path.parse(text)

    assert str(refused.value) == sentence


@given(st.text(max_size=12) | st.from_regex(r"[A-Za-z]{3}[-.]?[0-9\[\].-]{0,8}", fullmatch=True))
def test_any_text_is_a_path_or_a_sentence(text):
    try:
        assert str(hl7_path.parse(text)) == text
    except ValueError as refused:
        assert str(refused).startswith(f"'{text}' ")  # noqa: PT017 - the same in a loop over many


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NTE[]", HL7Block("NTE", repeats=True)),
        ("PID-3[]", HL7Block("PID", 3, repeats=True)),
        ("RESOURCES[]", HL7Block("RESOURCES", repeats=True)),
        ("PATIENT", HL7Block("PATIENT")),
        ("TQ1", HL7Block("TQ1")),
    ],
)
def test_the_key_of_a_block_is_read_and_written(text, expected):
    assert hl7_path.parse_block(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["PID-3", "nte[]", "NTE[2]", "PID-3.1[]", "", "RESOURCES[]x"])
def test_what_is_no_block_is_told(text):
    with pytest.raises(ValueError, match="names no segment, group or repeating field"):
        hl7_path.parse_block(text)
