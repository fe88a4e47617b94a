"""What the FHIR door says, without a door: Tasks, answers to odd documents, heads of requests."""

import json
from itertools import combinations

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.task import Task

from connectors.fhir_answers import accepted, operation_outcome, task
from connectors.fhir_refusals import BODY_TOO_LARGE, HTTP_INVALID, NOT_ACCEPTABLE, REFUSALS, Refusal
from connectors.fhir_request import announces_body, answer_type, is_fhir_json, named, read_submission
from messages.lifecycle import Status
from messages.message import Message
from messages.problem import Problem
from tests.fhir_listener_kit import CANARY, appointment, bundle, delivery, patient

TASK = "01M807HZ9T2FBTXCFNJG34SWX8"


def message(focus=None):
    return Message(
        number=1,
        id=TASK,
        channel="appointments",
        revision="1",
        received_at=0.0,
        peer="127.0.0.1",
        content_type="application/fhir+json",
        body=b"",
        focus=focus,
    )


def answer_to(document, *messages):
    answer = accepted(document, messages, base="/fhir", endpoint="http://door.example/fhir")
    return answer, json.loads(answer.body)


def task_of(*statuses):
    document = json.loads(task(TASK, [delivery(f"d{n}", status, 10.0 * n) for n, status in enumerate(statuses)]))
    Task.model_validate(document)
    return document


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        (["RECEIVED"], "accepted"),
        (["RECEIVED", "RECEIVED"], "accepted"),
        (["TRANSFORMED"], "in-progress"),
        (["QUEUED"], "in-progress"),
        (["PENDING"], "in-progress"),
        (["RECEIVED", "SENT"], "in-progress"),
        (["SENT"], "completed"),
        (["VERIFIED", "SENT"], "completed"),
        (["SENT", "FILTERED"], "completed"),
        (["FILTERED"], "rejected"),
        (["FILTERED", "FILTERED"], "rejected"),
        (["CANCELLED"], "cancelled"),
        (["SENT", "CANCELLED"], "cancelled"),
        (["ERROR"], "on-hold"),
        (["ERROR", "QUEUED", "SENT"], "on-hold"),
        ([], "completed"),
    ],
)
def test_a_task_shows_the_worst_news_of_all_deliveries(statuses, shown):
    assert task_of(*statuses)["status"] == shown


def test_every_pair_of_statuses_gives_a_valid_task():
    for pair in combinations(Status, 2):
        assert [output["valueCoding"]["code"] for output in task_of(*pair)["output"]] == list(pair)


def test_a_task_was_last_modified_when_its_latest_delivery_was():
    assert task_of("SENT", "SENT", "QUEUED")["lastModified"] == "1970-01-01T00:00:20.000Z"


def test_a_parked_task_says_whom_to_ask_and_not_what_the_peer_said():
    document = task_of("ERROR")

    assert document["statusReason"] == {"text": "Parked: a person at the host decides. The Task's id is all they need."}
    assert CANARY not in json.dumps(document, ensure_ascii=False)


def test_an_operation_outcome_has_one_issue_for_each_problem():
    problems = [
        Problem(code="FHIR_INVALID", text="is missing", expression="Appointment.status", issue_type="required"),
        Problem(code="FHIR_ODD", text="is odd", hint="mend it", severity="warning"),
    ]

    outcome = json.loads(operation_outcome(problems))

    OperationOutcome.model_validate(outcome)
    system = "urn:plugin-host:problem"
    assert outcome["issue"] == [
        {
            "severity": "error",
            "code": "required",
            "details": {"coding": [{"system": system, "code": "FHIR_INVALID"}], "text": "is missing"},
            "expression": ["Appointment.status"],
        },
        {
            "severity": "warning",
            "code": "invalid",
            "details": {"coding": [{"system": system, "code": "FHIR_ODD"}], "text": "is odd"},
            "diagnostics": "mend it",
        },
    ]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_every_refusal_of_the_door_is_a_valid_operation_outcome(refusal):
    OperationOutcome.model_validate_json(operation_outcome(refusal.problems.problems))


def test_the_codes_of_the_refusals_are_distinct():
    assert len({refusal.code for refusal in REFUSALS}) == len(REFUSALS)


