"""The MLLP door: every complete message gets exactly one answer, and what is not MLLP gets none."""

import asyncio
import itertools
import json
import logging
import socket
import subprocess
import threading

import hl7
import pytest
from hl7.client import MLLPClient
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import SourceConnector
from connectors.mllp_listener import MllpListener
from messages.acknowledgement import read_acknowledgement
from messages.lifecycle import Event
from messages.problem import Problem
from tests.mllp_listener_kit import CANARY, DictIntake, Line, fields, listening, message
from tests.node_peers import PEERS, node

GOLDEN = (PEERS / "siu_s12.hl7").read_bytes()
COMMENT = (PEERS / "siu_s12_comment.hl7").read_bytes()


@pytest.fixture
def intake():
    return DictIntake()


def test_the_listener_is_a_source_connector():
    assert isinstance(MllpListener(port=0), SourceConnector)


def test_a_message_is_accepted_in_original_mode_as_the_standard_says(intake):
    with listening(intake) as port, Line(port) as line:
        line.send(message("A1"))
        answer = line.answer()
    msh = fields(answer, "MSH")
    assert msh[2:7] == ["^~\\&", "BLUME", "ORG", "POWERSERVER", "BLUME TEST"]
    assert msh[9] == "ACK^S14^ACK"
    assert len(msh[10]) == 20
    assert msh[11:] == ["P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8"]
    assert fields(answer, "MSA") == ["MSA", "AA", "A1"]
    assert fields(answer, "ERR") is None
    assert answer.endswith(b"\r")
    (accepted,) = intake.messages
    assert (accepted.body, accepted.peer, accepted.content_type) == (message("A1"), "127.0.0.1", "application/hl7-v2")


@pytest.mark.parametrize(
    ("msh_15", "msh_16", "code"),
    [("", "", "AA"), ("AL", "NE", "CA"), ("AL", "", "CA"), ("AL", "AL", "AA"), ("NE", "AL", "AA"), ("NE", "NE", "AA")],
)
def test_enhanced_mode_gets_its_commit_code_where_it_asks_for_nothing_else(intake, msh_15, msh_16, code):
    with listening(intake) as port, Line(port) as line:
        line.send(message("A1", msh_15=msh_15, msh_16=msh_16))
        assert fields(line.answer(), "MSA")[1] == code


def test_a_resend_gets_the_stored_answer_byte_for_byte_and_is_not_processed_twice(intake):
    with listening(intake) as port:
        answers = []
        for _ in range(3):
            with Line(port) as line:
                line.send(message("A1"))
                answers.append(line.answer())
    assert len(set(answers)) == 1
    assert len(intake.messages) == 1


def test_the_same_control_id_with_other_bytes_is_rejected_as_a_duplicate_key(intake):
    with listening(intake) as port, Line(port) as line:
        line.send(message("A1", text="one"), message("A1", text="two"))
        assert fields(line.answer(), "MSA")[1] == "AA"
        answer = line.answer()
    assert fields(answer, "MSA")[:3] == ["MSA", "AR", "A1"]
    assert fields(answer, "ERR")[2:4] == ["MSH^1^10^1", "205^Duplicate key identifier^HL70357"]


def test_the_same_control_id_from_another_application_is_another_message(intake):
    other = message("A1").replace(b"|POWERSERVER|", b"|OTHER RIS|")
    with listening(intake) as port, Line(port) as line:
        line.send(message("A1"), other)
        assert [fields(line.answer(), "MSA")[1] for _ in range(2)] == ["AA", "AA"]


