"""What the door lets in of FHIR R4, what it never tells, and what a foreign model of R4 says of the same."""

import copy
import importlib
import importlib.util
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.fhir_kit import (
    APPOINTMENT,
    LEFT_OUT,
    PATIENT,
    PATIENT_ENTRY,
    QUESTIONNAIRE_RESPONSE,
    SAMPLE,
    SAMPLES,
    SERVICE_REQUEST,
    TASK,
    bundle,
    bundle_with,
    changed,
    resource,
)
from transformers import fhir_model
from transformers.fhir_validation import validate

VALID = {
    "the sample": SAMPLE,
    "a share request": TASK,
    "a form": QUESTIONNAIRE_RESPONSE,
    "an appointment alone, its references known to the sender": resource(APPOINTMENT),
    "a birth date with its time in an extension": bundle_with(
        PATIENT, _birthDate={"extension": [{"url": "urn:time", "valueDateTime": "1980-01-02T03:04:05-03:00"}]}
    ),
    "a birth date of which only the year is known": bundle_with(PATIENT, birthDate="1980"),
    "29 February of a leap year": bundle_with(PATIENT, birthDate="2000-02-29"),
    "a leap second": bundle_with(APPOINTMENT, end="2025-12-01T12:59:60Z"),
    "end and start in different zones": bundle_with(APPOINTMENT, end="2025-12-01T10:00:00.5-02:59"),
    "a required code that is absent for a reason": bundle_with(
        SERVICE_REQUEST, status=LEFT_OUT, _status={"extension": [{"url": "urn:absent", "valueCode": "unknown"}]}
    ),
    "a given name that is absent for a reason": bundle_with(
        PATIENT, name=[{"given": ["José", None], "_given": [None, {"extension": [{"url": "urn:a"}]}]}]
    ),
    "a no-break space in a name": bundle_with(PATIENT, name=[{"text": "José\u00a0Conceição"}]),
    "base64 with its padding and a line end": bundle_with(PATIENT, photo=[{"data": "QUJD\r\nQUI="}]),
    "a proposed appointment without times": bundle_with(
        APPOINTMENT, start=LEFT_OUT, end=LEFT_OUT, requestedPeriod=[{"start": "2025-12-01"}]
    ),
    "a reference by type and id, by URL, by search, by identifier and by word": bundle_with(
        APPOINTMENT,
        slot=[
            {"reference": "Slot/1"},
            {"reference": "https://fhir.example/r4/Slot/1"},
            {"reference": "Slot?identifier=a|b"},
            {"type": "Slot", "identifier": {"value": "1"}},
            {"display": "nine o'clock"},
            {"reference": "https://fhir.example/something/else"},
        ],
    ),
    "a reference to a type that we do not take": bundle_with(
        APPOINTMENT, reasonReference=[{"reference": "Procedure/1"}]
    ),
    "contained resources that point to each other and to their container": bundle_with(
        PATIENT,
        contained=[
            {"resourceType": "Organization", "id": "o", "partOf": {"reference": "#p"}},
            {"resourceType": "Organization", "id": "p"},
            {
                "resourceType": "RelatedPerson",
                "id": "r",
                "patient": {"reference": "#"},
            },
        ],
        managingOrganization={"reference": "#o"},
        link=[{"type": "seealso", "other": {"reference": "#r"}}],
    ),
    "an entry that deletes": bundle("transaction", {"request": {"method": "DELETE", "url": "Slot/1"}}),
    "an empty batch": {"resourceType": "Bundle", "type": "batch"},
    "a history with two versions of one resource": bundle(
        "history",
        *(
            {
                "fullUrl": "https://fhir.example/Slot/1",
                "request": {"method": "DELETE", "url": "Slot/1"},
                "response": {"status": "204"},
            },
        )
        * 2,
    ),
    "a result of a search": bundle("searchset", PATIENT_ENTRY | {"search": {"mode": "match"}}, total=1),
    "a message": bundle(
        "message",
        {
            "fullUrl": "urn:uuid:0",
            "resource": {
                "resourceType": "MessageHeader",
                "eventUri": "urn:a",
                "source": {"endpoint": "urn:b"},
                "focus": [{"reference": "urn:uuid:1"}],
            },
        },
        PATIENT_ENTRY,
    ),
    "a task modified on the day it was authored": TASK | {"lastModified": "2025-11-20"},
    "a bundle in parameters": {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "part": [{"name": "b", "resource": {"resourceType": "Patient"}}]}],
    },
}


@pytest.mark.parametrize("document", VALID.values(), ids=VALID)
def test_what_is_valid_is_let_in(document):
    assert validate(document) == []


PRIVATE = "Conceição-12345678909"


def strings_below(value, path=()):
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for step, child in members:
            yield from strings_below(child, (*path, step))
    else:
        yield path


@pytest.mark.parametrize("wrong", [PRIVATE, [PRIVATE], {PRIVATE: PRIVATE}, 12345678909.5])
def test_no_problem_holds_anything_of_the_message(wrong):
    for path in strings_below(SAMPLE):
        for found in validate(changed(SAMPLE, path, wrong)):
            said = f"{found.text} {found.hint} {found.expression}"
            assert "Conceição" not in said
            assert "12345678909" not in said


ORACLE_DOCUMENTS = [*(entry["resource"] for entry in SAMPLE["entry"]), TASK, QUESTIONNAIRE_RESPONSE]


def places(value, path=()):
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for step, child in members:
            yield (*path, step)
            yield from places(child, (*path, step))


def mutations(document):
    for path in places(document):
        if path == ("resourceType",):
            continue
        for value in (LEFT_OUT, None, "", " x ", "2021-02-30", [], {}, [[]], {"x": 1}, -1, 1.5, True, ["a", "a"]):
            yield path, value, changed(document, path, value)
    for path in [(), *places(document)]:
        below = document
        for step in path:
            below = below[step]
        if isinstance(below, dict):
            yield path, "an unknown element", changed(document, (*path, "unknown"), 1)


@pytest.mark.parametrize("document", ORACLE_DOCUMENTS, ids=lambda document: document["resourceType"])
def test_what_a_foreign_model_of_r4_refuses_is_refused(document):
    name = document["resourceType"]
    foreign = getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)
    refused_there, accepted_only_here = 0, []

    for path, value, mutated in mutations(document):
        try:
            foreign.model_validate(copy.deepcopy(mutated))
        except (ValidationError, ValueError, KeyError, TypeError, AttributeError):
            refused_there += 1
            if not validate(mutated):
                accepted_only_here.append((path, value))

    assert accepted_only_here == []
    assert refused_there > 20


def test_the_foreign_model_is_not_needed_at_run_time():
    code = (
        "import sys; from transformers.fhir_json import load_strict; from transformers.fhir_validation import validate;"
        "validate(load_strict(open('mappings/samples/appointment-request.json', 'rb').read())); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SAMPLES.parent.parent
    ).stdout.split()

    assert not {"fhir", "pydantic", "hl7apy", "fhirpathpy"} & set(loaded)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["Patient", "#", "urn:uuid:1"]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "resourceType entry resource contained extension reference actor participant "  # noqa: SIM905 - words read best as words
                "fullUrl type meta id _id item answer start end slot parameter".split()
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(
    st.sampled_from(sorted(fhir_model.resource_types())),
    st.dictionaries(st.sampled_from(["entry", "contained", "participant", "item", "slot"]), ANYTHING, max_size=3),
)
def test_a_misshapen_document_never_breaks_the_check(resource_type, members):
    document = members | {"resourceType": resource_type}

    for found in validate(document):
        assert re.match(rf"{resource_type}($|[.\[])", found.expression)
