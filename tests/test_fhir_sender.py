"""The FHIR sender at the connector's own level: OmegaAI on a real socket, doing what its script says."""

import json
import logging
import tracemalloc

import pytest

from connectors.base import DestinationConnector
from connectors.fhir_sender import FhirSender
from messages.lifecycle import Event
from simulators.omegaai import OmegaAI
from tests.fhir_sender_kit import FILLER, PLACER, appointment, bundle, create, deliver, envelope, posted, run, update

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


# -- what an answer means -----------------------------------------------------------------------------------

ANSWERS = {
    "400": Event.REFUSED,
    "401": Event.DEFERRED,
    "403": Event.REFUSED,
    "404": Event.REFUSED,
    "405": Event.REFUSED,
    "408": Event.DEFERRED,
    "410": Event.REFUSED,
    "415": Event.REFUSED,
    "422": Event.REFUSED,
    "423": Event.DEFERRED,
    "425": Event.DEFERRED,
    "429 7": Event.DEFERRED,
    "500": Event.DEFERRED,
    "501": Event.REFUSED,
    "502": Event.DEFERRED,
    "503 9": Event.DEFERRED,
    "504": Event.DEFERRED,
    "redirect": Event.DEFERRED,
    "html 404": Event.REFUSED,
    "html 502": Event.DEFERRED,
    "error": Event.REFUSED,
    "minimal": Event.ACCEPTED,
    "gzip": Event.ACCEPTED,
    "slow": Event.ACCEPTED,
    "html": ConnectionError,
    "empty": ConnectionError,
    "bomb": ConnectionError,
    "garbage": ConnectionError,
    "hang up": ConnectionError,
    "hang up mid-answer": ConnectionError,
    "no answer": TimeoutError,
}


@pytest.mark.parametrize(("answer", "outcome"), ANSWERS.items())
def test_each_answer_to_a_write_has_one_meaning_and_is_asked_for_once(answer, outcome):
    with OmegaAI([answer]) as peer:
        (came,) = deliver(peer, PLAIN_CREATE, answer_within=0.3 if answer == "no answer" else 10)
        asked = len(peer.requests)
    assert (came if isinstance(came, type) else came.event) is outcome
    assert asked == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("404", Event.REFUSED), ("500", Event.DEFERRED), ("error", Event.REFUSED), ("html", ConnectionError),
     ("empty", ConnectionError), ("minimal", ConnectionError)],
)  # fmt: skip
def test_a_search_without_an_answer_that_counts_is_not_taken_for_nothing_found(answer, outcome):
    with OmegaAI([answer]) as peer:
        (came,) = deliver(peer, update("F-77", status="booked"))
        held = peer.records.all("Appointment")
    assert (came if isinstance(came, type) else came.event) is outcome
    assert held == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("422", "422 Unprocessable Entity: processing: scripted 422"),
        ("503 9", "503 Service Unavailable: Retry-After 9; processing: scripted 503"),
        ("error", "200 OK, but: business-rule: the rule book says no"),
        ("html 502", "502 Bad Gateway: no FHIR, but text/html"),
        ("redirect", "307 Temporary Redirect"),
    ],
)
def test_a_person_reads_the_servers_own_words(answer, reason):
    with OmegaAI([answer]) as peer:
        (reply,) = deliver(peer, PLAIN_CREATE)
    assert reply.reason == reason


def test_the_answer_is_kept_with_the_headers_that_say_what_was_written():
    with OmegaAI(["minimal"]) as peer:
        (reply,) = deliver(peer, PLAIN_CREATE)
        location = f"{peer.base}/Appointment/o1/_history/1"
    assert reply.raw.split(b"\r\n") == [
        b"HTTP 201 Created", b"content-type: application/fhir+json; charset=utf-8", b'etag: W/"1"',
        f"location: {location}".encode(), b"", b"",
    ]  # fmt: skip
    assert reply.reason == "201 Created Appointment/o1/_history/1"


def test_one_failed_entry_of_a_batch_is_a_refusal_that_names_it():
    with OmegaAI(["entry 422"]) as peer:
        (reply,) = deliver(peer, bundle("batch", posted("F-1"), posted("F-2")))
    assert reply.event is Event.REFUSED
    assert reply.reason == "200 OK, but 1 of 2 entries failed: entry 0: 422 processing: not this one"


@pytest.mark.parametrize("answer", ["nothing found", "html", "minimal"])
def test_an_answer_that_does_not_answer_each_entry_does_not_count(answer):
    with OmegaAI([answer]) as peer:
        assert deliver(peer, bundle("transaction", posted("F-1"))) == [ConnectionError]


