"""The rules of a structure hold for the worked messages, and every planted fault is named by its place.

hl7apy's strict validation is the oracle where it can see: the faults are marked `both`, those only we see `ours`.
"""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from transformers import er7, hl7_tables
from transformers.hl7_forms import QUICK, is_form
from transformers.hl7_rules import OPEN_TABLES, compile_rules
from transformers.hl7_validation import Validator

HL7 = Path(__file__).parent / "hl7"
S12 = (HL7 / "appointment-s12.hl7").read_bytes().decode()
APPOINTMENTS = ("appointment-s12", "appointment-s13", "appointment-s14", "appointment-s15", "appointment-s26")


@pytest.fixture(scope="module")
def siu():
    # Through JSON, as the plan is stored.
    return Validator(json.loads(json.dumps(compile_rules("2.5.1", "SIU_S12"))))


def found(validator, text):
    return [
        (problem.code, problem.expression, problem.severity)
        for problem in validator.validate(er7.parse(text.encode()).segments)
    ]


def hl7apy_refuses(text):
    try:
        parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True).validate()
    except Exception:  # noqa: BLE001 - it raises what comes, ValueError and its own
        return True
    return False


# --------------------------------------------------------------------------------------------------- planting faults


def change(text, name, edit):
    """The message with the first segment of that name changed by `edit`; None takes it away."""
    lines = text.split("\r")
    index = next(index for index, line in enumerate(lines) if line[:3] == name)
    edited = edit(lines[index])
    lines[index : index + 1] = [] if edited is None else edited.split("\r")
    return "\r".join(lines)


def put(path, value):
    """The message with a field set to a raw value."""
    name, number = path.split("-")

    def edit(line):
        fields = line.split("|")
        index = int(number) - (name == "MSH")
        fields += [""] * (index + 1 - len(fields))
        fields[index] = value
        return "|".join(fields)

    return change(S12, name, edit)


def without(name):
    return change(S12, name, lambda _: None)


def before(name, segment):
    return change(S12, name, lambda line: segment + "\r" + line)


def after(name, segment):
    return change(S12, name, lambda line: line + "\r" + segment)


def moved(name, behind):
    line = next(line for line in S12.split("\r") if line[:3] == name)
    return change(without(name), behind, lambda there: there + "\r" + line)


