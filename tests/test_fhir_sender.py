"""The FHIR sender at the connector's own level: OmegaAI on a real socket, doing what its script says."""

import json

import pytest

from connectors.base import DestinationConnector
from connectors.fhir_sender import FhirSender
from messages.lifecycle import Event
from simulators.omegaai import OmegaAI
from tests.fhir_sender_kit import FILLER, PLACER, appointment, bundle, create, deliver, envelope, posted, update

PLAIN_CREATE = envelope("POST", "Appointment", body=appointment("F-77", status="booked"))


# -- what is written ----------------------------------------------------------------------------------------


def test_it_is_a_destination_connector():
    assert isinstance(FhirSender(base="http://127.0.0.1/fhir"), DestinationConnector)


def test_an_appointment_that_the_server_does_not_have_is_created_under_a_condition():
    with OmegaAI() as peer:
        (reply,) = deliver(peer, update("F-77", status="booked"))
        search, create_it = peer.requests
    assert (reply.event, reply.reason) == (Event.ACCEPTED, "201 Created Appointment/o1/_history/1")
    assert (search.method, search.target) == ("POST", "/fhir/Appointment/_search")
    assert search.body == b"identifier=urn%3Aoid%3A2.25.1002%7CF-77"
    assert search.headers["prefer"] == "handling=strict"
    assert (create_it.method, create_it.target) == ("POST", "/fhir/Appointment")
    assert create_it.headers["if-none-exist"] == "identifier=urn%3Aoid%3A2.25.1002%7CF-77"
    assert create_it.headers["content-type"] == "application/fhir+json"
    assert create_it.headers["accept"] == "application/fhir+json; fhirVersion=4.0"
    assert search.headers["x-request-id"] == create_it.headers["x-request-id"] == "C1"


def test_an_update_is_put_into_what_the_server_holds_and_written_with_if_match():
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="proposed", comment="by the patient", minutesDuration=30))
        (reply,) = deliver(peer, update("F-77", status="booked", minutesDuration=None))
        _, put = peer.requests
        (held,) = peer.records.all("Appointment")
    assert (reply.event, reply.reason) == (Event.ACCEPTED, "200 OK Appointment/o1/_history/2")
    assert (put.method, put.target, put.headers["if-match"]) == ("PUT", "/fhir/Appointment/o1", 'W/"1"')
    assert (held["status"], held["comment"]) == ("booked", "by the patient")
    assert "minutesDuration" not in held


def test_a_resource_is_found_by_the_second_search_when_the_first_finds_nothing():
    with OmegaAI() as peer:
        peer.records.write(appointment("A-7", system=PLACER, status="proposed"))
        changed = appointment("F-77", status="booked")
        find = [{"identifier": {"system": FILLER, "value": "F-77"}}, {"identifier": {"system": PLACER, "value": "A-7"}}]
        (reply,) = deliver(
            peer, envelope("PUT", "Appointment", body=changed, find=find, join={"identifier": ["system", "value"]})
        )
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert [item["value"] for item in held["identifier"]] == ["A-7", "F-77"]


def test_what_is_so_already_is_not_written_again():
    change = update("F-77", status="booked")
    with OmegaAI() as peer:
        first, second = deliver(peer, change, change)
        methods = [(request.method, request.target) for request in peer.requests]
        (held,) = peer.records.all("Appointment")
    assert (first.event, second.event) == (Event.ACCEPTED, Event.ACCEPTED)
    assert second.reason == "Appointment/o1 is so already; nothing was written"
    assert methods[2:] == [("POST", "/fhir/Appointment/_search")]
    assert held["meta"]["versionId"] == "1"


def test_a_create_of_what_is_there_already_changes_nothing():
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="fulfilled"))
        (reply,) = deliver(peer, create("F-77", status="booked"))
        (held,) = peer.records.all("Appointment")
    assert (reply.event, held["status"]) == (Event.ACCEPTED, "fulfilled")


def test_a_change_that_may_not_follow_what_the_server_holds_is_refused():
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="cancelled"))
        (reply,) = deliver(peer, update("F-77", status="booked", only_if={"status": ["proposed", "pending"]}))
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.REFUSED
    assert reply.reason == "the server's Appointment.status is not one that this change may follow"
    assert held["status"] == "cancelled"


