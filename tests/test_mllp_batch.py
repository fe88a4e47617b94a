"""Batches over MLLP, where the sender has agreed to them: each message by itself, all of the batch or nothing of it."""

import pytest

from connectors.mllp_batch import read_batch
from messages.problem import Problem
from tests.mllp_listener_kit import DictIntake, Line, listening, message
from transformers import er7

HEAD = b"FHS|^~\\&|PS|BLUME TEST\rBHS|^~\\&|PS|BLUME TEST|BLUME|ORG|20251120||||B77\r"


def batch(*messages, head=HEAD, tail=None):
    tail = b"BTS|%d\rFTS|1\r" % len(messages) if tail is None else tail
    return head + b"".join(messages) + tail


@pytest.fixture
def intake():
    return DictIntake()


def exchange(intake, payload, **settings):
    with listening(intake, **{"batches": True} | settings) as port, Line(port) as line:
        line.send(payload)
        return line.answer()


def test_each_message_of_a_batch_is_accepted_and_acknowledged_in_a_batch(intake):
    answer = exchange(intake, batch(message("A1"), message("A2"), message("A3")))

    lines = answer.split(b"\r")
    assert lines[0].split(b"|")[2:6] == [b"BLUME", b"ORG", b"PS", b"BLUME TEST"]
    assert lines[0].split(b"|")[11] == b"B77", "BHS-12 refers to the batch that is answered"
    assert [line for line in lines if line.startswith(b"MSA")] == [b"MSA|AA|A1", b"MSA|AA|A2", b"MSA|AA|A3"]
    assert lines[-2] == b"BTS|3"
    assert [one.body for one in intake.messages] == [message("A1"), message("A2"), message("A3")]


def test_a_batch_that_comes_again_is_answered_and_not_processed_twice(intake):
    first = exchange(intake, batch(message("A1"), message("A2")))
    second = exchange(intake, batch(message("A1"), message("A2")))

    acknowledgements = [answer.split(b"\r")[1:-2] for answer in (first, second)]
    assert acknowledgements[0] == acknowledgements[1]
    assert len(intake.messages) == 2


def test_one_bad_message_does_not_take_the_others_with_it(intake):
    bad = b"MSH|^~\\&|PS|BLUME TEST|BLUME|ORG|20251120||SIU^S14^SIU_S12||P|2.5.1\r"
    answer = exchange(intake, batch(message("A1"), bad, message("A3")))

    assert [line[:7] for line in answer.split(b"\r") if line.startswith(b"MSA")] == [b"MSA|AA|", b"MSA|AE|", b"MSA|AA|"]
    assert len(intake.messages) == 2


def test_a_message_that_the_channel_refuses_is_refused_in_its_place(intake):
    intake.refuses_with = (Problem(code="ISSUER_UNKNOWN", text="not agreed", expression="PID-3"),)
    answer = exchange(intake, batch(message("A1"), message("A2")))

    assert answer.count(b"\rMSA|AE|") == 2
    assert b"ISSUER_UNKNOWN" in answer


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (batch(message("A1"), message("A2"), tail=b"BTS|3\rFTS|1\r"), b"BTS"),
        (batch(message("A1"), tail=b"BTS|1\rFTS|2\r"), b"FTS"),
        (batch(tail=b"BTS|0\r"), b"BHS"),
        (HEAD + b"PID|1\r" + message("A1") + b"BTS|1\r", b"MSH"),
    ],
    ids=["BTS-1 says more", "FTS-1 says more", "no message", "a segment before the first message"],
)
def test_of_a_batch_that_is_not_whole_nothing_is_taken(intake, payload, place):
    answer = exchange(intake, payload)

    assert b"\rMSA|AE|" in answer
    assert b"BATCH_INVALID" in answer
    assert b"|" + place in answer
    assert intake.messages == []
    assert intake.codes == ["BATCH_INVALID"]


@pytest.mark.parametrize(
    "payload",
    [
        batch(message("A1"), message("A2"), head=b"BHS|^~\\&|PS\r", tail=b"BTS|2\r"),
        batch(message("A1"), message("A2"), head=b"FHS|^~\\&|PS\r", tail=b"FTS|1\r"),
        batch(message("A1"), message("A2"), tail=b""),
        b"\xef\xbb\xbf" + batch(message("A1"), message("A2")).replace(b"\r", b"\r\n"),
        batch(message("A1"), b"\r\r", message("A2"), tail=b"BTS\rFTS\r"),
        HEAD + message("A1") + b"BTS|1\rBHS|^~\\&|PS\r" + message("A2") + b"BTS|1\rFTS|2\r",
    ],
    ids=["no FHS", "no BHS", "no trailers", "BOM and CR LF", "blank lines, trailers without counts", "two batches"],
)
def test_batches_as_they_are_in_the_field(payload):
    found = read_batch(payload)

    assert found.problem is None
    assert [er7.parse(one).segments[0][10][0][0][0] for one in found.messages] == ["A1", "A2"]


def test_without_an_agreement_a_batch_is_rejected(intake):
    answer = exchange(intake, batch(message("A1")), batches=False)

    assert b"MSA|AR|" in answer
    assert intake.messages == []


def test_own_segments_stay_in_what_is_stored(intake):
    payload = message("A1") + b"ZAP|1|kept ^ as it is\r"
    exchange(intake, batch(payload))
    exchange(intake, payload.replace(b"A1", b"A2"), batches=False)

    assert [b"ZAP|1|kept ^ as it is\r" in one.body for one in intake.messages] == [True, True]
