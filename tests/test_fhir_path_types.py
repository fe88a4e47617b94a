"""A FHIRPath that cannot work is refused before it runs, with what is meant; what can work has types and numbers."""

import pytest

from transformers.fhir_path_parse import parse
from transformers.fhir_path_types import PathProblem, Typed, check

SITE = {"endpoint": {"sending_app": "BLUME", "port": 6661, "on": True}, "rooms": ["1", "2"]}
LETS = {
    "appt": "Bundle.entry.resource.ofType(Appointment).first()",
    "patient": "%appt.participant.actor.resolve().ofType(Patient).first()",
    "actors": "%appt.participant.actor",
    "status": "%appt.status",
    "mrn": "%patient.identifier.where(type.coding.code = 'MR').value.first()",
}


@pytest.fixture(scope="module")
def names():
    known = {"site": SITE, "known": (("boolean",), 1, 1), "opaque": ((), 0, None)}
    for name, text in LETS.items():
        known[name] = check(parse(text), ("Bundle",), known)
        assert known[name].problems == ()
    return known


MISTAKES = [
    # elements and names
    ("%patient.birthdate", 10, "FHIR R4 has no element Patient.birthdate", "did you mean 'birthDate'?"),
    ("%appt.cancellationReason", 7, "FHIR R4 has no element Appointment.cancellationReason",
     "did you mean 'cancelationReason'?"),
    ("%appt.participant.statuss", 19, "FHIR R4 has no element Appointment.participant.statuss",
     "did you mean 'status'?"),
    ("%apt.start", 1, "unknown name %apt", "did you mean '%appt'?"),
    ("%site.endpoint.sending_ap", 16, "there is no %site.endpoint.sending_ap", "did you mean 'sending_app'?"),
    ("%site.endpiont.port", 7, "there is no %site.endpiont", "did you mean 'endpoint'?"),
    ("Bundle.entry.resource.status", 23, "FHIR R4 has no element Resource.status",
     "say of which resource first, such as .ofType(Patient).status"),
    ("Patient.name", 1, "Patient cannot begin here: this is read on a Bundle",
     "begin with Bundle.entry.resource.ofType(Patient)"),
    ("Pateint.name", 1, "unknown type Pateint", "did you mean 'Patient'?"),
    ("%appt.status.coding", 14, "'coding' cannot stand after a code, which has no elements", None),
    ("%appt.participant.actor.name", 25, "FHIR R4 has no element Reference.name", None),
    ("%appt.participant.actor.resolve().birthdate", 35,
     "FHIR R4 has no element 'birthdate' in one of 7 types", "did you mean 'birthDate'?"),
    ("Bundle.entry.resource.resourceType", 23, "FHIR R4 has no element Resource.resourceType",
     "write 'is Patient' or ofType(Patient)"),
    # functions
    ("%patient.name.frist()", 15, "unknown function frist()", "did you mean 'first()'?"),
    ("%patient.name.size()", 15, "unknown function size()", "did you mean 'count()'?"),
    ("%patient.name.filter(use = 'official')", 15, "unknown function filter()", "did you mean 'where()'?"),
    ("%patient.name.first", 15, "FHIR R4 has no element HumanName.first", "did you mean 'first()'?"),
    ("%patient.name.first(1)", 15, "first() takes no argument, not 1", None),
    ("%mrn.substring()", 6, "substring() takes one or two arguments, not none", None),
    ("%mrn.replace('a')", 6, "replace() takes two arguments, not 1", None),
    ("%patient.trace('x')", 10, "unknown function trace()", "it would write values of messages to a log"),
    ("%mrn.matches('(?=x)')", 14, "RE2 cannot read the regular expression: invalid perl operator: (?=",
     "regular expressions are RE2's, without look-around and back references"),
    ("%mrn.matches('(a')", 14, "RE2 cannot read the regular expression: missing ): (a",
     "regular expressions are RE2's, without look-around and back references"),
    # codes of required bindings
    ("%appt.status = 'no-show'", 16, "Appointment.status has no code 'no-show'", "did you mean 'noshow'?"),
    ("'bookd' = %appt.status", 1, "Appointment.status has no code 'bookd'", "did you mean 'booked'?"),
    ("%status != 'noShow'", 12, "Appointment.status has no code 'noShow'", "did you mean 'noshow'?"),
    ("%appt.status in ('proposed' | 'pendng')", 31, "Appointment.status has no code 'pendng'",
     "did you mean 'pending'?"),
    ("%patient.gender = 'M'", 19, "Patient.gender has no code 'M'", "its codes: female, male, other, unknown"),
    ("%patient.name.where(use = 'offical').family", 27, "HumanName.use has no code 'offical'",
     "did you mean 'official'?"),
    ("%patient.telecom.where(system = 'tel')", 33, "ContactPoint.system has no code 'tel'",
     "its codes: email, fax, other, pager, phone, sms, url"),
    # types
    ("%appt.serviceType = 'CT01'", 19, "'=' compares a CodeableConcept with a string, which are never the same",
     "take its .coding.code or its .text"),
    ("%patient.active = 'true'", 17, "'=' compares a boolean with a string, which are never the same",
     "write true or false without quotes"),
    ("%appt.minutesDuration = '60'", 23, "'=' compares a positiveInt with a string, which are never the same",
     "write the number without quotes"),
    ("%mrn = 12345", 6, "'=' compares a string with an integer, which are never the same", "write it in quotes"),
    ("%patient.birthDate > '2020-01-01'", 20, "'>' cannot compare a date with a string",
     "a date is written @2025-12-01, without quotes"),
    ("%patient.birthDate.substring(0, 4)", 20, "substring() works on a string, and this is a date",
     "write .toString() before it"),
    ("%appt.minutesDuration.startsWith('6')", 23, "startsWith() works on a string, and this is a positiveInt",
     "write .toString() before it"),
    ("%patient.name.first().upper()", 23, "upper() works on a string, and this is a HumanName",
     "take its .family or its .text"),
    ("%appt.start + 15", 13, "'+' cannot work on an instant and an integer", "write the unit, such as 15 minutes"),
    ("%mrn + 5", 6, "'+' cannot work on a string and an integer",
     "join texts with '&', after .toString() where one is no string"),
    ("%mrn & 5", 8, "'&' works on a string, and this is an integer", "write .toString() before it"),
    ("-%mrn", 1, "'-' works on a number, and this is a string", None),
    ("%appt.resolve()", 7, "resolve() works on a Reference, and this is an Appointment",
     "write it after a reference, such as participant.actor.resolve()"),
    ("%known and %appt.status", 18, "'and' works on Booleans, and this is a code",
     "write .exists() to ask whether there is one"),
    ("%patient.name.where(family)", 21, "a condition is a Boolean, and this is a string",
     "write .exists() to ask whether there is one"),
    ("%appt.comment.not()", 15, "not() works on a Boolean, and this is a string",
     "write .exists().not() or .empty() to ask whether there is one"),
    ("%patient.deceased.ofType(string)", 26, "this is never a string; it is a boolean or a dateTime",
     "it can be boolean, dateTime"),
    ("%appt.status.ofType(Patient)", 21, "this is never a Patient; it is a code", None),
    ("%actors.resolve().ofType(Coverage)", 26, "this is never a Coverage; it is one of 7 types",
     "it can be Device, HealthcareService, Location, Patient, Practitioner, PractitionerRole, RelatedPerson"),
    ("%patient.multipleBirth is bolean", 24, "unknown type bolean", "did you mean 'boolean'?"),
    # several where one is wanted
    ("%patient.name.family.upper()", 22, "upper() works on one value, and HumanName.family may be several",
     "choose one, with .first()"),
    ("%appt.serviceType.coding.code in ('a' | 'b')", 26, "'in' works on one value, and Coding.code may be several",
     "choose one, with .first()"),
    ("%actors.resolve() is Patient", 19, "'is' works on one value, and Appointment.participant.actor may be several",
     "choose one, with .first()"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "sentence", "hint"), MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_a_mistake_is_named_with_its_column_and_what_is_meant(names, text, column, sentence, hint):
    problems = check(parse(text), ("Bundle",), names).problems

    assert problems == (PathProblem(column, sentence, hint),)


GIVES = [
    # expression, types, minimum, maximum
    ("%appt", {"Appointment"}, 0, 1),
    ("%appt.status", {"code"}, 0, 1),
    ("%appt.participant", {"Appointment.participant"}, 0, None),
    ("%patient.name", {"HumanName"}, 0, None),
    ("%patient.name.first().given", {"string"}, 0, None),
    ("%patient.name.where(use = 'official').single().family", {"string"}, 0, 1),
    ("%patient.deceased", {"boolean", "dateTime"}, 0, 1),
    ("%patient.deceased.ofType(dateTime)", {"dateTime"}, 0, 1),
    ("%patient.deceased is boolean", {"Boolean"}, 0, 1),
    ("(%patient.deceased as boolean)", {"boolean"}, 0, 1),
    ("%patient.extension('x').value.ofType(Coding).code", {"code"}, 0, None),
    ("%patient.birthDate.extension('x')", {"Extension"}, 0, None),
    ("%actors.resolve().ofType(Location)", {"Location"}, 0, None),
    ("%appt.slot.resolve().schedule.resolve()", {"Schedule"}, 0, None),
    ("%appt.participant[0].status", {"code"}, 0, 1),
    ("%appt.exists()", {"Boolean"}, 1, 1),
    ("%appt.empty().not()", {"Boolean"}, 1, 1),
    ("%appt.status = 'booked'", {"Boolean"}, 0, 1),
    ("%known and %appt.exists()", {"Boolean"}, 1, 1),
    ("%patient.name.count()", {"Integer"}, 1, 1),
    ("%patient.name.take(2)", {"HumanName"}, 0, 2),
    ("%patient.name.tail().given", {"string"}, 0, None),
    ("%patient.name.given | %patient.name.family", {"string"}, 0, None),
    ("%patient.name.select(family | given.first())", {"string"}, 0, None),
    ("%patient.name.given.join(' ')", {"String"}, 0, 1),
    ("%mrn.split('-')", {"String"}, 0, None),
    ("%mrn & 'x'", {"String"}, 1, 1),
    ("%appt.minutesDuration + 15", {"Integer"}, 0, 1),
    ("%appt.minutesDuration * 1.5", {"Decimal"}, 0, 1),
    ("%appt.start + 15 minutes", {"instant"}, 0, 1),
    ("iif(%known, 'a', 'b')", {"String"}, 1, 1),
    ("iif(%known, 'a')", {"String"}, 0, 1),
    ("coalesce(%mrn, 'none')", {"string", "String"}, 1, 1),
    ("%site.endpoint.sending_app", {"String"}, 1, 1),
    ("%site.endpoint.port", {"Integer"}, 1, 1),
    ("%site.rooms", {"String"}, 1, None),
    ("%opaque.anything.first()", {"any"}, 0, 1),
    ("%resource", {"any"}, 1, 1),
    ("now()", {"DateTime"}, 1, 1),
    ("{}", set(), 0, 0),
    ("Bundle.entry.resource.ofType(QuestionnaireResponse).repeat(item).answer", {"QuestionnaireResponse.item.answer"},
     0, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "types", "minimum", "maximum"), GIVES, ids=[case[0] for case in GIVES])
def test_what_an_expression_gives_is_known_before_it_runs(names, text, types, minimum, maximum):
    assert tuple(check(parse(text), ("Bundle",), names)) == (types, minimum, maximum, ())


def test_all_mistakes_are_found_at_once_in_the_order_of_the_text(names):
    problems = check(parse("%apt.start = %patient.birthdate.uper()"), ("Bundle",), names).problems

    assert [problem.column for problem in problems] == [1, 23, 33]


def test_a_name_keeps_its_codes_and_reference_targets(names):
    assert "noshow" in names["status"].codes
    assert "Patient" in names["actors"].targets


def test_an_expression_that_falls_back_is_checked_too(names):
    problems = check(parse("%patient.birthdat > 5 'mg'"), ("Bundle",), names).problems

    assert problems[0].text == "FHIR R4 has no element Patient.birthdat"


def test_the_focus_may_be_what_another_expression_gives(names):
    assert check(parse("status"), names["appt"], names).types == {"code"}
    assert check(parse("status"), Typed(frozenset({"any"}), 1, 1), {}).problems == ()
