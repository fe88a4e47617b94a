"""MLLP framing: whatever the network does to the bytes, the same frames come out (domain reference, MLLP)."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.mllp_framing import JUNK_LIMIT, Deframer, FramingError, frame

LIMIT = 40
MESSAGE = "MSH|^~\\&|BLUME|SÃO PAULO\rPID|1||1||Conceição^José\r".encode()

payloads = st.binary(max_size=LIMIT).filter(lambda payload: b"\x0b" not in payload and b"\x1c" not in payload)
#: Streams dense in the four bytes that matter.
streams = st.lists(st.sampled_from([b"\x0b", b"\x1c", b"\x0d", b"\x1c\x0d", b"a", b"MSH|" * 9]), max_size=40).map(
    b"".join
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def outcome(pieces: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], str | None, int]:
    """What a stream gives: its frames, the fault that ended it, and how many frames were cut short."""
    deframer = Deframer(limit)
    frames: list[bytes] = []
    try:
        for piece in [*pieces, b""]:
            frames += deframer.feed(piece)
    except FramingError as fault:
        return frames, str(fault), deframer.truncated
    return frames, None, deframer.truncated


def test_a_frame_is_0b_the_message_1c_0d():
    assert frame(MESSAGE) == b"\x0b" + MESSAGE + b"\x1c\x0d"


@pytest.mark.parametrize("byte", [b"\x0b", b"\x1c"])
def test_a_message_that_holds_a_framing_byte_is_not_framed(byte):
    with pytest.raises(ValueError, match="0x0B or 0x1C"):
        frame(b"MSH|" + byte)


def test_a_framing_error_counts_as_a_lost_connection():
    assert issubclass(FramingError, ConnectionError)


@given(st.lists(payloads, max_size=6), st.lists(st.integers(min_value=0), max_size=12))
def test_what_was_framed_comes_out_the_same_however_it_is_cut(messages, places):
    pieces = cut(b"".join(map(frame, messages)), places)
    assert outcome(pieces) == (messages, None, 0)


@example(b"\x0b\x0b" + b"MSH|" * 16 + b"\x0b", [])
@given(streams, st.lists(st.integers(min_value=0), max_size=12))
def test_any_stream_gives_the_same_frames_and_fault_at_any_cut(stream, places):
    byte_by_byte = [stream[n : n + 1] for n in range(len(stream))]
    assert outcome(cut(stream, places)) == outcome(byte_by_byte)


def test_several_frames_in_one_piece_come_in_order():
    assert Deframer(LIMIT).feed(frame(b"one") + frame(b"two") + frame(b"")) == [b"one", b"two", b""]


def test_junk_before_the_start_byte_is_skipped_and_counted():
    deframer = Deframer(LIMIT)
    assert deframer.feed(b"\r\n\x00" + frame(b"one") + b"\r" + frame(b"two")) == [b"one", b"two"]
    assert deframer.skipped == 4
    assert deframer.at_rest


def test_junk_over_4_kib_in_one_gap_is_a_framing_error():
    deframer = Deframer(LIMIT)
    for _ in range(3):  # three gaps of the longest allowed length are none too long
        assert deframer.feed(b"x" * JUNK_LIMIT + frame(b"one")) == [b"one"]
    assert deframer.feed(b"x" * JUNK_LIMIT) == []
    with pytest.raises(FramingError, match="outside a frame"):
        deframer.feed(b"x")


def test_1c_not_followed_by_0d_is_a_framing_error():
    with pytest.raises(FramingError, match="not followed by 0x0D"):
        Deframer(LIMIT).feed(b"\x0bMSH|\x1c\x0a")


def test_a_start_byte_inside_a_frame_drops_what_was_cut_short_and_counts_it():
    deframer = Deframer(LIMIT)
    assert deframer.feed(b"\x0bMSH|cut sho" + frame(b"MSH|whole")) == [b"MSH|whole"]
    assert deframer.truncated == 1


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT])
def test_a_frame_up_to_the_limit_is_read(length):
    assert Deframer(LIMIT).feed(frame(b"x" * length)) == [b"x" * length]


@pytest.mark.parametrize("stream", [frame(b"x" * (LIMIT + 1)), b"\x0b" + b"x" * (LIMIT + 1)])
def test_a_frame_over_the_limit_is_a_framing_error_even_before_it_ends(stream):
    with pytest.raises(FramingError, match=f"longer than {LIMIT} bytes"):
        Deframer(LIMIT).feed(stream)


def test_frames_before_a_fault_are_given_first_and_the_fault_stays():
    deframer = Deframer(LIMIT)
    assert deframer.feed(frame(b"good") + b"\x0bbad\x1c\x1c") == [b"good"]
    assert isinstance(deframer.fault, FramingError)
    for _ in range(2):
        with pytest.raises(FramingError):
            deframer.feed(frame(b"too late"))


def test_at_rest_means_that_not_a_byte_followed_the_last_frame():
    deframer = Deframer(LIMIT)
    assert deframer.at_rest
    deframer.feed(frame(b"one"))
    assert deframer.at_rest
    deframer.feed(b"\n")
    assert not deframer.at_rest
    deframer.feed(b"\x0bMSH")
    assert deframer.inside
    assert deframer.unfinished == b"MSH"


def test_a_stream_of_nothing_but_start_bytes_costs_no_more_than_its_length():
    deframer = Deframer(LIMIT)
    assert deframer.feed(b"\x0b" * 1_000_000) == []
    assert deframer.truncated == 999_999