def test_a_bomb_is_given_up_before_it_unpacks():
    with OmegaAI(["bomb"]) as peer:
        sender = FhirSender(base=peer.base, max_answer_bytes=100_000)
        tracemalloc.start()
        (outcome,) = deliver(peer, PLAIN_CREATE, sender=sender)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert outcome is ConnectionError
    assert peak < 80_000_000  # the simulator's own 64 MiB, and little of ours


# -- what may be asked again --------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["hang up", "hang up mid-answer", "garbage", "done and hang up"])
def test_a_write_under_a_condition_is_begun_once_more_and_done_once(broken):
    with OmegaAI(["accept", broken]) as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        (reply,) = deliver(peer, update("F-77", status="booked"))
        (held,) = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert (held["status"], held["meta"]["versionId"]) == ("booked", "2")


def test_a_create_under_a_condition_that_was_done_without_an_answer_is_not_done_twice():
    with OmegaAI(["accept", "done and hang up"]) as peer:
        (reply,) = deliver(peer, update("F-77", status="booked"))
        held = peer.records.all("Appointment")
    assert reply.event is Event.ACCEPTED
    assert len(held) == 1


def test_what_is_broken_twice_is_unanswered():
    with OmegaAI(["accept", "hang up", "hang up"]) as peer:
        peer.records.write(appointment("F-77", status="proposed"))
        assert deliver(peer, update("F-77", status="booked")) == [ConnectionError]


@pytest.mark.parametrize(
    ("condition", "outcome", "times"), [(None, ConnectionError, 1), ("identifier=F-1", Event.ACCEPTED, 2)]
)
def test_a_transaction_is_begun_again_only_if_each_entry_may_be(condition, outcome, times):
    with OmegaAI(["hang up"]) as peer:
        (came,) = deliver(peer, bundle("transaction", posted("F-1", condition)))
        asked = len(peer.requests)
    assert ((came if isinstance(came, type) else came.event), asked) == (outcome, times)


# -- whether the server is there ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504, 307])
def test_a_server_that_takes_nothing_now_costs_no_attempt(status):
    with OmegaAI() as peer:
        peer.metadata_status = status
        with pytest.raises(ConnectionError, match=str(status)):
            deliver(peer, PLAIN_CREATE)
        assert peer.requests == []


@pytest.mark.parametrize("status", [200, 401, 404, 405, 500])
def test_any_other_answer_shows_that_the_server_is_there(status):
    with OmegaAI() as peer:
        peer.metadata_status = status
        (reply,) = deliver(peer, PLAIN_CREATE)
    assert reply.event is Event.ACCEPTED


def test_a_server_that_cannot_be_reached_is_an_oserror_of_open():
    with OmegaAI() as peer:
        pass
    with pytest.raises(ConnectionError, match="no connection"):
        deliver(peer, PLAIN_CREATE)


def test_a_server_that_asks_us_to_wait_is_left_alone():
    with OmegaAI(["503 60"]) as peer:
        sender = FhirSender(base=peer.base)

        async def twice():
            await sender.open()
            reply = await sender.send(PLAIN_CREATE, "C1")
            with pytest.raises(ConnectionError, match="asked us to wait 60 s more"):
                await sender.open()
            await sender.close()
            return reply

        reply = run(twice())
        asked = len(peer.requests)
    assert (reply.event, asked) == (Event.DEFERRED, 1)


def test_one_connection_serves_many_messages():
    with OmegaAI() as peer:
        deliver(peer, *[update(f"F-{number}", status="booked") for number in range(5)])
        assert (len(peer.requests), peer.connections) == (10, 1)


def test_a_proxy_is_gone_through_where_the_site_names_one_and_the_environment_does_not_count(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with OmegaAI() as proxy:
        through = FhirSender(base="http://127.0.0.1:1/fhir", proxy=f"http://127.0.0.1:{proxy.port}")
        (reply,) = deliver(proxy, PLAIN_CREATE, sender=through)
        (direct,) = deliver(proxy, PLAIN_CREATE)
        targets = [request.target for request in proxy.requests]
    assert (reply.event, direct.event) == (Event.ACCEPTED, Event.ACCEPTED)
    assert targets == ["http://127.0.0.1:1/fhir/Appointment", "/fhir/Appointment"]


# -- what is not told ---------------------------------------------------------------------------------------


def test_no_identifier_stands_in_a_url_an_error_or_a_log(caplog):
    caplog.set_level(logging.DEBUG)
    change = update("CANARY-77", status="booked")
    with OmegaAI(["accept", "accept", "500", "garbage*2", "html"]) as peer:
        outcomes = deliver(peer, change, update("CANARY-77", status="noshow"), change, change, errors=True)
        targets = [request.target for request in peer.requests]
    told = [*targets, *(str(outcome) for outcome in outcomes if isinstance(outcome, Exception)), caplog.text]
    assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 2
    assert [text for text in told if "CANARY" in text] == []


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
