"""How the FHIR door refuses: every status with its whole OperationOutcome, and nothing of a patient in any."""

import json

import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

from connectors import fhir_refusals as refusals
from tests.fhir_listener_kit import CANARY, DictIntake, Door, appointment, bundle, issue, outcome, parsed, patient

UNKNOWN = "01M807HZ9T2FBTXCFNJG34SWX8"


@pytest.fixture(scope="module")
def open_door():
    with Door(DictIntake()) as door:
        yield door


@pytest.fixture
def intake(open_door):
    return open_door.emptied()


@pytest.fixture
def door(open_door, intake):
    return open_door


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"Content_Type": "text/plain"}, refusals.MEDIA_TYPE_UNSUPPORTED),
        ({"Content_Type": "application/fhir+xml"}, refusals.MEDIA_TYPE_UNSUPPORTED),
        ({"Content_Type": "application/fhir+json; fhirVersion=3.0"}, refusals.MEDIA_TYPE_UNSUPPORTED),
        ({"Content_Type": "application/json; charset=latin-1"}, refusals.MEDIA_TYPE_UNSUPPORTED),
        ({"Content_Encoding": "gzip"}, refusals.CONTENT_ENCODING_UNSUPPORTED),
        ({"Accept": "application/fhir+xml"}, refusals.NOT_ACCEPTABLE),
        ({"Accept": "application/fhir+json; fhirVersion=5.0"}, refusals.NOT_ACCEPTABLE),
        ({"Accept": "application/*;q=0"}, refusals.NOT_ACCEPTABLE),
        ({"path": "/fhir?_format=xml"}, refusals.NOT_ACCEPTABLE),
        ({"Idempotency_Key": ""}, refusals.IDEMPOTENCY_KEY_INVALID),
        ({"Idempotency_Key": "k" * 201}, refusals.IDEMPOTENCY_KEY_INVALID),
        ({"Idempotency_Key": "schlüssel"}, refusals.IDEMPOTENCY_KEY_INVALID),
    ],
)
def test_a_head_that_asks_for_what_is_not_offered_is_refused_and_recorded(door, intake, change, refusal):
    status, _, body = door.post(appointment(), **change)

    assert (status, parsed(body, OperationOutcome)) == (refusal.status, outcome(refusal))
    assert intake.arrivals == []
    assert [(arrival.body, problems) for arrival, problems in intake.refusals] == [(b"", refusal.problems.problems)]


@pytest.mark.parametrize(
    ("document", "path", "refusal"),
    [
        (patient(), "/fhir", refusals.RESOURCE_UNSUPPORTED),
        (patient(), "/fhir/Appointment", refusals.RESOURCE_UNSUPPORTED),
        (bundle("batch", appointment()), "/fhir/Appointment", refusals.RESOURCE_UNSUPPORTED),
        (appointment(), "/fhir/$process-message", refusals.RESOURCE_UNSUPPORTED),
        (bundle("searchset"), "/fhir", refusals.BUNDLE_TYPE_UNSUPPORTED),
        (bundle("history"), "/fhir", refusals.BUNDLE_TYPE_UNSUPPORTED),
        (bundle("batch", appointment()), "/fhir/$process-message", refusals.BUNDLE_TYPE_UNSUPPORTED),
    ],
)
def test_what_an_address_does_not_take_is_refused_and_recorded_with_its_body(door, intake, document, path, refusal):
    status, _, body = door.post(document, path)

    assert (status, parsed(body, OperationOutcome)) == (422, outcome(refusal))
    assert [(arrival.body, problems) for arrival, problems in intake.refusals] == [
        (json.dumps(document).encode(), refusal.problems.problems)
    ]


def test_what_is_no_json_is_a_bad_request(door):
    status, _, body = door.post(b'{"resourceType": "Appointment",')

    assert status == 400
    assert parsed(body, OperationOutcome)["issue"] == [
        {
            "severity": "error",
            "code": "invalid",
            "details": {
                "coding": [{"system": "urn:plugin-host:problem", "code": "JSON_SYNTAX"}],
                "text": "This is not JSON.",
            },
        }
    ]


