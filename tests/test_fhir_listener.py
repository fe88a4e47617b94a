"""The FHIR door over real HTTP: what is accepted, and how every refusal is answered."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.task import Task

from connectors import fhir_refusals as refusals
from connectors.base import SourceConnector
from connectors.fhir_listener import FhirListener
from messages.identity import message_id
from tests.fhir_listener_kit import CANARY, DictIntake, Door, appointment, bundle, delivery, issue, outcome, patient

FHIR_JSON = "application/fhir+json; fhirVersion=4.0"
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


def parsed(body, resource):
    """The body, after the model of fhir.resources has accepted it."""
    document = json.loads(body)
    resource.model_validate(document)
    return document


def accepted_issue(task, entry=None):
    text = f"Accepted and stored. Its way can be followed at Task/{task}."
    shown = {"severity": "information", "code": "informational", "details": {"text": text}}
    return shown | ({"expression": [f"Bundle.entry[{entry}]"]} if entry is not None else {})


def test_the_listener_is_a_source_connector():
    assert isinstance(FhirListener(port=0), SourceConnector)


@pytest.mark.parametrize(("kind", "answered"), [("transaction", "transaction-response"), ("batch", "batch-response")])
def test_a_bundle_is_answered_entry_by_entry_in_the_order_of_the_request(door, intake, kind, answered):
    status, headers, body = door.post(bundle(kind, patient(), appointment(), patient(), appointment()))
    first, second = (message.id for message in intake.messages)

    assert (status, headers["location"], headers["content-type"]) == (202, f"/fhir/Task/{first}", FHIR_JSON)
    assert parsed(body, Bundle) == {
        "resourceType": "Bundle",
        "type": answered,
        "entry": [
            {"response": {"status": "202 Accepted"}},
            {"response": {"status": "202 Accepted", "location": f"Task/{first}"}},
            {"response": {"status": "202 Accepted"}},
            {"response": {"status": "202 Accepted", "location": f"Task/{second}"}},
        ],
    }


def test_a_message_about_a_whole_bundle_is_found_at_its_first_appointment(door, intake):
    intake.whole = True

    _, _, body = door.post(bundle("batch", patient(), appointment(), appointment()))

    locations = [entry["response"].get("location") for entry in parsed(body, Bundle)["entry"]]
    assert locations == [None, f"Task/{intake.messages[0].id}", None]


def test_where_two_channels_take_an_entry_its_outcome_names_the_second_task(door, intake):
    intake.channels = 2

    _, _, body = door.post(bundle("batch", appointment()))

    first, second = (message.id for message in intake.messages)
    answer = parsed(body, Bundle)["entry"][0]["response"]
    assert answer == {
        "status": "202 Accepted",
        "location": f"Task/{first}",
        "outcome": {"resourceType": "OperationOutcome", "issue": [accepted_issue(second, entry=0)]},
    }


def test_a_collection_is_answered_with_an_operation_outcome(door, intake):
    status, _, body = door.post(bundle("collection", patient(), appointment()))

    issues = [accepted_issue(intake.messages[0].id, entry=1)]
    assert (status, parsed(body, OperationOutcome)) == (202, {"resourceType": "OperationOutcome", "issue": issues})


@pytest.mark.parametrize("path", ["/fhir", "/fhir/", "/fhir/$process-message"])
def test_a_message_bundle_is_answered_with_a_message(door, intake, path):
    event = {"system": "urn:blume:events", "code": "appointment-requested"}
    header = {"resourceType": "MessageHeader", "id": "h1", "eventCoding": event, "source": {"endpoint": "urn:blume"}}

    status, headers, body = door.post(bundle("message", header, appointment()), path)

    task = intake.messages[0].id
    answer = parsed(body, Bundle)
    first, second = (entry["resource"] for entry in answer["entry"])
    assert (status, headers["location"], answer["type"]) == (202, f"/fhir/Task/{task}", "message")
    assert first["eventCoding"] == event
    assert first["source"] == {"endpoint": f"http://{door.address}/fhir"}
    assert first["response"] == {
        "identifier": "h1",
        "code": "ok",
        "details": {"reference": answer["entry"][1]["fullUrl"]},
    }
    assert second["issue"] == [accepted_issue(task, entry=1)]


@pytest.mark.parametrize("path", ["/fhir", "/fhir/Appointment"])
def test_a_single_appointment_is_taken_at_the_base_and_at_its_type(door, intake, path):
    status, headers, body = door.post(appointment(), path)

    task = intake.messages[0].id
    assert (status, headers["location"]) == (202, f"/fhir/Task/{task}")
    assert parsed(body, OperationOutcome)["issue"] == [accepted_issue(task)]


def test_base_url_is_what_location_begins_with(intake):
    with Door(intake, base_url="https://host.example/r4/", path="/") as door:
        _, headers, _ = door.post(appointment(), "/")

    assert headers["location"] == f"https://host.example/r4/Task/{intake.messages[0].id}"


def test_the_same_request_again_gets_the_same_bytes_and_is_not_processed_twice(door, intake):
    order = bundle("transaction", patient(), appointment())

    first, again = (door.post(order, Idempotency_Key="order 7") for _ in range(2))

    assert (first[0], first[2], first[1]["location"]) == (again[0], again[2], again[1]["location"])
    assert len(intake.messages) == 1
    assert intake.arrivals[0].identity == "key:order 7"


def test_without_a_key_the_intake_finds_the_identity_itself(door, intake):
    door.post(appointment())

    assert intake.arrivals[0].identity is None


def test_an_arrival_holds_the_bytes_the_type_and_the_address_of_the_peer(door, intake):
    raw = json.dumps(appointment(), indent=3).encode()

    door.post(raw)

    arrival = intake.arrivals[0]
    assert (arrival.body, arrival.content_type, arrival.peer) == (raw, "application/fhir+json", "127.0.0.1")


def test_who_prefers_a_minimal_answer_gets_the_status_and_the_location_only(door, intake):
    minimal = door.post(appointment(), Prefer="respond-async, return=minimal")
    full = door.post(appointment())

    assert (minimal[0], minimal[1]["location"], minimal[1]["content-length"], minimal[2]) == (
        202,
        f"/fhir/Task/{intake.messages[0].id}",
        "0",
        b"",
    )
    assert parsed(full[2], OperationOutcome)["issue"] == [accepted_issue(intake.messages[0].id)]


def test_every_answer_forbids_caches_and_guesses(door):
    for _, headers, _ in (door.post(appointment()), door.request("GET", "/nothing"), door.request("OPTIONS", "/fhir")):
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert "server" not in headers


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+json",
        "application/json",
        "application/fhir+json; fhirVersion=4.0",
        'Application/FHIR+JSON;charset="UTF-8" ; fhirVersion=4.0',
    ],
)
def test_fhir_json_is_known_by_all_its_names(door, content_type):
    assert door.post(appointment(), Content_Type=content_type)[0] == 202


@pytest.mark.parametrize(
    ("accept", "path", "answered"),
    [
        ("*/*", "/fhir", FHIR_JSON),
        ("application/*", "/fhir", FHIR_JSON),
        ("application/json", "/fhir", "application/json"),
        ("text/html, application/fhir+json;q=0.5", "/fhir", FHIR_JSON),
        ("application/fhir+json; fhirVersion=4.0", "/fhir", FHIR_JSON),
        ("application/fhir+xml", "/fhir?_format=json", FHIR_JSON),
    ],
)
def test_the_answer_has_the_type_that_was_asked_for(door, accept, path, answered):
    status, headers, _ = door.post(appointment(), path, Accept=accept)

    assert (status, headers["content-type"]) == (202, answered)


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


@pytest.mark.parametrize(("path", "allow"), [("/fhir", "OPTIONS, POST"), ("/fhir/metadata", "GET, HEAD, OPTIONS")])
def test_options_names_the_methods(door, path, allow):
    status, headers, body = door.request("OPTIONS", path)

    assert (status, headers["allow"], body) == (204, allow, b"")


def test_the_capability_statement_is_valid_and_true(door):
    status, headers, body = door.request("GET", "/fhir/metadata")

    statement = parsed(body, CapabilityStatement)
    (rest,) = statement["rest"]
    assert (status, headers["content-type"]) == (200, FHIR_JSON)
    assert (statement["kind"], statement["fhirVersion"]) == ("instance", "4.0.1")
    assert statement["implementation"]["url"] == f"http://{door.address}/fhir"
    declared = {f"/fhir/{resource['type']}" for resource in rest["resource"]}
    declared |= {f"/fhir/${operation['name']}" for operation in rest["operation"]}
    for path in declared - {"/fhir/Task"}:
        assert door.request("OPTIONS", path)[1]["allow"] == "OPTIONS, POST"
    assert door.request("OPTIONS", f"/fhir/Task/{UNKNOWN}")[1]["allow"] == "GET, HEAD, OPTIONS"


def test_head_is_get_without_the_body(door):
    _, got, body = door.request("GET", "/fhir/metadata")
    status, headers, nothing = door.request("HEAD", "/fhir/metadata")

    assert (status, headers["content-length"], nothing) == (200, str(len(body)), b"")
    assert got["content-length"] == headers["content-length"]


def test_an_accepted_message_can_be_followed_as_a_task(door, intake):
    _, headers, _ = door.post(appointment())
    task = intake.messages[0].id
    intake.deliveries[task] = [delivery("powerserver", "SENT", 1764580001.5), delivery("archive", "QUEUED", 1764580002)]

    status, _, body = door.request("GET", headers["location"])

    system = "urn:plugin-host:delivery-status"
    assert (status, parsed(body, Task)) == (
        200,
        {
            "resourceType": "Task",
            "id": task,
            "status": "in-progress",
            "intent": "order",
            "code": {"text": "Deliver an accepted message"},
            "lastModified": "2025-12-01T09:06:42.000Z",
            "output": [
                {"type": {"text": "powerserver"}, "valueCoding": {"system": system, "code": "SENT"}},
                {"type": {"text": "archive"}, "valueCoding": {"system": system, "code": "QUEUED"}},
            ],
        },
    )


@pytest.mark.parametrize("unknown", [UNKNOWN, message_id(), "1", "..%2Fmetadata", "01m807hz9t2fbtxcfnjg34swx8"])
def test_a_task_that_is_not_known_is_not_found(door, unknown):
    status, _, body = door.request("GET", f"/fhir/Task/{unknown}")

    assert (status, parsed(body, OperationOutcome)["resourceType"]) == (404, "OperationOutcome")


def test_an_unknown_task_says_so(door):
    _, _, body = door.request("GET", f"/fhir/Task/{UNKNOWN}")

    assert parsed(body, OperationOutcome) == outcome(refusals.TASK_UNKNOWN)


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