def test_a_change_made_for_another_version_is_refused_but_its_own_resend_is_not():
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        change = envelope("PUT", "Appointment/o1", body=appointment("F-77", status="booked"), if_match="1")
        first, again = deliver(peer, change, change)
        (late,) = deliver(peer, envelope("PUT", "Appointment/o1", body=appointment("F-77", status="x"), if_match="1"))
    assert (first.event, again.event, late.event) == (Event.ACCEPTED, Event.ACCEPTED, Event.REFUSED)


def test_a_whole_resource_replaces_the_servers():
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="proposed", comment="gone"))
        (reply,) = deliver(peer, update("F-77", status="booked", merge=False))
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert "comment" not in held


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (update("F-78", status="booked", missing="refuse"), "the server has no such Appointment"),
        (envelope("PATCH", "Appointment/o9", body=[{"op": "add", "path": "/comment", "value": "x"}]), "404 Not Found"),
    ],
)
def test_what_is_to_be_changed_must_be_there(request_, why):
    with OmegaAI() as peer:
        (reply,) = deliver(peer, request_)
        held = peer.records.all("Appointment")
    assert (reply.event, held) == (Event.REFUSED, [])
    assert reply.reason.startswith(why)


def test_two_resources_with_the_same_identifier_are_for_a_person():
    with OmegaAI() as peer:
        for _ in range(2):
            peer.records.write(appointment("F-77", status="proposed"))
        (reply,) = deliver(peer, update("F-77", status="booked"))
    assert (reply.event, reply.reason) == (Event.REFUSED, "2 resources of type Appointment match; one must")


def test_where_configured_a_change_is_a_json_patch_that_tests_what_it_replaces():
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="proposed", comment="stays"))
        (reply,) = deliver(peer, update("F-77", status="booked", minutesDuration=20), update_with="patch")
        patch = peer.requests[-1]
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert (patch.method, patch.headers["content-type"]) == ("PATCH", "application/json-patch+json")
    assert json.loads(patch.body) == [
        {"op": "test", "path": "/status", "value": "proposed"},
        {"op": "replace", "path": "/status", "value": "booked"},
        {"op": "add", "path": "/minutesDuration", "value": 20},
    ]
    assert (held["status"], held["comment"]) == ("booked", "stays")


def test_a_patch_of_the_transformers_own_is_sent_as_it_is_and_never_repeated():
    patch = [{"op": "replace", "path": "/status", "value": "booked"}]
    change = envelope("PATCH", "Appointment", body=patch, find=[{"identifier": {"system": FILLER, "value": "F-77"}}])
    with OmegaAI(["accept", "hang up", "accept", "accept"]) as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        unanswered, reply = deliver(peer, change, change)
        patches = [json.loads(request.body) for request in peer.requests if request.method == "PATCH"]
    assert (unanswered, reply.event) == (ConnectionError, Event.ACCEPTED)
    assert patches == [patch, patch]


def test_a_transaction_is_accepted_when_every_entry_is_done():
    with OmegaAI() as peer:
        (reply,) = deliver(peer, bundle("transaction", posted("F-1"), posted("F-2")))
        (request,) = peer.requests
        held = peer.records.all("Appointment")
    assert (reply.event, reply.reason) == (Event.ACCEPTED, "200 OK, all 2 entries")
    assert (request.method, request.target) == ("POST", "/fhir")
    assert len(held) == 2


def test_by_the_servers_own_conditional_update_the_whole_resource_is_put_to_a_url_with_the_identifier():
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="proposed", comment="gone"))
        (reply,) = deliver(peer, update("F-77", status="booked"), conditional="server")
        (put,) = peer.requests
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert put.target == "/fhir/Appointment?identifier=urn%3Aoid%3A2.25.1002%7CF-77"
    assert "comment" not in held


# -- when somebody else is quicker --------------------------------------------------------------------------


@pytest.mark.parametrize("update_with", ["put", "patch"])
def test_after_a_conflict_the_change_is_put_into_what_the_server_holds_by_then(update_with):
    with OmegaAI(["accept", "meanwhile"]) as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        (reply,) = deliver(peer, update("F-77", status="booked"), update_with=update_with)
        matches = [request.headers["if-match"] for request in peer.requests if "if-match" in request.headers]
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert matches == ['W/"1"', 'W/"2"']
    assert (held["status"], held["comment"]) == ("booked", "changed by somebody else meanwhile")


def test_a_second_conflict_is_for_a_person():
    with OmegaAI(["accept", "meanwhile", "accept", "meanwhile"]) as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        (reply,) = deliver(peer, update("F-77", status="booked"))
        asked = len(peer.requests)
    assert (reply.event, reply.code, asked) == (Event.REFUSED, "WRITE_CONFLICT", 4)
    assert reply.reason.startswith("412 Precondition Failed")


