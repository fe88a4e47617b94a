"""An acknowledgement is read as HL7 v2.5.1 chapter 2 says (MSA-1 of table 0008, MSA-2 the control id sent)."""

import pytest

from messages.acknowledgement import ACKNOWLEDGMENT_CODES, UnreadableAcknowledgement, read_acknowledgement
from messages.lifecycle import Event

CONTROL_ID = "A0000000000000000001"
MSH = "MSH|^~\\&|POWERSERVER|BLUME TEST|BLUME|ORG|20251120153000||ACK^S12^ACK|P1|P|2.5.1\r"


def ack(*segments: str, msh: str = MSH) -> bytes:
    return (msh + "".join(segment + "\r" for segment in segments)).encode()


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("AA", Event.ACCEPTED),
        ("CA", Event.ACCEPTED),
        ("AE", Event.DEFERRED),
        ("AR", Event.REFUSED),
        ("CE", Event.REFUSED),
        ("CR", Event.REFUSED),
    ],
)
def test_each_code_of_table_0008_says_what_happens_next(code, event):
    assert read_acknowledgement(ack(f"MSA|{code}|{CONTROL_ID}"), CONTROL_ID).event is event


def test_the_codes_are_those_of_table_0008_and_no_others():
    assert set(ACKNOWLEDGMENT_CODES) == {"AA", "AE", "AR", "CA", "CE", "CR"}


@pytest.mark.parametrize(
    ("reply", "because"),
    [
        (ack("MSA|AA|A0000000000000000002"), "MSA-2"),
        (ack("MSA|AA|a0000000000000000001"), "MSA-2"),
        (ack("MSA|AA|A000000000000000000"), "MSA-2"),
        (ack("MSA|AA|"), "MSA-2"),
        (ack("MSA|AA"), "MSA-2"),
        (ack("MSA"), "no MSA"),
        (ack(), "no MSA"),
        (ack("ERR||||E"), "no MSA"),
        (ack(f"ZMSA|AA|{CONTROL_ID}"), "no MSA"),
        (ack(f"MSA|AX|{CONTROL_ID}"), "table 0008"),
        (ack(f"MSA|aa|{CONTROL_ID}"), "table 0008"),
        (ack(f"MSA||{CONTROL_ID}"), "table 0008"),
        (f"MSA|AA|{CONTROL_ID}\r".encode(), "MSH"),
        (b"", "MSH"),
        (b"MSH|", "MSH"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "MSH"),
        ("\ufeffMSH".encode("utf-16"), "MSH"),
    ],
)
def test_what_is_no_acknowledgement_of_our_message_is_unreadable(reply, because):
    with pytest.raises(UnreadableAcknowledgement, match=because):
        read_acknowledgement(reply, CONTROL_ID)


def test_a_control_id_that_begins_with_ca_does_not_make_an_error_an_acceptance():
    assert read_acknowledgement(ack("MSA|AE|CA77"), "CA77").event is Event.DEFERRED


def test_the_receivers_own_separator_is_used():
    reply = b"MSH$%~\\&$POWERSERVER$BLUME TEST$BLUME$ORG$20251120153000$$ACK%S12$P1$P$2.5.1\rMSA$AR$A|1$no room\r"
    acknowledgement = read_acknowledgement(reply, "A|1")
    assert (acknowledgement.event, acknowledgement.text) == (Event.REFUSED, "no room")


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
def test_segments_may_end_as_real_receivers_end_them(ending):
    reply = ack(f"MSA|AA|{CONTROL_ID}").replace(b"\r", ending.encode())
    assert read_acknowledgement(reply, CONTROL_ID).event is Event.ACCEPTED


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([f"MSA|AE|{CONTROL_ID}"], ""),
        ([f"MSA|AE|{CONTROL_ID}|Paciente não encontrado"], "Paciente não encontrado"),
        ([f"MSA|AE|{CONTROL_ID}|first", "ERR||||E||||second"], "first"),
        ([f"MSA|AE|{CONTROL_ID}", "ERR||AIG^1^3|204|E|||diagnostics|for the user"], "for the user"),
        ([f"MSA|AE|{CONTROL_ID}", "ERR||AIG^1^3|204|E|||diagnostics"], "diagnostics"),
        ([f"MSA|AE|{CONTROL_ID}", "ERR||||E", "ERR||||E||||from the second ERR"], "from the second ERR"),
    ],
)
def test_the_receivers_words_are_msa_3_or_else_err_8_or_err_7(segments, text):
    assert read_acknowledgement(ack(*segments), CONTROL_ID).text == text


def test_words_that_are_not_utf_8_do_not_make_an_answer_unreadable():
    reply = MSH.encode() + f"MSA|AE|{CONTROL_ID}|não\r".encode("latin-1")
    assert read_acknowledgement(reply, CONTROL_ID).text == "n\N{REPLACEMENT CHARACTER}o"


def test_no_reason_for_being_unreadable_holds_a_word_of_the_answer():
    with pytest.raises(UnreadableAcknowledgement) as caught:
        read_acknowledgement(ack("MSA|AA|Conceição|José"), CONTROL_ID)
    assert "Concei" not in str(caught.value)
