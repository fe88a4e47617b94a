"""The FHIR sender and what OmegaAI answers, or does not: each answer has one meaning; what may be asked again."""

import logging
import tracemalloc

import pytest

from connectors.fhir_sender import FhirSender
from messages.lifecycle import Event
from simulators.omegaai import OmegaAI
from tests.fhir_sender_kit import appointment, bundle, deliver, envelope, posted, run, update

PLAIN_CREATE = envelope("POST", "Appointment", body=appointment("F-77", status="booked"))


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