def test_after_a_conflict_what_the_change_may_follow_is_looked_at_again():
    with OmegaAI(["accept", "meanwhile"]) as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        (reply,) = deliver(peer, update("F-77", status="booked", only_if={"comment": [None]}))
        (held,) = peer.records.all("Appointment")
    assert reply.reason == "the server's Appointment.comment is not one that this change may follow"
    assert (reply.event, reply.code, held["status"]) == (Event.REFUSED, "CHANGED_MEANWHILE", "proposed")


@pytest.mark.parametrize(
    ("allowed", "event"),
    [
        ("2025-12-01T12:00:00+00:00", Event.ACCEPTED),
        ("2025-12-01T13:00:00+00:00", Event.REFUSED),
        ("2025-12-01T12:00:00", Event.REFUSED),
        ("soon", Event.REFUSED),
    ],
)
def test_an_instant_that_the_change_may_follow_is_the_same_in_another_zone(allowed, event):
    with OmegaAI() as peer:
        peer.records.write(appointment("F-77", status="proposed", start="2025-12-01T09:00:00-03:00"))
        (reply,) = deliver(peer, update("F-77", status="booked", only_if={"start": [allowed]}))
    assert reply.event is event


def test_what_somebody_else_created_since_we_looked_is_updated():
    with OmegaAI(["nothing found"]) as peer:
        peer.records.write(appointment("F-77", status="proposed", comment="theirs"))
        (reply,) = deliver(peer, update("F-77", status="booked"))
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert (held["status"], held["comment"]) == ("booked", "theirs")


def test_a_patch_that_the_server_will_not_have_is_refused_when_nobody_was_quicker():
    with OmegaAI(["accept", "422"]) as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        (reply,) = deliver(peer, update("F-77", status="booked"), update_with="patch")
        methods = [request.method for request in peer.requests]
    assert reply.event is Event.REFUSED
    assert methods == ["POST", "PATCH", "POST"]


# -- what cannot be sent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"MSH|", "the request is not JSON"),
        (b"[]", "the request must be a JSON object of: body, find"),
        (envelope("PUT", "Appointment", body={"resourceType": "Appointment"}), "PUT needs an id in the path, or find"),
        (envelope("POST", "Appointment", body={"resourceType": "Patient"}), "the body must be a resource of type"),
        (envelope("POST", "Appointment/1", body={}), "POST creates: its path is a type"),
        (envelope("DELETE", "Appointment/1", body={}), "method must be POST, PUT or PATCH"),
        (envelope("POST", "../admin", body={}), "path must be a type"),
        (envelope("POST", "Appointment?x=1", body={}), "path must be a type"),
        (envelope("PATCH", "Appointment/1", body={}), "the body of PATCH must be a JSON Patch"),
        (envelope("POST", "", body={"type": "message"}), "the body must be a Bundle of type transaction or batch"),
        (update("F-1", missing="ask"), "missing must be create or refuse"),
        (envelope("PUT", "Appointment", body=appointment("F-1"), find=[{"identifier": ""}]), "a value in find must be"),
        (
            envelope("PUT", "Appointment", body=appointment("F-1"),
                     find=[{"identifier": {"system": FILLER, "value": "F-2"}}]),
            "the body must carry the identifier it is found by",
        ),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_read_is_for_a_person_and_nothing_is_asked(encoded, why):
    with OmegaAI() as peer:
        (reply,) = deliver(peer, encoded)
        asked = peer.requests
    assert (reply.event, asked) == (Event.REFUSED, [])
    assert reply.reason.startswith(f"not sent: {why}")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"base": "ftp://x/fhir"}, "base must be http"),
        ({"base": "https://x/fhir?a=b"}, "base must be http"),
        ({"base": "http://fhir.example.org/r4"}, "insecure_plaintext must say why"),
        ({"base": "https://x/fhir", "key_file": "k.pem"}, "key_file needs certificate_file"),
        ({"base": "https://x/fhir", "scope": "s"}, "need authority or oidc_authority"),
        ({"base": "https://x/fhir", "authority": "https://a/b"}, "authority needs client_id"),
    ],
)
def test_settings_that_contradict_each_other_are_told_by_name(settings, why):
    with pytest.raises(ValueError, match=why):
        FhirSender(**settings)