@pytest.mark.parametrize(
    ("problem", "code", "err"),
    [
        (
            Problem(code="PID_LACKS", text="PID-3 is empty", expression="PID-3", issue_type="required"),
            "AE",
            ["ERR", "", "PID^1^3^1", "101^Required field missing^HL70357", "E", "PID_LACKS", "", "", "PID-3 is empty"],
        ),
        (
            Problem(code="UNMAPPED", text="not in table", expression="AIS-3[2].1.2", issue_type="code-invalid"),
            "AE",
            ["ERR", "", "AIS^1^3^2^1^2", "103^Table value not found^HL70357", "E", "UNMAPPED", "", "", "not in table"],
        ),
        (
            Problem(code="NO_CHANNEL", text="no channel takes this", issue_type="not-supported"),
            "AR",
            ["ERR", "", "", "200^Unsupported message type^HL70357", "E", "NO_CHANNEL", "", "", "no channel takes this"],
        ),
        (
            Problem(code="VERSION", text="only 2.x", expression="MSH-12", issue_type="value"),
            "AR",
            ["ERR", "", "MSH^1^12^1", "203^Unsupported version id^HL70357", "E", "VERSION", "", "", "only 2.x"],
        ),
        (
            Problem(code="X", text="neither a | nor \\ nor &\nbreaks it", expression="Bundle.entry[3]"),
            "AE",
            ["ERR", "", "", "207^Application internal error^HL70357", "E", "X", "", "",
             "neither a \\F\\ nor \\E\\ nor \\T\\ breaks it"],
        ),
    ],
)  # fmt: skip
def test_a_refused_message_is_told_what_and_where_in_msa_3_and_err(intake, problem, code, err):
    intake.refuses_with = (problem,)
    with listening(intake) as port, Line(port) as line:
        line.send(message("A1"))
        answer = line.answer()
    assert fields(answer, "MSA") == ["MSA", code, "A1", err[8]]
    assert fields(answer, "ERR") == err
    assert read_acknowledgement(answer, "A1").event is (Event.DEFERRED if code == "AE" else Event.REFUSED)


def test_every_problem_has_its_err_segment(intake):
    intake.refuses_with = tuple(Problem(code=f"P{n}", text="wrong") for n in range(3))
    with listening(intake) as port, Line(port) as line:
        line.send(message("A1"))
        assert line.answer().count(b"\rERR|") == 3


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "MSH_UNREADABLE"),
        (b"hello", "MSH_UNREADABLE"),
        (b"PID|1\rMSH|^~\\&|A|B\r", "MSH_UNREADABLE"),
        (b"MSHA^~\\&A", "MSH_UNREADABLE"),
        (b"M\x00S\x00H\x00|\x00^\x00~\x00\\\x00&\x00", "MSH_UNREADABLE"),
        (message(""), "CONTROL_ID_MISSING"),
    ],
)
def test_without_a_readable_header_the_answer_is_ar_or_ae_with_our_own_control_id_and_the_bytes_are_kept(
    intake, payload, code
):
    with listening(intake) as port, Line(port) as line:
        line.send(payload)
        answer = line.answer()
        line.send(message("A1"))  # and the line is still good
        assert fields(line.answer(), "MSA")[1] == "AA"
    assert len(fields(answer, "MSH")[10]) == 20
    assert fields(answer, "MSA")[1:3] == ["AR" if code == "MSH_UNREADABLE" else "AE", ""]
    assert intake.refusals == [(code, payload)]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_header_is_read_with_a_byte_order_mark_and_other_line_ends(intake, ending):
    with listening(intake) as port, Line(port) as line:
        line.send(b"\xef\xbb\xbf" + message("A1", ending=ending))
        assert fields(line.answer(), "MSA") == ["MSA", "AA", "A1"]


def test_the_senders_own_separators_are_used(intake):
    with listening(intake) as port, Line(port) as line:
        line.send(b"MSH$%~\\&$A$B$C$D$20251120153000$$ADT%A08$X$P$2.3.1\rPID$1\r")
        answer = line.answer()
    assert answer.startswith(b"MSH$%~\\&$C$D$A$B$")
    assert b"$ACK%A08%ACK$" in answer
    assert b"\rMSA$AA$X\r" in answer


def test_a_store_that_is_full_is_said_and_the_message_may_come_again(intake):
    intake.disk_full = True
    with listening(intake) as port, Line(port) as line:
        line.send(message("A1"))
        answer = line.answer()
        assert fields(answer, "MSA") == ["MSA", "AR", "A1", "Not stored; send the same message again later."]
        assert fields(answer, "ERR")[3] == "207^Application internal error^HL70357"
        intake.disk_full = False
        line.send(message("A1"))
        assert fields(line.answer(), "MSA")[1] == "AA"


