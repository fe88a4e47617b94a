"""`plugin-host mapping fixture`: a test sample of a stored message, without the people in it."""

from __future__ import annotations

import json
from datetime import date

import pytest

from simulators.blume import PATIENTS
from tests.replay.kit import CHANNEL, bundle
from transformers import fhir_validation
from transformers.deidentify import StillThere, deidentified
from transformers.fake_people import Faker

KEY = b"a key of this site that nobody knows"


def resources(document):
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in document["entry"]}


def made(number: int, key: bytes = KEY, **changes):
    document, moved = deidentified(json.loads(bundle(number, **changes)), key)
    return resources(document), moved


@pytest.mark.parametrize("number", range(1, 6))
def test_nothing_of_the_patient_is_left(number):
    person = PATIENTS[number % len(PATIENTS)]
    document, _ = deidentified(json.loads(bundle(number)), KEY)
    text = json.dumps(document, ensure_ascii=False)

    who = (person.number, person.cpf, person.family, *person.given, person.birth_date, person.email, "+5511999990000")
    what = (person.street, person.city, person.complaint, f"appt-{number}", f"sr-{number}")
    assert [value for value in who + what if value in text] == []
    assert not [problem for problem in fhir_validation.validate(document) if problem.severity == "error"]


def test_what_a_mapping_looks_at_stays():
    before, after = resources(json.loads(bundle(1))), made(1)[0]

    for type_name in ("Organization", "HealthcareService", "Location"):
        assert after[type_name]["name"] == before[type_name]["name"]
    assert after["Organization"]["identifier"] == before["Organization"]["identifier"]
    assert after["Patient"]["gender"] == before["Patient"]["gender"]
    assert after["ServiceRequest"]["code"] == before["ServiceRequest"]["code"]
    assert after["Patient"]["identifier"][0]["system"] == before["Patient"]["identifier"][0]["system"]
    assert after["Appointment"]["minutesDuration"] == before["Appointment"]["minutesDuration"]
    assert len(after["Patient"]["name"][0]["given"]) == len(before["Patient"]["name"][0]["given"])


def test_the_same_person_is_the_same_fake_one_in_all_samples():
    one, other, somebody_else = made(1)[0]["Patient"], made(6)[0]["Patient"], made(2)[0]["Patient"]

    assert one == other
    assert one["name"] != somebody_else["name"] or one["identifier"] != somebody_else["identifier"]


def test_a_person_who_changed_the_name_is_still_the_same_one():
    other = made(6, Patient=lambda patient: patient["name"][0].update(family="Casada", given=["Mônica"]))[0]

    assert other["Patient"]["name"] == made(1)[0]["Patient"]["name"]


def test_with_another_key_it_is_somebody_else():
    assert made(1)[0]["Patient"] != made(1, key=b"another")[0]["Patient"]


def test_what_lies_between_two_dates_stays():
    def days(patient, appointment):
        return date.fromisoformat(appointment["start"][:10]) - date.fromisoformat(patient["birthDate"])

    before, (after, moved) = resources(json.loads(bundle(3))), made(3)
    start = before["Appointment"]["start"]

    assert days(after["Patient"], after["Appointment"]) == days(before["Patient"], before["Appointment"])
    assert after["Appointment"]["start"][10:] == start[10:], "the time of day and its offset stay"
    assert after["Slot"]["start"] == after["Appointment"]["start"]
    assert moved.days % 7 == 0, "and so does the day of the week"
    assert moved.days < 0


def test_references_still_lead_where_they_led():
    document, _ = deidentified(json.loads(bundle(1)), KEY)
    urls = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in document["entry"]}
    actors = [urls[one["actor"]["reference"]] for one in resources(document)["Appointment"]["participant"]]

    assert actors == ["Patient", "HealthcareService", "Location"]


def point_by_id(appointment):
    appointment["participant"][0]["actor"] = {"reference": "Patient/jose-conceicao", "display": "José Conceição"}
    appointment["participant"][1]["actor"] = {"reference": "Patient?identifier=urn:oid:2.25.2001|12346"}
    appointment["participant"][2]["actor"] = {"reference": "Organization/org-1"}
    appointment["extension"] = [
        {"url": "urn:x", "valueString": "call 555-1234"},
        {"url": "urn:y", "valueDate": "2025-01-01"},
    ]


