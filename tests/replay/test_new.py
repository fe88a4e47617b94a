"""`plugin-host mapping new`: the first draft of a mapping file, from a sample and a message."""

from __future__ import annotations

import json
import re

import pytest

from transformers.fhir_resources_in import things


def draft(site, *more: object, message: str = "SIU^S12", name: str = "draft.yaml"):
    out = site.folder / name
    sample = site.folder / "samples" / "appointment-request.json"
    result = site.command("mapping", "new", "--from", sample, "--message", message, "--out", out, *more)
    return result, out


def mistakes(site, out) -> list[tuple[str, int]]:
    found = site.command("check", out, "--json").json["files"][0]["problems"]
    return [(problem["code"], problem["line"]) for problem in found]


def test_every_field_that_hl7_requires_is_listed(site):
    result, out = draft(site)
    text = out.read_text("utf-8")

    assert result.code == 0
    for target in ("SCH-6:", "SCH-16:", "SCH-20:", "PID-3[]:", "PID-5[]:", "RGS-1:", "AIS-3:", "AIG-4:"):
        assert f"  {target} " in text
    undecided = [line for line in text.splitlines()[1:] if "o be decided" in line]
    assert f"{out}: {len(undecided)} lines are to be decided" in result.out


def test_likely_sources_are_guessed_by_their_type(site):
    text = draft(site)[1].read_text("utf-8")

    for target, rule, name in (
        ("PID-5[]", 'from: "%patient.name", as: XPN, required: true', "Patient Name"),
        ("PID-7", 'from: "%patient.birthDate", as: date', "Date/Time of Birth"),
        ("PID-8", 'from: "%patient.gender", as: sex', "Administrative Sex"),
        ("AIS-3", 'from: "%serviceRequest.code", as: CE, table: code_systems, required: true', "Universal Service"),
        ("NTE-3", 'from: "%appointment.comment"', "Comment. To be decided: guessed by its type"),
    ):
        assert f"  {target}: {{ {rule} }}   # {name}" in text
    assert '  patient: "%appointment.participant.actor.resolve().ofType(Patient).first()"' in text


def test_the_check_finds_just_what_is_to_be_decided(site):
    _, out = draft(site)
    lines = out.read_text("utf-8").splitlines()
    found = mistakes(site, out)

    assert found
    assert {code for code, _ in found} <= {"E024", "E408"}
    assert all("To be decided" in lines[number - 1] for _, number in found)


def test_decided_it_runs(site):
    _, out = draft(site)
    text = out.read_text("utf-8")
    for field, decision in (("SCH-6", "NEW"), ("SCH-16", "^Portal"), ("SCH-20", "^Portal")):
        text = text.replace(f"  {field}: {{}}", f"  {field}: {{ value: {decision} }}")
    text = re.sub(r"  (AIL-4|location):.*\n", "", text)  # its code system is not in the table
    out.write_text(text.replace("channel: draft", "channel: first-channel"), "utf-8")

    assert mistakes(site, out) == []
    tested = site.command("test", out)
    assert (tested.code, tested.out.count("ok ")) == (0, 1), tested.out + tested.err


@pytest.mark.parametrize("message", ["ORM^O01", "ADT^A08", "OMI^O23", "SIU^S15", "MDM^T02", "ORU^R01"])
def test_a_draft_of_any_message_has_nothing_wrong_but_what_is_to_be_decided(site, message):
    _, out = draft(site, message=message)

    assert {code for code, _ in mistakes(site, out)} <= {"E024", "E408", "E409"}


@pytest.mark.parametrize(
    ("message", "said"), [("SIU^S99", "has no message SIU^S99; did you mean SIU^S"), ("nonsense", "has no message")]
)
def test_a_message_that_is_none_is_told(site, message, said):
    result, out = draft(site, message=message)

    assert result.code == 2
    assert said in result.err
    assert not out.exists()


def test_a_file_that_is_there_is_not_written_over(site):
    draft(site)
    again, out = draft(site, message="ORM^O01")

    assert again.code == 6
    assert "SIU^S12" in out.read_text("utf-8")
    assert draft(site, "--force", message="ORM^O01")[0].code == 0


