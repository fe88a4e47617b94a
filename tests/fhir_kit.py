"""The sample request and its variants, for the tests of what the door lets in."""

import copy
from pathlib import Path

from transformers.fhir_json import load_strict
from transformers.fhir_validation import validate

SAMPLES = Path(__file__).parent.parent / "mappings" / "samples"
SAMPLE = load_strict((SAMPLES / "appointment-request.json").read_bytes())
PATIENT, HEALTHCARE_SERVICE, SLOT, SERVICE_REQUEST, APPOINTMENT = 0, 3, 5, 8, 9
LEFT_OUT = object()


def resource(number):
    return copy.deepcopy(SAMPLE["entry"][number]["resource"])


def changed(document, path, value):
    """A copy of the document in which the place has another value, or is left out."""
    document = copy.deepcopy(document)
    *above, last = path
    parent = document
    for step in above:
        parent = parent[step]
    if value is LEFT_OUT:
        del parent[last]
    else:
        parent[last] = value
    return document


def bundle_with(number, **elements):
    """The sample with other elements in one of its resources."""
    document = copy.deepcopy(SAMPLE)
    for name, value in elements.items():
        if value is LEFT_OUT:
            del document["entry"][number]["resource"][name]
        else:
            document["entry"][number]["resource"][name] = value
    return document


def told(document):
    return [(p.expression, p.issue_type) for p in validate(document)]


def in_entry(number, rest=""):
    return f"Bundle.entry[{number}].resource{rest}"


PARTICIPANT = SAMPLE["entry"][APPOINTMENT]["resource"]["participant"]


def bundle(type_, *entries, **elements):
    return {"resourceType": "Bundle", "type": type_, **elements, "entry": list(entries)}


PATIENT_ENTRY = {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}}
TASK = {
    "resourceType": "Task",
    "status": "requested",
    "intent": "order",
    "code": {"coding": [{"system": "urn:blume:task", "code": "share-study", "display": "Share study"}]},
    "focus": {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.826.0.1"}},
    "for": {"identifier": {"system": "urn:oid:2.25.2001", "value": "12345"}},
    "authoredOn": "2025-11-20T15:30:00-03:00",
    "owner": {"identifier": {"system": "urn:omegaai:org", "value": "org-1"}},
    "restriction": {"period": {"end": "2025-12-20T15:30:00-03:00"}},
    "input": [
        {"type": {"text": "method"}, "valueCode": "email-link"},
        {"type": {"text": "recipient"}, "valueString": "dr@example.org"},
    ],
}
QUESTIONNAIRE_RESPONSE = {
    "resourceType": "QuestionnaireResponse",
    "identifier": {"system": "urn:blume:form", "value": "qr-10"},
    "basedOn": [{"reference": "ServiceRequest/sr-55"}],
    "questionnaire": "https://example.org/Questionnaire/ct-safety|2",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "authored": "2025-11-20T15:29:00-03:00",
    "source": {"reference": "Patient/p1"},
    "item": [
        {
            "linkId": "1",
            "text": "Alergia a contraste?",
            "answer": [
                {
                    "valueCoding": {"code": "yes", "display": "Sim"},
                    "item": [
                        {"linkId": "1.1", "text": "Qual?", "answer": [{"valueString": "Iodo \u2013 reação leve"}]},
                    ],
                },
            ],
        },
        {"linkId": "2", "text": "Peso", "answer": [{"valueDecimal": 71.5}, {"valueInteger": 71}]},
    ],
}