def test_what_breaks_the_rules_of_fhir_is_refused_with_every_problem_and_its_place(door):
    incomplete = appointment()
    del incomplete["status"]

    status, _, body = door.post(bundle("transaction", incomplete, patient(), incomplete))

    assert status == 422
    assert parsed(body, OperationOutcome)["issue"] == [
        {
            "severity": "error",
            "code": "required",
            "details": {
                "coding": [{"system": "urn:plugin-host:problem", "code": "FHIR_INVALID"}],
                "text": "Appointment.status is missing.",
            },
            "diagnostics": "Give a status.",
            "expression": [f"Bundle.entry[{number}].resource.status"],
        }
        for number in (0, 2)
    ]


def test_other_content_under_the_same_identity_is_a_conflict(door):
    door.post(appointment(), Idempotency_Key="7")

    status, _, body = door.post(appointment(status="cancelled"), Idempotency_Key="7")

    assert (status, parsed(body, OperationOutcome)) == (409, outcome(refusals.IDENTITY_CONFLICT))


def test_while_the_store_cannot_commit_the_sender_is_told_to_come_back(door, intake):
    intake.disk_full = True

    status, headers, body = door.post(appointment())

    assert (status, headers["retry-after"]) == (503, "5")
    assert parsed(body, OperationOutcome) == outcome(refusals.STORE_UNAVAILABLE)


def test_a_refusal_that_cannot_be_recorded_is_still_the_same_refusal(door, intake, caplog):
    intake.disk_full = True

    status, _, body = door.post(appointment(), Content_Type="text/plain")

    assert (status, parsed(body, OperationOutcome)) == (415, outcome(refusals.MEDIA_TYPE_UNSUPPORTED))
    assert [record.message for record in caplog.records] == ["refusal not recorded"]


def test_a_bug_is_answered_with_a_number_that_the_log_has_and_nothing_else(door, intake, caplog):
    intake.bug = True

    status, _, body = door.post(appointment())

    (record,) = caplog.records
    hint = {"diagnostics": f"The host's log has it as incident {record.incident}."}
    expected = {"resourceType": "OperationOutcome", "issue": [issue(refusals.HOST_ERROR) | hint]}
    assert (status, parsed(body, OperationOutcome)) == (500, expected)
    assert (record.message, record.error) == ("host error", "KeyError")
    assert CANARY not in str(vars(record))

    intake.bug = False
    assert door.post(appointment())[0] == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("POST", "/"), ("GET", "/fhir/Patient"), ("POST", "/fhir/Patient"), ("GET", "/fhir/Task/")],
)
def test_an_address_that_has_nothing_is_not_found(door, method, path):
    status, _, body = door.request(method, path)

    assert (status, parsed(body, OperationOutcome)) == (404, outcome(refusals.NOT_FOUND))


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/fhir", "OPTIONS, POST"),
        ("PUT", "/fhir/Appointment", "OPTIONS, POST"),
        ("HEAD", "/fhir/Appointment", "OPTIONS, POST"),
        ("POST", "/fhir/metadata", "GET, HEAD, OPTIONS"),
        ("DELETE", f"/fhir/Task/{UNKNOWN}", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_an_address_does_not_take_is_answered_with_those_it_takes(door, method, path, allow):
    status, headers, body = door.request(method, path)

    assert (status, headers["allow"]) == (405, allow)
    assert method == "HEAD" or parsed(body, OperationOutcome) == outcome(refusals.METHOD_NOT_ALLOWED)


def test_no_answer_but_the_accepted_one_holds_a_value_of_a_patient(door, intake, caplog):
    incomplete = appointment()
    del incomplete["status"]
    bodies = [
        door.post(document, path, **headers)[2]
        for document, path, headers in [
            (incomplete, "/fhir", {}),
            (patient(), "/fhir", {}),
            (bundle("searchset", patient()), "/fhir", {}),
            (json.dumps(patient()).encode()[:-5], "/fhir", {}),
            (appointment(), f"/fhir/{CANARY.encode().hex()}", {}),
            (appointment(), "/fhir", {"Content_Type": "text/" + CANARY.encode().hex()}),
            (bundle("batch", patient(), appointment()), "/fhir", {}),
        ]
    ]
    bodies.append(door.request("GET", f"/fhir/Task/{intake.messages[0].id}")[2])
    intake.bug = True
    bodies.append(door.post(appointment(status="cancelled"))[2])

    for body in bodies:
        assert CANARY not in json.dumps(json.loads(body), ensure_ascii=False)
        assert CANARY.encode().hex().encode() not in body
    assert CANARY not in caplog.text
