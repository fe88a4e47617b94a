"""The FHIR door over real HTTP: what is accepted and how it is answered, the Task, the CapabilityStatement."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.task import Task

from connectors import fhir_refusals as refusals
from connectors.base import SourceConnector
from connectors.fhir_listener import FhirListener
from tests.fhir_listener_kit import DictIntake, Door, appointment, bundle, delivery, outcome, parsed, patient

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


@pytest.mark.parametrize(
    "unknown", [UNKNOWN, "01M807HZ9T2FBTXCFNJG34SWX8", "1", "..%2Fmetadata", "01m807hz9t2fbtxcfnjg34swx8"]
)
def test_a_task_that_is_not_known_is_not_found(door, unknown):
    status, _, body = door.request("GET", f"/fhir/Task/{unknown}")

    assert (status, parsed(body, OperationOutcome)["resourceType"]) == (404, "OperationOutcome")


def test_an_unknown_task_says_so(door):
    _, _, body = door.request("GET", f"/fhir/Task/{UNKNOWN}")

    assert parsed(body, OperationOutcome) == outcome(refusals.TASK_UNKNOWN)