def test_what_is_no_fhir_is_told(site):
    result = site.command(
        "mapping", "new", "--from", site.mapping, "--message", "SIU^S12", "--out", site.folder / "draft.yaml"
    )

    assert result.code == 6
    assert "neither a FHIR document nor an HL7 message" in result.err


def test_resources_are_named_by_the_way_that_leads_to_them():
    patient = {"resourceType": "Patient", "id": "p"}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Coverage", "id": "c"}},
            {"fullUrl": "urn:uuid:1", "resource": patient},
            {"resource": {"resourceType": "ServiceRequest", "subject": {"reference": "Patient/p"}}},
        ],
    }

    assert [(thing.name, thing.path) for thing in things(json.loads(json.dumps(bundle)))] == [
        ("serviceRequest", "%it"),
        ("patient", "%serviceRequest.subject.resolve().ofType(Patient).first()"),
        ("coverage", "Bundle.entry.resource.ofType(Coverage).first()"),
    ]
    assert [(thing.name, thing.path) for thing in things(patient)] == [("patient", "%it")]


# -- from HL7 to FHIR ----------------------------------------------------------------------------------------------


def hl7_draft(site, resource: str = "Appointment", sample: str = "powerserver-book.hl7"):
    out = site.folder / "draft.yaml"
    words = ("mapping", "new", "--from", site.folder / "samples" / sample, "--resource", resource, "--out", out)
    return site.command(*words), out


def test_from_hl7_every_element_that_fhir_requires_is_listed_and_likely_fields_are_guessed(site):
    result, out = hl7_draft(site)
    text = out.read_text("utf-8")

    assert result.code == 0, result.err
    for line in (
        "  Appointment.status: {}   # code. To be decided: FHIR requires it; codes are arrived, booked,",
        "        Appointment.participant.status: {}   # code. To be decided: FHIR requires it",
        '  Appointment.start: { from: "TQ1-7", as: instant }   # Start Date/Time. To be decided',
        '  Appointment.minutesDuration: { from: "AIS-7", as: minutes }   # Duration. To be decided',
        '  Appointment.comment: { from: "NTE-3", as: lines }   # Comment. To be decided',
        '  key: { from: "SCH-2", as: Identifier, table: authorities }   # to be decided',
    ):
        assert line in text


def test_from_hl7_decided_it_runs(site):
    _, out = hl7_draft(site)
    text = out.read_text("utf-8").replace("channel: draft", "channel: first-channel")
    text = text.replace("  Appointment.status: {}", "  Appointment.status: { value: pending }")
    actor = '{ from: "PID-3[1]", as: Identifier, table: authorities }'
    text = text.replace(
        "        Appointment.participant.status: {}",
        f"        Appointment.participant.actor.identifier: {actor}\n"
        "        Appointment.participant.status: { value: accepted }",
    )
    text = re.sub(r"station: \S+", "station: omegaai", text).replace("station: omegaai", "station: powerserver-in", 1)
    # Their code systems are not in the table.
    text = re.sub(r"  Appointment\.(cancelationReason|reasonCode|serviceType|appointmentType).*\n", "", text)
    out.write_text(text, "utf-8")

    assert mistakes(site, out) == []
    tested = site.command("test", out)
    assert (tested.code, tested.out.count("ok ")) == (0, 1), tested.out + tested.err


@pytest.mark.parametrize("resource", ["Patient", "ServiceRequest", "Encounter", "Observation", "Slot"])
def test_from_hl7_a_draft_of_any_resource_has_nothing_wrong_but_what_is_to_be_decided(site, resource):
    _, out = hl7_draft(site, resource)

    assert {code for code, _ in mistakes(site, out)} <= {"E024", "E153", "E462", "E470", "E472"}


def test_what_the_sample_becomes_must_be_said_and_be_something(site):
    sample = site.folder / "samples" / "powerserver-book.hl7"
    unsaid = site.command("mapping", "new", "--from", sample, "--message", "SIU^S12", "--out", site.folder / "x.yaml")

    assert (unsaid.code, "--resource" in unsaid.err) == (2, True)
    wrong, out = hl7_draft(site, "Apointment")
    assert (wrong.code, "did you mean Appointment?" in wrong.err, out.exists()) == (2, True, False)