FAULTS_BOTH_SEE = [
    (without("SCH"), "HL7_STRUCTURE", "TQ1"),
    (without("PID"), "HL7_STRUCTURE", "PV1"),
    (without("RGS"), "HL7_STRUCTURE", "AIS"),
    (after("SCH", "SCH|1"), "HL7_STRUCTURE", "SCH"),
    (after("PV1", "PV1|1|O"), "HL7_STRUCTURE", "PV1"),
    (after("PID", "NTE|1"), "HL7_STRUCTURE", "NTE"),
    (moved("SCH", "PID"), "HL7_STRUCTURE", "TQ1"),
    *(
        (put(path, ""), "HL7_REQUIRED", path)
        for path in ("SCH-6", "SCH-16", "SCH-20", "PID-3", "PID-5", "RGS-1", "AIS-1")
    ),
    *(
        (put(path, ""), "HL7_REQUIRED", path)
        for path in ("AIS-3", "AIG-1", "AIG-4", "AIL-1", "PV1-2", "MSH-7", "MSH-9")
    ),
    *((put(path, ""), "HL7_REQUIRED", path) for path in ("MSH-10", "MSH-11", "MSH-12")),
    *((put(path, "A~B"), "HL7_REPEATS", path) for path in ("PID-8", "SCH-1", "SCH-6", "AIS-3")),
    (put("PID-7", "19801302"), "HL7_FORMAT", "PID-7"),
    (put("PID-7", "19800230"), "HL7_FORMAT", "PID-7"),
    (put("PID-7", "00000101"), "HL7_FORMAT", "PID-7"),
    (put("PID-7", "1980-01-02"), "HL7_FORMAT", "PID-7"),
    (put("PID-7", "1980010224"), "HL7_FORMAT", "PID-7"),
    (put("PID-7", "19800102101060"), "HL7_FORMAT", "PID-7"),
    (put("PID-7", "19800102101010+9900"), "HL7_FORMAT", "PID-7"),
    (put("PID-7", "19800102101010.12345"), "HL7_FORMAT", "PID-7"),
    (put("TQ1-7", "2025120109h"), "HL7_FORMAT", "TQ1-7"),
    (put("AIS-4", "soon"), "HL7_FORMAT", "AIS-4"),
    (put("PID-33", "2025-01"), "HL7_FORMAT", "PID-33"),
    (put("SCH-9", "sixty"), "HL7_FORMAT", "SCH-9"),
    (put("SCH-9", "1,5"), "HL7_FORMAT", "SCH-9"),
    (put("AIS-7", "60min"), "HL7_FORMAT", "AIS-7"),
    (put("PID-1", "one"), "HL7_FORMAT", "PID-1"),
    (put("PID-1", "12345"), "HL7_FORMAT", "PID-1"),
    (put("PID-13", "^PRN^CP^^55^11^999-999"), "HL7_FORMAT", "PID-13.7"),
    (put("PID-13", "^NET~^PRN^CP^^BR"), "HL7_FORMAT", "PID-13[2].5"),
    (put("PID-3", "1^^^a^MR^^x"), "HL7_FORMAT", "PID-3.7"),
    (put("SCH-11", "1^^M60^tomorrow"), "HL7_FORMAT", "SCH-11.4"),
    (put("SCH-11", "1^^^^^^^^^^^x"), "HL7_FORMAT", "SCH-11.12"),
    (put("SCH-11", "x&y"), "HL7_FORMAT", "SCH-11.1.1"),
    (put("AIS-3", "a^b^c^d^e^f^g"), "HL7_COMPONENTS", "AIS-3.7"),
    (put("SCH-1", "a^^^^e"), "HL7_COMPONENTS", "SCH-1.5"),
    (put("PID-8", "M^F"), "HL7_COMPONENTS", "PID-8.2"),
    (put("PID-7", "1980^D^x"), "HL7_COMPONENTS", "PID-7.3"),
    (put("PID-3", "1^^^a&b&ISO&d^MR"), "HL7_COMPONENTS", "PID-3.4.4"),
    (put("PID-3", "1&2^^^a^MR"), "HL7_COMPONENTS", "PID-3.1.2"),
    (put("PID-5", "A~A^b&c"), "HL7_COMPONENTS", "PID-5[2].2.2"),
    (put("SCH-28", "x"), "HL7_FIELDS", "SCH-28"),
    (put("RGS-4", "x"), "HL7_FIELDS", "RGS-4"),
]

# hl7apy drops segments that the structure does not have, does not look at the order inside a group, knows no lengths,
# and takes numbers as Python does.
FAULTS_WE_SEE_ALONE = [
    (after("PV1", "IN1|1|a|b"), "HL7_STRUCTURE", "IN1"),
    (after("PV1", "OBR|1"), "HL7_STRUCTURE", "OBR"),
    (after("PV1", "ABC|1"), "HL7_STRUCTURE", "ABC"),
    (before("AIS", "AIP|1|A|x|PPRF"), "HL7_STRUCTURE", "AIS"),
    (change(without("PV1"), "PID", lambda line: "PV1|1|O\r" + line), "HL7_STRUCTURE", "PV1"),
    (moved("TQ1", "NTE"), "HL7_STRUCTURE", "TQ1"),
    (put("MSH-10", "A" * 21), "HL7_LENGTH", "MSH-10"),
    (put("SCH-9", "1e5"), "HL7_FORMAT", "SCH-9"),
    (put("SCH-9", "NaN"), "HL7_FORMAT", "SCH-9"),
    (put("PID-1", "-1"), "HL7_FORMAT", "PID-1"),
    (put("SCH-6", '""'), "HL7_REQUIRED", "SCH-6"),
]


@pytest.mark.parametrize("name", APPOINTMENTS)
def test_the_worked_appointments_keep_the_rules_of_hl7apy_and_of_ours(siu, name):
    text = (HL7 / f"{name}.hl7").read_bytes().decode()

    assert found(siu, text) == []
    assert not hl7apy_refuses(text)


