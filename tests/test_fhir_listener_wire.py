"""The FHIR door against slow, large, broken and hostile senders, over raw sockets; and its opening and closing."""

import asyncio
import contextlib
import http.client
import json
import socket

import pytest

from connectors import fhir_refusals as refusals
from tests.fhir_listener_kit import (
    HEAD,
    ORDER,
    DictIntake,
    Door,
    answers,
    appointment,
    chunked,
    exchange,
    post,
    read_answer,
    refused,
    shown,
)


@pytest.fixture(scope="module")
def open_door():
    limits = {"max_bytes": 20_000, "body_within": 0.3, "head_within": 0.3, "max_head_bytes": 8_000, "idle_within": 1}
    with Door(DictIntake(), **limits) as door:
        yield door


@pytest.fixture
def intake(open_door):
    return open_door.emptied()


@pytest.fixture
def door(open_door, intake):
    return open_door


def said(door, *pieces):
    """Send the pieces and return every answer until the door hangs up."""
    with door.connect() as peer:
        for piece in pieces:
            peer.sendall(piece)
        return answers(peer)


def test_one_connection_serves_many_requests(door, intake):
    with contextlib.closing(http.client.HTTPConnection(door.host, door.port, timeout=10)) as connection:
        statuses = [
            exchange(connection, "POST", "/fhir", ORDER, {"Content-Type": "application/json"})[0] for _ in range(3)
        ]
        statuses.append(exchange(connection, "GET", "/fhir/metadata")[0])
        statuses.append(exchange(connection, "GET", "/fhir/nothing")[0])
        statuses.append(exchange(connection, "POST", "/fhir", b"{", {"Content-Type": "application/json"})[0])
        statuses.append(exchange(connection, "POST", "/fhir", ORDER, {"Content-Type": "application/json"})[0])

    assert statuses == [202, 202, 202, 200, 404, 400, 202]


def test_an_idle_connection_is_closed(door):
    with door.connect() as peer:
        peer.sendall(post())

        assert [status for status, _, _ in answers(peer)] == [202]


def test_pipelined_requests_are_answered_in_their_order(door, intake):
    requests = [
        post(b"{"),
        post(),
        b"GET /fhir/nothing HTTP/1.1\r\nHost: door\r\n\r\n",
        post(b"{}x", b"Connection: close"),
    ]

    assert [status for status, _, _ in said(door, b"".join(requests))] == [400, 202, 404, 400]


def test_a_request_in_single_bytes_is_a_request(door, intake):
    status, _, _ = said(door, *(bytes([byte]) for byte in post(ORDER, b"Connection: close")))[0]

    assert (status, intake.arrivals[0].body) == (202, ORDER)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_chunks_is_a_body(door, intake, size):
    head = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

    status, _, _ = said(door, head + chunked(ORDER, size))[0]

    assert (status, intake.arrivals[0].body) == (202, ORDER)


