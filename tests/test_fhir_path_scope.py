"""What an expression sees: names that are evaluated once, scopes inside scopes, and where references lead."""

from datetime import UTC, datetime

import pytest

from transformers.fhir_path import PathError, Scope, compile_path
from transformers.fhir_path_parse import parse

NOW = datetime(2025, 11, 20, 18, 30, tzinfo=UTC)
PATIENT = {
    "resourceType": "Patient",
    "gender": "male",
    "birthDate": "1980-01-02",
    "name": [{"family": "Conceição", "given": ["José"]}, {"given": ["Zé"]}],
    "telecom": [{"value": "+5511999990000"}, {"value": "jose@example.org"}],
}


def test_a_name_is_evaluated_once_for_a_message():
    asked = []

    def patient(scope):
        asked.append(scope)
        return [scope.resource]

    scope = Scope(PATIENT, {"patient": patient}, NOW)
    path = compile_path(parse("%patient.gender & %patient.birthDate"))

    assert path(scope) == path(scope) == ["male1980-01-02"]
    assert len(asked) == 1


def test_names_may_use_names_but_not_themselves():
    names = {
        name: compile_path(parse(text)) for name, text in {"a": "%b & 'a'", "b": "'b'", "c": "%d", "d": "%c"}.items()
    }

    assert Scope(PATIENT, names, NOW).value("a") == ["ba"]
    with pytest.raises(PathError, match=r"%[cd] needs its own value"):
        Scope(PATIENT, names, NOW).value("c")


def test_a_nested_scope_has_names_and_a_focus_of_its_own_and_shares_the_rest():
    outer = Scope(PATIENT, {"family": compile_path(parse("name.family"))}, NOW)
    inner = outer.nested({"contact": [PATIENT["telecom"][1]]}, focus=PATIENT["name"][1])

    assert compile_path(parse("given & %contact.value & %family"))(inner) == ["Zéjose@example.orgConceição"]
    assert outer.values["family"] == ["Conceição"]
    assert "contact" not in outer.values


def entry(url, /, **resource):
    return {"fullUrl": url, "resource": resource} if url else {"resource": resource}


MRN = {"system": "urn:oid:1", "value": "12345"}
CONTAINED = [{"resourceType": "Practitioner", "id": "p", "name": [{"family": "Silva"}]}]
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        entry("urn:uuid:1", resourceType="Patient", id="a", identifier=[MRN]),
        entry("https://blume.example/fhir/Patient/b", resourceType="Patient", id="b", meta={"versionId": "3"}),
        entry(None, resourceType="Organization", id="o", identifier=[{"value": "org-1"}, MRN]),
        entry("urn:uuid:2", resourceType="Questionnaire", id="q", url="https://q.example/ct", version="2"),
        entry("https://one.example/Location/l", resourceType="Location", id="l"),
        entry("https://other.example/Location/l", resourceType="Location", id="l"),
        entry(
            "urn:uuid:3",
            resourceType="ServiceRequest",
            id="s",
            contained=CONTAINED,
            requester={"reference": "#p"},
            replaces=[{"reference": "#"}, {"reference": "#x"}],
        ),
        entry(
            "urn:uuid:4",
            resourceType="ServiceRequest",
            id="t",
            contained=[{"resourceType": "Practitioner", "id": "p", "name": [{"family": "Souza"}]}],
            requester={"reference": "#p"},
        ),
    ],
}
REFERENCES = [
    # by fullUrl, relative, with a version
    ({"reference": "urn:uuid:1"}, ["a"]),
    ({"reference": "https://blume.example/fhir/Patient/b"}, ["b"]),
    ({"reference": "Patient/b"}, ["b"]),
    ({"reference": "Organization/o"}, ["o"]),
    ({"reference": "Patient/b/_history/3"}, ["b"]),
    ({"reference": "Patient/b/_history/2"}, []),
    # by identifier
    ({"identifier": MRN, "type": "Patient"}, ["a"]),
    ({"identifier": {"value": "org-1"}}, ["o"]),
    ({"reference": "Patient/elsewhere", "identifier": {"value": "org-1"}}, ["o"]),
    ({"reference": "Patient?identifier=urn:oid:1|12345"}, ["a"]),
    # canonical urls and uris
    ("https://q.example/ct", ["q"]),
    ("https://q.example/ct|2", ["q"]),
    ("https://q.example/ct|3", []),
    ("urn:uuid:2", ["q"]),
    # nowhere, and never a guess
    ({"identifier": MRN}, []),
    ({"reference": "Location/l"}, []),
    ({"reference": "https://elsewhere.example/Patient/b"}, []),
    ({"reference": "#p"}, []),
    ({"display": "somebody"}, []),
    (5, []),
]


@pytest.mark.parametrize(("reference", "found"), REFERENCES, ids=[str(reference) for reference, _ in REFERENCES])
def test_a_reference_leads_to_one_resource_of_the_document_or_nowhere(reference, found):
    path = compile_path(parse("%reference.resolve().id"))

    assert path(Scope(BUNDLE, {"reference": [reference]}, NOW)) == found


def test_a_contained_resource_is_looked_for_in_the_resource_that_refers_to_it():
    path = compile_path(parse("Bundle.entry.resource.ofType(ServiceRequest).requester.resolve().name.family"))

    assert path(Scope(BUNDLE, {}, NOW)) == ["Silva", "Souza"]


def test_a_resource_that_refers_to_itself_is_found():
    path = compile_path(parse("Bundle.entry.resource.ofType(ServiceRequest).replaces.resolve().id"))

    assert path(Scope(BUNDLE, {}, NOW)) == ["s"]


def test_a_single_resource_resolves_what_it_contains():
    appointment = {
        "resourceType": "Appointment",
        "contained": [{"resourceType": "Patient", "id": "1", "gender": "female"}],
        "participant": [{"actor": {"reference": "#1"}}],
    }
    path = compile_path(parse("participant.actor.resolve().ofType(Patient).gender"))

    assert path(Scope(appointment, {}, NOW)) == ["female"]


def test_the_fallback_resolves_in_the_same_way():
    practitioners = "Bundle.entry.resource.ofType(ServiceRequest).requester.resolve().ofType(Practitioner)"
    tree = parse(f"{practitioners}.count() + 1.0.round(0)")

    assert tree[0] == "fallback"
    assert compile_path(tree)(Scope(BUNDLE, {}, NOW)) == [3]


def test_values_of_a_document_are_never_changed():
    before = repr(BUNDLE)
    scope = Scope(BUNDLE, {}, NOW)
    for text in ("entry.resource.identifier | entry.resource.id", "entry.resource.select(identifier.tail())"):
        compile_path(parse(text))(scope)

    assert repr(BUNDLE) == before
