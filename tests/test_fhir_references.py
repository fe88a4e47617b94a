"""Further faults of shape and of references, each with the place that the sender is told."""

import time

import pytest

from tests.fhir_kit import (
    APPOINTMENT,
    HEALTHCARE_SERVICE,
    LEFT_OUT,
    PARTICIPANT,
    PATIENT,
    SAMPLE,
    SERVICE_REQUEST,
    SLOT,
    bundle_with,
    changed,
    in_entry,
    told,
)
from transformers.fhir_validation import validate

FURTHER = {
    "no resource type": (
        changed(SAMPLE, ("entry", 2, "resource", "resourceType"), LEFT_OUT),
        [(in_entry(2, ".resourceType"), "required")],
    ),
    "an empty object": (
        bundle_with(APPOINTMENT, cancelationReason={}, status="cancelled"),
        [(in_entry(APPOINTMENT, ".cancelationReason"), "structure")],
    ),
    "a name below a name": (
        changed(SAMPLE, ("entry", PATIENT, "resource", "name", 0, "givn"), ["Zé"]),
        [(in_entry(PATIENT, ".name[0].givn"), "structure")],
    ),
    "a whole number with a fraction": (
        bundle_with(APPOINTMENT, minutesDuration=60.0),
        [(in_entry(APPOINTMENT, ".minutesDuration"), "structure")],
    ),
    "a number for a string": (
        bundle_with(APPOINTMENT, comment=5),
        [(in_entry(APPOINTMENT, ".comment"), "structure")],
    ),
    "true as a string": (
        bundle_with(HEALTHCARE_SERVICE, active="true"),
        [(in_entry(HEALTHCARE_SERVICE, ".active"), "structure")],
    ),
    "a null": (bundle_with(APPOINTMENT, comment=None), [(in_entry(APPOINTMENT, ".comment"), "structure")]),
    "29 February of a common year": (
        bundle_with(PATIENT, birthDate="1900-02-29"),
        [(in_entry(PATIENT, ".birthDate"), "value")],
    ),
    "31 November at nine": (
        bundle_with(APPOINTMENT, created="2025-11-31T09:00:00Z"),
        [(in_entry(APPOINTMENT, ".created"), "value")],
    ),
    "a control character": (
        bundle_with(APPOINTMENT, comment="a\x0bb"),
        [(in_entry(APPOINTMENT, ".comment"), "value")],
    ),
    "a URL with a space": (
        changed(SAMPLE, ("entry", PATIENT, "request", "url"), "Patient Patient"),
        [("Bundle.entry[0].request.url", "value")],
    ),
    "broken base64": (
        bundle_with(PATIENT, photo=[{"data": "QUJ"}]),
        [(in_entry(PATIENT, ".photo[0].data"), "value")],
    ),
    "an extension without url": (
        bundle_with(PATIENT, extension=[{"valueString": "a"}]),
        [(in_entry(PATIENT, ".extension[0].url"), "required")],
    ),
    "two values of an extension": (
        bundle_with(PATIENT, extension=[{"url": "urn:a", "valueString": "a", "valueCode": "a"}]),
        [(in_entry(PATIENT, ".extension[0].value"), "structure")],
    ),
    "an end before the start": (
        bundle_with(SLOT, end="2025-12-01T08:00:00-03:00"),
        [(in_entry(SLOT, ".end"), "invariant")],
    ),
    "an end at the start, in another zone": (
        bundle_with(APPOINTMENT, end="2025-12-01T12:00:00Z"),
        [(in_entry(APPOINTMENT, ".end"), "invariant")],
    ),
    "a participant that is nobody": (
        bundle_with(APPOINTMENT, participant=[*PARTICIPANT, {"status": "accepted"}]),
        [(in_entry(APPOINTMENT, ".participant[3]"), "invariant")],
    ),
    "a reason to cancel what is not cancelled": (
        bundle_with(APPOINTMENT, cancelationReason={"text": "rain"}),
        [(in_entry(APPOINTMENT, ".cancelationReason"), "invariant")],
    ),
    "details of an order without code": (
        bundle_with(SERVICE_REQUEST, code=LEFT_OUT, orderDetail=[{"text": "contrast"}]),
        [(in_entry(SERVICE_REQUEST, ".orderDetail"), "invariant")],
    ),
    "a reference by type and id to the wrong type": (
        bundle_with(APPOINTMENT, slot=[{"reference": "Patient/1"}]),
        [(in_entry(APPOINTMENT, ".slot[0].reference"), "value")],
    ),
    "a reference by URL to the wrong type": (
        bundle_with(APPOINTMENT, slot=[{"reference": "https://fhir.example/r4/Patient/1/_history/2"}]),
        [(in_entry(APPOINTMENT, ".slot[0].reference"), "value")],
    ),
    "a search for the wrong type": (
        bundle_with(APPOINTMENT, slot=[{"reference": "Patient?identifier=1"}]),
        [(in_entry(APPOINTMENT, ".slot[0].reference"), "value")],
    ),
    "a reference that is none": (
        bundle_with(APPOINTMENT, slot=[{"reference": "the one at nine"}]),
        [(in_entry(APPOINTMENT, ".slot[0].reference"), "value")],
    ),
    "an identifier of the wrong type": (
        bundle_with(APPOINTMENT, slot=[{"type": "Patient", "identifier": {"value": "1"}}]),
        [(in_entry(APPOINTMENT, ".slot[0].type"), "value")],
    ),
    "a reference to nothing contained": (
        bundle_with(APPOINTMENT, reasonReference=[{"reference": "#c"}]),
        [(in_entry(APPOINTMENT, ".reasonReference[0].reference"), "not-found")],
    ),
    "a reference to something contained elsewhere": (
        bundle_with(APPOINTMENT, reasonReference=[{"reference": "#c"}]) | {"id": "b"},
        [(in_entry(APPOINTMENT, ".reasonReference[0].reference"), "not-found")],
    ),
    "a dangling reference below an extension": (
        bundle_with(PATIENT, extension=[{"url": "urn:a", "valueReference": {"reference": "urn:uuid:9"}}]),
        [(in_entry(PATIENT, ".extension[0].valueReference.reference"), "not-found")],
    ),
    "a dangling reference below a primitive's extension": (
        bundle_with(
            PATIENT, _birthDate={"extension": [{"url": "urn:a", "valueReference": {"reference": "urn:uuid:9"}}]}
        ),
        [(in_entry(PATIENT, "._birthDate.extension[0].valueReference.reference"), "not-found")],
    ),
    "a dangling reference below a reference": (
        bundle_with(
            APPOINTMENT,
            slot=[{"identifier": {"value": "1", "assigner": {"reference": "urn:uuid:9"}}}],
        ),
        [(in_entry(APPOINTMENT, ".slot[0].identifier.assigner.reference"), "not-found")],
    ),
    "a misshapen resource in another": (
        bundle_with(
            APPOINTMENT,
            contained=[{"resourceType": "Condition", "id": "c"}],
            reasonReference=[{"reference": "#c"}],
        ),
        [(in_entry(APPOINTMENT, ".contained[0].subject"), "required")],
    ),
    "two resources under one URL": (
        changed(SAMPLE, ("entry", 6, "fullUrl"), SAMPLE["entry"][1]["fullUrl"]),
        [
            ("Bundle.entry[6].fullUrl", "invariant"),
            (in_entry(2, ".managingOrganization.reference"), "value"),
            (in_entry(HEALTHCARE_SERVICE, ".providedBy.reference"), "value"),
            (in_entry(SERVICE_REQUEST, ".requester.reference"), "not-found"),
        ],
    ),
}


@pytest.mark.parametrize(("document", "expected"), FURTHER.values(), ids=FURTHER)
def test_a_further_fault_is_refused_with_its_place(document, expected):
    assert told(document) == expected


def test_thousands_of_references_to_contained_resources_take_no_time():
    document = {
        "resourceType": "Patient",
        "generalPractitioner": [{"reference": f"#o{n}"} for n in range(20_000)],
        "contained": [{"resourceType": "Organization", "id": f"o{n}"} for n in range(20_000)],
    }
    begun = time.perf_counter()

    assert validate(document) == []
    assert time.perf_counter() - begun < 5