def test_who_waits_for_100_continue_gets_it_before_the_answer(door):
    with door.connect() as peer:
        peer.sendall(HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" % len(ORDER))
        invited = peer.recv(1024)
        peer.sendall(ORDER)

        assert (invited, [status for status, _, _ in answers(peer)]) == (b"HTTP/1.1 100 Continue\r\n\r\n", [202])


def test_who_waits_for_100_continue_with_too_much_is_refused_before_sending_it(door, intake):
    too_much = HEAD + b"Content-Length: 20001\r\nExpect: 100-continue\r\n\r\n"

    with door.connect() as peer:
        peer.sendall(too_much)
        answered = http.client.HTTPResponse(peer)
        answered.begin()

        assert shown(read_answer(answered)) == refused(refusals.BODY_TOO_LARGE)


def test_an_offer_to_speak_http_2_is_ignored(door, intake):
    offer = post(ORDER, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")

    for pieces in ([offer + offer], [bytes([byte]) for byte in offer + offer]):
        assert [status for status, _, _ in said(door, *pieces, post(ORDER, b"Connection: close"))] == [202] * 3
    assert {arrival.body for arrival in intake.arrivals} == {ORDER}


def test_a_body_of_the_largest_size_is_taken(door, intake):
    largest = ORDER[:-1] + b" " * (20_000 - len(ORDER)) + b"}"

    assert door.post(largest)[0] == 202


@pytest.mark.parametrize("size", [20_001, 3_000_000])
def test_a_body_over_the_limit_is_refused_by_its_content_length_and_the_sender_reads_why(door, intake, size):
    status, headers, body = door.post(b" " * size)

    assert (status, json.loads(body)) == refused(refusals.BODY_TOO_LARGE)
    assert (headers["connection"], door.recorded(), intake.arrivals) == ("close", ["BODY_TOO_LARGE"], [])


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(door, intake):
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

    answered = said(door, head, chunked(b" " * 60_000, 5_000))

    assert [shown(answer) for answer in answered] == [refused(refusals.BODY_TOO_LARGE)]
    assert (door.recorded(), intake.arrivals) == (["BODY_TOO_LARGE"], [])


def test_many_large_bodies_at_once_are_refused_before_memory_ends(intake):
    large = ORDER[:-1] + b" " * (60_000 - len(ORDER)) + b"}"
    with Door(intake, max_bytes_at_once=100_000) as door, door.connect() as peer:
        peer.sendall(post(large)[:-1])
        too_much = door.post(large)
        peer.sendall(b"}")
        first = http.client.HTTPResponse(peer)
        first.begin()
        afterwards = door.post(large)

        assert shown(too_much) == refused(refusals.TOO_MUCH_AT_ONCE)
        assert (read_answer(first)[0], afterwards[0]) == (202, 202)


def test_a_body_that_does_not_come_in_time_is_refused(door, intake):
    answered = said(door, post()[:-1])

    assert [shown(answer) for answer in answered] == [refused(refusals.BODY_LATE)]
    assert (door.recorded(), intake.arrivals) == (["BODY_LATE"], [])


def test_a_body_that_drips_is_refused_all_the_same(door, intake):
    with door.connect() as peer:
        peer.sendall(post()[: -len(ORDER)])
        peer.settimeout(0.02)
        answered = b""
        for byte in ORDER:
            peer.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                answered = peer.recv(1024)
                break

    assert answered.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert door.recorded() == ["BODY_LATE"]


def test_a_head_that_does_not_come_in_time_is_refused(door, intake):
    assert [shown(answer) for answer in said(door, HEAD)] == [refused(refusals.HEAD_LATE)]
    assert door.recorded() == ["HEAD_LATE"]


def test_a_second_head_that_does_not_come_in_time_is_refused_too(door, intake):
    with door.connect() as peer:
        peer.sendall(post())
        first = http.client.HTTPResponse(peer)
        first.begin()
        assert read_answer(first)[0] == 202
        peer.sendall(HEAD)

        assert [shown(answer) for answer in answers(peer)] == [refused(refusals.HEAD_LATE)]


def test_a_connection_that_says_nothing_is_closed_without_a_word(door, intake):
    assert (said(door), door.recorded()) == ([], [])


def test_a_head_without_end_is_refused(door, intake):
    endless = [HEAD, *(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(400))]

    with door.connect() as peer:
        with contextlib.suppress(OSError):  # it may close before we have sent it all
            for piece in endless:
                peer.sendall(piece)
        assert [shown(answer) for answer in answers(peer)] == [refused(refusals.HEAD_TOO_LARGE)]
    assert door.recorded() == ["HEAD_TOO_LARGE"]


def test_a_sender_that_goes_away_within_its_body_is_recorded(intake):
    with Door(intake) as door, door.connect() as peer:
        peer.sendall(post()[:-1])
        peer.shutdown(socket.SHUT_WR)

        assert (answers(peer), door.recorded(), intake.arrivals) == ([], ["BODY_CUT_OFF"], [])


SMUGGLING = {
    "both lengths": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, other order": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}xxx",
    "a signed length": HEAD + b"Content-Length: +5\r\n\r\n{}xxx",
    "a blank before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "bare line feeds": HEAD.replace(b"\r", b"") + b"Content-Length: 2\n\n{}",
    "NUL in a header": HEAD + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "chunks in HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no Host": HEAD.replace(b"Host: door\r\n", b"") + b"Content-Length: 2\r\n\r\n{}",
    "two Hosts": HEAD + b"Host: other\r\nContent-Length: 2\r\n\r\n{}",
    "two identities": HEAD + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}",
    "no HTTP at all": b"\x0bMSH|^~\\&|BLUME\r\x1c\r",
    "a tunnel": b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n",
}


@pytest.mark.parametrize("raw", SMUGGLING.values(), ids=SMUGGLING)
def test_a_request_that_two_programs_may_read_differently_is_refused_and_ends_the_connection(door, intake, raw):
    follower = post()

    answered = said(door, raw + follower)

    assert [shown(answer) for answer in answered] == [refused(refusals.HTTP_INVALID)]
    assert (door.recorded(), intake.arrivals) == (["HTTP_INVALID"], [])


def test_a_transfer_encoding_other_than_chunked_is_not_implemented(door, intake):
    raw = HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"

    assert [shown(answer) for answer in said(door, raw)] == [refused(refusals.TRANSFER_ENCODING_UNSUPPORTED)]


def test_a_broken_chunk_is_refused_once_and_recorded_once(door, intake):
    raw = HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\nnonsense\r\n'

    assert [shown(answer) for answer in said(door, raw)] == [refused(refusals.HTTP_INVALID)]
    assert (door.recorded(), intake.arrivals) == (["HTTP_INVALID"], [])


def test_nonsense_behind_a_whole_request_does_not_take_its_answer(door, intake):
    intake.gate = asyncio.Event()
    with door.connect() as peer:
        peer.sendall(post() + b"nonsense\r\n\r\n")
        assert intake.entered.wait(10)
        door.call(intake.gate.set)

        assert [status for status, _, _ in answers(peer)] == [202]
    assert door.recorded() == ["HTTP_INVALID"]


@pytest.mark.parametrize("path", [b"/fhir/nothing", b"/fhir/metadata"])
def test_a_body_that_nobody_wants_ends_the_connection_after_the_answer(door, path):
    request = post().replace(b"/fhir ", path + b" ")

    assert [headers["connection"] for _, headers, _ in said(door, request)] == ["close"]


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"])
def test_what_a_web_page_may_send_without_asking_is_refused(door, intake, content_type):
    simple = post().replace(b"application/fhir+json", content_type)

    assert [shown(answer) for answer in said(door, simple)] == [refused(refusals.MEDIA_TYPE_UNSUPPORTED)]


def test_a_forwarded_address_is_not_believed(door, intake):
    said(door, post(ORDER, b"X-Forwarded-For: 203.0.113.9", b"Connection: close"))

    assert intake.arrivals[0].peer == "127.0.0.1"


def test_more_connections_than_allowed_are_told_to_come_back(intake):
    with Door(intake, connections=2) as door, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(door.connect()).sendall(HEAD)
        crowded = door.post(appointment())
        stack.close()
        while (later := door.post(appointment()))[0] == 503:
            assert later[1]["retry-after"] == "1"

    assert shown(crowded) == refused(refusals.TOO_MANY_CONNECTIONS)
    assert crowded[1]["retry-after"] == "1"