def test_a_bug_of_ours_is_answered_and_its_words_go_nowhere(intake, caplog):
    intake.bug = True
    with caplog.at_level(logging.DEBUG), listening(intake) as port, Line(port) as line:
        line.send(message("A1"))
        answer = line.answer()
        intake.bug = False
        line.send(message("A1"))
        assert fields(line.answer(), "MSA")[1] == "AA"
    assert fields(answer, "MSA")[1] == "AR"
    said = "".join(str(vars(record)) for record in caplog.records)
    assert "KeyError" in said
    assert CANARY not in said + answer.decode()


def test_messages_in_one_piece_are_answered_in_order(intake):
    with listening(intake) as port, Line(port) as line:
        line.send(*(message(f"A{n}") for n in range(50)))
        assert [fields(line.answer(), "MSA")[2] for _ in range(50)] == [f"A{n}" for n in range(50)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=2000), max_size=10))
def test_messages_in_pieces_get_one_answer_each(places):
    intake = DictIntake()
    stream = b"\r\n" + b"".join(b"\x0b" + message(f"A{n}") + b"\x1c\x0d" for n in range(3))
    edges = [0, *sorted(place % len(stream) for place in places), len(stream)]
    with listening(intake) as port, Line(port) as line:
        for begin, end in itertools.pairwise(edges):
            line.socket.sendall(stream[begin:end])
        assert [fields(line.answer(), "MSA")[2] for _ in range(3)] == ["A0", "A1", "A2"]
        line.socket.shutdown(socket.SHUT_WR)
        assert line.rest() == b""
    assert intake.refusals == []


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200, "FRAME_INVALID"),
        (b"\x0bMSH|^~\\&\x1c\x0a", "FRAME_INVALID"),
        (b"\x0b" + b"x" * 5000, "FRAME_INVALID"),
    ],
)
def test_what_is_no_mllp_is_hung_up_on_without_an_answer_and_recorded(intake, stream, code):
    with listening(intake, max_bytes=4000) as port, Line(port) as line:
        line.socket.sendall(stream)
        assert line.rest() == b""
    assert intake.codes == [code]
    assert intake.messages == []


def test_messages_before_a_framing_error_are_answered(intake):
    with listening(intake) as port, Line(port) as line:
        line.socket.sendall(b"\x0b" + message("A1") + b"\x1c\x0d\x0bMSH\x1c\x1c")
        assert fields(line.answer(), "MSA")[2] == "A1"
        assert line.rest() == b""
    assert intake.codes == ["FRAME_INVALID"]


def test_a_message_cut_short_by_another_is_dropped_and_recorded(intake):
    with listening(intake) as port, Line(port) as line:
        line.socket.sendall(b"\x0bMSH|^~\\&|cut")
        line.send(message("A2"))
        assert fields(line.answer(), "MSA")[2] == "A2"
    assert intake.codes == ["FRAME_CUT_SHORT"]
    assert len(intake.messages) == 1


def test_a_hang_up_in_the_middle_of_a_message_is_never_good_enough(intake):
    with listening(intake) as port, Line(port) as line:
        line.socket.sendall(b"\x0b" + message("A1") + b"\x1c")
        line.socket.shutdown(socket.SHUT_WR)
        assert line.rest() == b""
    assert intake.refusals == [("FRAME_CUT_SHORT", message("A1") + b"\x1c")]
    assert intake.messages == []


@pytest.mark.parametrize(
    ("limits", "says", "recorded"),
    [
        ({"start_within": 0.1}, b"", []),
        ({"start_within": 0.1}, b"\r\n", []),
        ({"message_within": 0.1}, b"\x0bMSH|^~\\&|", ["FRAME_CUT_SHORT"]),
    ],
)
def test_a_sender_that_does_not_begin_or_end_in_time_is_hung_up_on(intake, limits, says, recorded):
    with listening(intake, **limits) as port, Line(port) as line:
        line.socket.sendall(says)
        assert line.rest() == b""
    assert intake.codes == recorded