def test_a_bundle_without_entries_is_answered_without_entries():
    answer, document = answer_to({"resourceType": "Bundle", "type": "batch"})

    Bundle.model_validate(document)
    assert (document, dict(answer.headers)) == ({"resourceType": "Bundle", "type": "batch-response"}, {})


def test_where_no_message_came_of_a_document_the_answer_says_so():
    _, document = answer_to(bundle("collection", patient()))

    OperationOutcome.model_validate(document)
    assert document["issue"][0]["details"] == {"text": "Accepted and stored. No channel has anything to do with it."}


def test_a_message_about_a_whole_bundle_without_an_appointment_stands_at_its_first_entry():
    _, document = answer_to(bundle("batch", patient(), patient()), message())

    assert [entry["response"].get("location") for entry in document["entry"]] == [f"Task/{TASK}", None]


@pytest.mark.parametrize(
    ("header", "full_url", "answered"),
    [
        ({"id": "h1"}, "urn:uuid:00000000-0000-4000-8000-000000000001", "h1"),
        ({}, "urn:uuid:00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000001"),
        ({}, "https://blume.example/MessageHeader/77", "77"),
        ({}, "urn:oid:1.2 3", "unknown"),
    ],
)
def test_the_answer_to_a_message_names_the_header_that_it_answers(header, full_url, answered):
    asked = {"resourceType": "MessageHeader", "eventUri": "urn:event", "source": {"endpoint": "urn:blume"}, **header}
    request = bundle("message", asked, appointment())
    request["entry"][0]["fullUrl"] = full_url

    _, document = answer_to(request, message(focus=1))

    Bundle.model_validate(document)
    first = document["entry"][0]["resource"]
    assert (first["response"]["identifier"], first["eventUri"]) == (answered, "urn:event")


@pytest.mark.parametrize(
    ("content_type", "known"),
    [
        (b"application/fhir+json", True),
        (b"application/json;", True),
        (b"application/json; charset=utf8", True),
        (b"", False),
        (b"application/fhir+json, text/html", False),
        (b"application/fhir+json; fhirVersion=5.0", False),
        (b"application/fhir+json; boundary=x", False),
        (b"application/fhir+json; charset=utf-16", False),
    ],
)
def test_a_content_type_is_fhir_json_or_not(content_type, known):
    assert is_fhir_json(content_type) is known


@pytest.mark.parametrize(
    ("accept", "query", "answered"),
    [
        (None, b"", b"application/fhir+json; fhirVersion=4.0"),
        (b"application/json, */*;q=0.1", b"", b"application/json"),
        (b"application/json;q=0.5, application/fhir+json", b"", b"application/fhir+json; fhirVersion=4.0"),
        (b"application/fhir+json;q=0, */*", b"", b"application/json"),
        (b"*/*;q=high", b"", NOT_ACCEPTABLE),
        (b"", b"", NOT_ACCEPTABLE),
        (b"text/html", b"_format=application/fhir%2Bjson", b"application/fhir+json; fhirVersion=4.0"),
        (b"*/*", b"_format=application/fhir+xml", NOT_ACCEPTABLE),
    ],
)
def test_the_most_specific_range_of_accept_decides(accept, query, answered):
    assert answer_type(accept, query) == answered


@pytest.mark.parametrize(
    ("headers", "announced"),
    [
        ([], False),
        ([(b"content-length", b"0")], False),
        ([(b"content-length", b"10")], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
def test_a_body_is_announced_or_not(headers, announced):
    assert announces_body(headers) is announced


def test_a_header_that_is_a_list_may_come_in_parts_and_one_that_is_not_may_not():
    host = (b"host", b"door")

    assert named([host, (b"accept", b"a/b"), (b"accept", b"c/d")], "1.1") == {b"host": b"door", b"accept": b"a/b, c/d"}
    assert named([host, (b"content-type", b"a/b"), (b"content-type", b"c/d")], "1.1") is HTTP_INVALID


def test_a_head_over_the_limit_is_refused_before_anything_else():
    headers = {b"content-length": b"11", b"content-type": b"text/plain"}

    assert read_submission(headers, "1.1", max_bytes=10) is BODY_TOO_LARGE
    assert isinstance(read_submission(headers, "1.1", max_bytes=11), Refusal)