@pytest.mark.parametrize(
    ("name", "structure"), [("order-orm-o01", "ORM_O01"), ("order-omi-o23", "OMI_O23"), ("acknowledgement-ae", "ACK")]
)
def test_the_other_worked_messages_keep_the_rules(name, structure):
    assert found(Validator(compile_rules("2.5.1", structure)), (HL7 / f"{name}.hl7").read_bytes().decode()) == []


@pytest.mark.parametrize(
    ("text", "code", "place"), FAULTS_BOTH_SEE, ids=lambda value: value if len(value) < 20 else "fault"
)
def test_a_planted_fault_is_seen_by_hl7apy_and_named_by_us(siu, text, code, place):
    assert hl7apy_refuses(text)
    assert (code, place, "error") in found(siu, text)


@pytest.mark.parametrize(
    ("text", "code", "place"), FAULTS_WE_SEE_ALONE, ids=lambda value: value if len(value) < 20 else "fault"
)
def test_a_planted_fault_that_hl7apy_does_not_see_is_named(siu, text, code, place):
    assert not hl7apy_refuses(text)
    assert found(siu, text) == [(code, place, "error")]


def test_there_are_at_least_thirty_faults_that_both_see():
    assert len({text for text, _, _ in FAULTS_BOTH_SEE}) >= 30


@pytest.mark.parametrize("path", ["RGS-2", "NTE-2", "PID-24"])
def test_a_code_outside_a_table_that_hl7_closes_is_a_warning(siu, path):
    assert found(siu, put(path, "Q")) == [("HL7_TABLE", path, "warning")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("SCH-25", "CONFIRMED"),
        ("SCH-7", "HEADACHE"),
        ("SCH-8", "MINE"),
        ("TQ1-9", "SCHEDULED STATUS"),
        ("PID-8", "X"),
        ("AIS-3", "1^x^99LOCAL"),
        ("PID-3", "1^^^a&b&L^NNBRA"),
    ],
)
def test_a_table_that_the_site_may_extend_is_not_checked(siu, path, value):
    assert found(siu, put(path, value)) == []


@pytest.mark.parametrize("where", ["MSH", "SCH", "PID", "AIL"])
def test_a_z_segment_may_stand_anywhere(siu, where):
    assert found(siu, after(where, "ZPS|1|anything^at&all")) == []


@pytest.mark.parametrize(("path", "value"), [("SCH-9", '""'), ("PID-7", '""'), ("PID-24", '""'), ("PID-8", '""')])
def test_the_null_value_may_stand_in_a_field_of_any_form(siu, path, value):
    assert found(siu, put(path, value)) == []


@pytest.mark.parametrize("nothing", [[], [[]], [[[]]], [[[""]]], [[[""], [""]], [[""]]], [[['""']]]])
def test_a_required_field_of_empty_texts_is_missing(siu, nothing):
    segments = er7.parse(S12.encode()).segments
    segments[1][6] = nothing

    assert ("HL7_REQUIRED", "SCH-6") in {(problem.code, problem.expression) for problem in siu.validate(segments)}


def test_a_second_patient_and_a_second_resource_group_are_allowed(siu):
    assert found(siu, after("PV1", "PID|2||2^^^A||B")) == []
    assert found(siu, S12 + "RGS|2|A\rAIG|1|A||MODALITY\r") == []


def test_the_second_segment_of_a_name_is_told_apart(siu):
    assert found(siu, S12 + "RGS|two|A\r") == [("HL7_FORMAT", "RGS[2]-1", "error")]


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        (without("RGS"), "AIS cannot follow PV1 in SIU_S12: RGS must come between", None),
        (without("SCH"), "TQ1 cannot follow MSH in SIU_S12: SCH must come between", None),
        (S12.split("PID|")[0], "RGS is missing: SIU_S12 needs RGS after NTE", None),
        (after("PV1", "IN1|1"), "IN1 has no place in SIU_S12", "Leave it out, or use a Z-segment."),
        (after("SCH", "SCH|1"), "SCH cannot follow SCH in SIU_S12", "After SCH may come NTE, PID, RGS, TQ1."),
    ],
)
def test_a_segment_in_the_wrong_place_is_told_what_belongs_there(siu, text, sentence, hint):
    problem = siu.validate(er7.parse(text.encode()).segments)[0]

    assert (problem.text, problem.hint) == (sentence, hint)


