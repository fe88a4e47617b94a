"""The invariants of R4 that no schema can say: each refused under the standard's own name."""

import pytest

from tests.fhir_kit import (
    APPOINTMENT,
    LEFT_OUT,
    PARTICIPANT,
    PATIENT_ENTRY,
    bundle,
    changed,
    resource,
)
from transformers import fhir_invariants
from transformers.fhir_validation import validate

APPOINTMENT_OF_NOBODY = {"resourceType": "Appointment", "status": "waitlist"}

INVARIANTS = {
    "app-1": (APPOINTMENT_OF_NOBODY | {"participant": [{"status": "accepted"}]}, "Appointment.participant[0]"),
    "app-2": (changed(resource(APPOINTMENT), ("start",), LEFT_OUT), "Appointment.start"),
    "app-3": (
        {"resourceType": "Appointment", "status": "booked", "participant": PARTICIPANT},
        "Appointment.start",
    ),
    "app-4": (
        APPOINTMENT_OF_NOBODY | {"participant": PARTICIPANT, "cancelationReason": {"text": "rain"}},
        "Appointment.cancelationReason",
    ),
    "apr-1": (
        {
            "resourceType": "AppointmentResponse",
            "appointment": {"reference": "Appointment/1"},
            "participantStatus": "accepted",
        },
        "AppointmentResponse",
    ),
    "bdl-1": (bundle("collection", PATIENT_ENTRY, total=1), "Bundle.total"),
    "bdl-2": (bundle("collection", PATIENT_ENTRY | {"search": {"mode": "match"}}), "Bundle.entry[0].search"),
    "bdl-3": (
        bundle("collection", PATIENT_ENTRY | {"request": {"method": "POST", "url": "Patient"}}),
        "Bundle.entry[0].request",
    ),
    "bdl-4": (bundle("batch-response", PATIENT_ENTRY), "Bundle.entry[0].response"),
    "bdl-5": (bundle("collection", {"fullUrl": "urn:uuid:1"}), "Bundle.entry[0]"),
    "bdl-7": (bundle("collection", PATIENT_ENTRY, PATIENT_ENTRY), "Bundle.entry[1].fullUrl"),
    "bdl-8": (
        bundle("collection", PATIENT_ENTRY | {"fullUrl": "https://fhir.example/Patient/1/_history/1"}),
        "Bundle.entry[0].fullUrl",
    ),
    "bdl-12": (bundle("message", PATIENT_ENTRY), "Bundle.entry"),
    "inv-1": (
        {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "authoredOn": "2025-11-20T15:30:00-03:00",
            "lastModified": "2025-11-20T18:29:59Z",
        },
        "Task.lastModified",
    ),
    "prr-1": (
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/1"},
            "orderDetail": [{"text": "contrast"}],
        },
        "ServiceRequest.orderDetail",
    ),
    "qrs-1": (
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "item": [
                {
                    "linkId": "1",
                    "answer": [
                        {
                            "valueBoolean": True,
                            "item": [
                                {"linkId": "2", "item": [{"linkId": "3"}], "answer": [{"valueBoolean": True}]},
                            ],
                        },
                    ],
                }
            ],
        },
        "QuestionnaireResponse.item[0].answer[0].item[0]",
    ),
    "sev-1": (
        {
            "resourceType": "AuditEvent",
            "type": {"code": "rest"},
            "recorded": "2025-11-20T15:30:00Z",
            "agent": [{"requestor": True}],
            "source": {"observer": {"display": "us"}},
            "entity": [{"name": "a", "query": "Yg=="}],
        },
        "AuditEvent.entity[0]",
    ),
}


@pytest.mark.parametrize(("id_", "document", "expression"), [(id_, *case) for id_, case in INVARIANTS.items()])
def test_an_invariant_of_the_standard_is_refused_under_its_own_name(id_, document, expression):
    (found,) = [p for p in validate(document) if p.issue_type == "invariant"]

    assert found.expression == expression
    assert found.text.startswith(f"{id_}: ")


def test_every_invariant_has_a_case():
    assert {rule.id for rules in fhir_invariants.RULES.values() for rule in rules if rule.id} == set(INVARIANTS)
