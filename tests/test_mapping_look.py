"""The quick look of a mapping at what it writes lets nothing pass that the rules of HL7, applied in full, refuse."""

import copy
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages.problem import Problems
from transformers import er7
from transformers.base import Given, Transformed
from transformers.fhir_to_hl7 import compile_plan
from transformers.hl7_validation import Validator
from transformers.mapping_check import check_mapping
from transformers.mapping_examples import change
from transformers.mapping_site import load_site

SITE = Path(__file__).parent / "mapping_site"
DOCUMENT = json.loads((SITE / "samples/request.json").read_text())
NOW = datetime.fromisoformat("2025-11-20T15:30:00.120-03:00")
APPOINTMENT, PATIENT, ORDER = (f"/entry/{number}/resource" for number in range(3))
#: Texts of a message in fields of every kind: numbers, times, coded, repeated, required, in parts of parts.
LINES = """\
  SCH-7.1: { from: "%appt.description", when: "%appt.description != 'x'" }
  SCH-11.1: { from: "%appt.description" }
  SCH-11.6: { from: "%appt.patientInstruction" }
  SCH-12[2].1: { from: "%appt.comment" }
  SCH-12[2].9.1: { from: "%appt.comment" }
  SCH-12[2].9.2: { from: "%appt.description" }
  NTE[]: { for: "%appt.comment", name: note, map: { NTE-1: { number: true }, NTE-3: { from: "%note" } } }
  PID-1: { from: "%appt.comment" }
  PID-7: { from: "%patient.birthDate", as: date }
  PID-11[]: { from: "%patient.address", as: XAD }
  PID-13[]:
    for: "%patient.telecom"
    name: phone
    map: { PID-13.1: { from: "%phone.value" }, PID-13.6: { from: "%phone.use" } }
  PID-14[]: { from: "%patient.telecom", as: XTN }
  PID-25: { from: "%patient.language" }
  PID-29: { from: "%patient.deceased.toString()" }
  PV1-2: { from: "%appt.patientInstruction", default: O }
  ZAP-1: { from: "%appt.comment" }
  PID-8:"""
TEXTS = (
    f"{APPOINTMENT}/description", f"{APPOINTMENT}/comment", f"{APPOINTMENT}/patientInstruction",
    f"{PATIENT}/identifier/0/value", f"{PATIENT}/name/0/family", f"{PATIENT}/language", f"{PATIENT}/birthDate",
    f"{PATIENT}/gender", f"{APPOINTMENT}/start", f"{APPOINTMENT}/minutesDuration",
)  # fmt: skip
WHOLES = {
    f"{PATIENT}/telecom": [{"system": "phone", "value": "1|2", "use": "x^y"}, {"value": '""'}, {"use": "12"}],
    f"{PATIENT}/address": [{"line": ["a~b", "c"], "city": "", "use": "home"}, {"text": "d\\e"}],
    f"{PATIENT}/identifier": [{"system": "urn:oid:2.25.1", "value": str(number)} for number in range(3)],
    f"{PATIENT}/name": [{"family": ""}, {"family": '""', "given": ["b\u0327", "", "c"]}],
    f"{APPOINTMENT}/basedOn": [],
}


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    """A transformer, and all rules of its messages."""
    path = tmp_path_factory.getbasetemp() / "look.yaml"
    path.write_text((SITE / "base.yaml").read_text().replace("  PID-8:", LINES))
    checked = check_mapping(path, load_site(SITE, {}), "look.yaml")
    assert checked.plan is not None, "\n".join(map(str, checked.problems))
    plan = json.loads(json.dumps(checked.plan))
    return compile_plan(plan), {name: Validator(rules) for name, rules in plan["validators"].items()}


def sent(transformer, changes, control_id="C1"):
    """The bytes that are sent; None for problems."""
    document = copy.deepcopy(DOCUMENT)
    for pointer, value in changes.items():
        document = change(document, pointer, value)
    try:
        result = transformer.transform(document, Given(now=NOW, control_id=control_id, destination="ris", focus=0))
    except Problems:
        return None
    assert isinstance(result, Transformed)
    return result.encoded


texts = st.one_of(
    st.sampled_from(
        [
            "",
            '""',
            "1",
            "0015",
            "-3.",
            "20250229",
            "20240229",
            "2025-02-28",
            "1234567890123456",
            "12:30",
            "|^~\\&",
            "a\r\nb",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.text("0123456789+-.:TZ", max_size=20),
)
changes = st.dictionaries(st.sampled_from(TEXTS), texts, max_size=4).flatmap(
    lambda found: st.sets(st.sampled_from(sorted(WHOLES)), max_size=2).map(
        lambda names: {name: WHOLES[name] for name in names} | {
            pointer: text for pointer, text in found.items() if not any(pointer.startswith(name) for name in names)
        }
    )
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes, st.sampled_from(["C1", "A0000000000000000001", "longer than twenty characters", "a|b"]))
def test_nothing_is_sent_that_hl7_does_not_allow(mapping, changes, control_id):
    transformer, validators = mapping
    encoded = sent(transformer, changes, control_id)

    if encoded is not None:
        (validator,) = validators.values()
        findings = validator.validate(er7.parse(encoded).segments)
        assert [found for found in findings if found.severity == "error"] == []


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes)
def test_what_is_sent_is_what_the_encoder_writes(mapping, changes):
    encoded = sent(mapping[0], changes)

    if encoded is not None:
        assert er7.encode(er7.parse(encoded).segments) == encoded


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("SCH-9", {f"{APPOINTMENT}/minutesDuration": "an hour"}),
        ("PID-1", {f"{APPOINTMENT}/comment": "12345"}),
        ("PID-29", {f"{PATIENT}/deceasedDateTime": "20250229"}),
        ("PV1-2", {f"{APPOINTMENT}/patientInstruction": '""'}),
        ("SCH-11", {f"{APPOINTMENT}/description": "much", f"{APPOINTMENT}/start": None}),
        ("PID-3", {f"{PATIENT}/identifier/0/value": "1" * 1000}),
    ],
)
def test_what_hl7_does_not_allow_is_refused_by_field(mapping, line, changes):
    transformer, _ = mapping
    document = copy.deepcopy(DOCUMENT)
    for pointer, value in changes.items():
        document = change(document, pointer, value)

    with pytest.raises(Problems) as caught:
        transformer.transform(document, Given(now=NOW, control_id="C1", destination="ris", focus=0))

    assert caught.value.problems[0].expression.startswith(line)
    assert caught.value.problems[0].code.startswith("HL7_")