def test_references_by_id_identifier_and_display_are_replaced_too():
    after, _ = made(1, Appointment=point_by_id, Patient=lambda patient: patient.update(id="jose-conceicao"))
    actors = [one["actor"] for one in after["Appointment"]["participant"]]

    assert actors[0]["reference"] == f"Patient/{after['Patient']['id']}" != "Patient/jose-conceicao"
    assert "José" not in actors[0]["display"]
    assert (
        actors[1]["reference"] == f"Patient?identifier=urn:oid:2.25.2001|{after['Patient']['identifier'][0]['value']}"
    )
    assert actors[2]["reference"] == "Organization/org-1"
    assert "555" not in json.dumps(after["Appointment"]["extension"])


def test_what_is_contained_is_found_again():
    def contain(appointment):
        appointment["contained"] = [{"resourceType": "Patient", "id": "p1", "name": [{"text": "Zoraide Quintela"}]}]
        appointment["participant"][0]["actor"] = {"reference": "#p1"}

    after, _ = made(1, Appointment=contain)
    inside = after["Appointment"]["contained"][0]

    assert after["Appointment"]["participant"][0]["actor"]["reference"] == f"#{inside['id']}"
    assert "Quintela" not in json.dumps(after)


def test_a_value_that_would_remain_is_refused_without_saying_it():
    def hide(coverage):
        coverage["type"] = {"coding": [{"code": "12346"}]}  # a code is never replaced

    with pytest.raises(StillThere) as refused:
        made(1, Coverage=hide)

    assert "Coverage" in str(refused.value) or "entry[7].resource.type" in str(refused.value)
    assert "12346" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["12345", "0012", "ABC-12-xyz", "a1b2c3d4-0000-4000-8000-000000000001", "9", "x", "Ç9", "", "--"]
)
def test_another_text_of_the_same_shape(text):
    other = Faker(KEY).shaped(text)

    assert len(other) == len(text)
    assert [c.isdigit() for c in other] == [c.isdigit() for c in text]
    assert [c.isupper() for c in other] == [c.isupper() for c in text]
    assert (other == text) == (not any(c.isalnum() for c in text))
    assert Faker(KEY).shaped(text) == other


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command_writes_a_sample_and_a_test_that_passes(running):
    [message] = running.deliver(bundle(1))
    out = running.folder / "samples" / "made.json"
    result = running.command("mapping", "fixture", message, "--out", out)

    assert result.code == 0
    assert "given: samples/made.json" in result.out
    assert "expect: { action: request }" in result.out
    assert PATIENTS[1].family not in out.read_text("utf-8") + result.out + result.err
    with running.mapping.open("a", encoding="utf-8") as file:
        file.write(f"\n{result.out}")
    tested = running.command("test", CHANNEL, "-k", "say in a sentence")
    assert (tested.code, tested.out.count("ok ")) == (0, 1), tested.out


def test_the_test_says_what_the_rules_of_the_kind_said_and_what_was_parked(running):
    def ended(appointment):
        appointment["status"] = "entered-in-error"

    def of_a_stranger(practitioner):
        practitioner["identifier"][0]["system"] = "urn:oid:2.25.9999"

    asked, held, parked = running.deliver(
        bundle(1), bundle(2, Appointment=ended), bundle(3, Practitioner=of_a_stranger)
    )
    said = {}
    for name, message in (("asked", asked), ("held", held), ("parked", parked)):
        said[name] = running.command("mapping", "fixture", message, "--out", running.folder / f"{name}.json").out

    assert "    values: { change: request, state: REQUESTED }" in said["asked"]
    assert "the rules of its kind held it back" in said["held"]
    assert "expect: { error: E303 }" in said["parked"]


def test_a_file_that_is_there_is_not_written_over(running):
    [message] = running.deliver(bundle(1))
    out = running.folder / "samples" / "appointment-request.json"
    before = out.read_text("utf-8")

    assert running.command("mapping", "fixture", message, "--out", out).code == 6
    assert out.read_text("utf-8") == before
    assert running.command("mapping", "fixture", "01NOSUCH", "--out", running.folder / "x.json").code == 1