def test_a_message_that_is_only_msh_lacks_its_segments(siu):
    assert found(siu, S12.split("\r")[0]) == [("HL7_STRUCTURE", "SCH", "error")]


def test_a_problem_names_the_field_in_words_and_never_holds_the_value(siu):
    problems = siu.validate(er7.parse(put("PID-7", "19800230").encode()).segments)

    assert [problem.text.split(" is ")[0] for problem in problems] == ["Date/Time of Birth"]
    assert "19800230" not in str(problems)


def test_obx_5_has_the_type_that_obx_2_names(siu):
    assert found(siu, after("PV1", "OBX|1|NM|a||12||||||F")) == []
    assert found(siu, after("PV1", "OBX|1|NM|a||twelve||||||F")) == [("HL7_FORMAT", "OBX-5", "error")]
    assert found(siu, after("PV1", "OBX|1|ED|a||a^IM^PICT^Hex^e^f||||||F")) == [("HL7_COMPONENTS", "OBX-5.6", "error")]
    assert found(siu, after("PV1", "OBX|1|XYZ|a||anything^at all||||||F")) == [("HL7_TABLE", "OBX-2", "warning")]
    assert found(siu, after("PV1", "OBX||||anything||||||F"))[0][:2] == ("HL7_REQUIRED", "OBX-3")


def test_a_withdrawn_field_must_be_empty(siu):
    assert found(siu, after("PV1", "OBX|1|NM|a||12||||||F" + "|" * 9 + "x"))[-1][:2] == ("HL7_REPEATS", "OBX-20")


@pytest.mark.parametrize("version", hl7_tables.VERSIONS)
def test_every_structure_of_every_version_compiles_to_plain_data_and_loads(version):
    for name in hl7_tables.structure_names(version):
        rules = compile_rules(version, name)

        assert json.loads(json.dumps(rules)) == rules
        assert Validator(rules).validate([["MSH", "|", "^~\\&"]])


def test_tables_that_are_not_checked_have_a_reason():
    assert all(reason for reason in OPEN_TABLES.values())


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("DT", ["2025", "202512", "20251231", "20240229"], ["", "25", "202513", "20250229", "20251301", "2025120109"]),
        (
            "DTM",
            ["2025", "2025+0100", "20250101", "2025010123", "202501012359", "20250101235959.1234-0300", "202501-0300"],
            ["2025010124", "20250101235960", "20250101235959.", "20250101235959.12345", "20250101 10", "20250229-0300"],
        ),
        ("TM", ["09", "0930", "093000.5", "0930+0100"], ["24", "9", "0960", "093060"]),
        ("NM", ["1", "-1.5", "+.5", "1."], ["", "1,5", "1e5", ".", "1 000", "\u0661"]),
        ("SI", ["0", "9999"], ["", "10000", "-1", "1.0"]),
    ],
)
def test_the_forms_of_the_standard(kind, good, bad):
    assert [text for text in good if not is_form(kind, text)] == []
    assert [text for text in bad if is_form(kind, text)] == []


@given(st.datetimes())
def test_every_moment_is_a_dtm(moment):
    assert is_form("DTM", moment.strftime("%Y%m%d%H%M%S").rjust(14, "0"))


def test_every_day_is_of_the_calendar_and_a_quick_look_passes_all_but_29_february():
    texts = [f"{year}{month:02}{day:02}" for year in (2023, 2024) for month in range(14) for day in range(33)]
    days = {(date(2023, 1, 1) + timedelta(days=number)).strftime("%Y%m%d") for number in range(365 + 366)}

    assert {text for text in texts if is_form("DT", text)} == days
    assert {text for text in texts if QUICK["DT"](text)} == days - {"20240229"}