def test_a_drip_of_bytes_does_not_move_the_deadline_of_a_message(intake):
    with listening(intake, message_within=0.3) as port, Line(port) as line:
        line.socket.sendall(b"\x0bMSH")
        assert line.drip(b"x", every=0.02, for_at_most=5.0) < 2.0
    assert intake.codes == ["FRAME_CUT_SHORT"]


def test_an_idle_line_is_kept_for_idle_within_and_no_longer(intake):
    with listening(intake, start_within=0.05, idle_within=0.3) as port, Line(port) as line:
        for number in range(2):
            line.send(message(f"A{number}"))
            line.answer()
        assert line.rest() == b""
    assert intake.refusals == []


@pytest.mark.parametrize("limits", [{"connections": 2}, {"connections_per_address": 2}])
def test_more_connections_than_allowed_are_hung_up_on_and_the_others_served(intake, limits):
    with listening(intake, **limits) as port, Line(port) as one, Line(port) as two:
        one.send(message("A1"))
        one.answer()
        two.send(message("A2"))
        two.answer()
        with Line(port) as three:
            assert three.rest() == b""
        one.send(message("A3"))
        assert fields(one.answer(), "MSA")[2] == "A3"
        two.socket.shutdown(socket.SHUT_WR)
        assert two.rest() == b""  # its place is free now
        with Line(port) as four:
            four.send(message("A4"))
            assert fields(four.answer(), "MSA")[2] == "A4"


def test_unfinished_messages_together_hold_no_more_memory_than_allowed(intake):
    with listening(intake, max_bytes=100_000, max_bytes_at_once=120_000) as port, Line(port) as one, Line(port) as two:
        one.socket.sendall(b"\x0b" + b"x" * 90_000)
        two.socket.sendall(b"\x0b" + b"x" * 90_000)
        hung_up = [line for line in (one, two) if _is_hung_up(line)]
        assert len(hung_up) == 1
    assert intake.codes[0] == "TOO_MUCH_AT_ONCE"


def _is_hung_up(line):
    line.socket.settimeout(0.3)
    try:
        return line.rest() == b""
    except TimeoutError:
        return False


def test_a_message_in_work_when_the_host_closes_is_answered(intake):
    intake.gate = threading.Event()
    answers = []
    with listening(intake) as port:
        line = Line(port)
        line.send(message("A1"))
        assert intake.entered.wait(10)
        release = threading.Timer(0.2, intake.gate.set)
        release.start()
    release.join()
    with line:
        answers.append(line.answer())
        assert line.rest() == b""
    assert fields(answers[0], "MSA") == ["MSA", "AA", "A1"]


def test_an_address_that_is_taken_is_an_os_error():
    async def taken(port):
        await MllpListener(port=port).serve(DictIntake(), lambda _: None)

    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match=r"(?i)address"):
        asyncio.run(taken(other.getsockname()[1]))


def test_python_hl7s_client_is_answered(intake):
    with listening(intake) as port, MLLPClient("127.0.0.1", port) as client:
        answers = [hl7.parse(client.send_message(sent).strip(b"\x0b\x1c\r").decode()) for sent in (GOLDEN, COMMENT)]
    assert [str(answer["MSA"][0][1]) for answer in answers] == ["AA", "AA"]
    assert [str(answer["MSA"][0][2]) for answer in answers] == ["A0000000000000000001", "A0000000000000000002"]
    assert [accepted.body for accepted in intake.messages] == [GOLDEN, COMMENT]


def test_medplums_client_is_answered(intake):
    with listening(intake) as port:
        done = subprocess.run(
            [node(), "medplum_hl7_client.mjs", "127.0.0.1", str(port), "siu_s12.hl7", "siu_s12_comment.hl7"],
            cwd=PEERS, capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(answer["code"], answer["id"]) for answer in answers] == [
        ("AA", "A0000000000000000001"),
        ("AA", "A0000000000000000002"),
    ]
    assert [accepted.body for accepted in intake.messages] == [GOLDEN, COMMENT]
