"""A line of PDUs: however it comes in pieces, each PDU is read whole, in its order, and only while it is looked at."""

import asyncio
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.dicom_negotiation import MAX_LENGTH
from connectors.dicom_pdu import ASSOCIATE_RQ, MAX_NEGOTIATION, P_DATA, ProtocolError
from connectors.dicom_wire import Wire

FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def pdu(kind, length, filler):
    return struct.pack(">BBL", kind, 0, length) + bytes([filler]) * length


def feed(wire, data):
    """Give a wire bytes as the event loop does; on Windows more at once than it has room for."""
    while data:
        room = wire.get_buffer(len(data))
        count = min(len(room), len(data))
        assert count, "the loop must never be given an empty buffer"
        room[:count] = data[:count]
        wire.buffer_updated(count)
        data = data[count:]


@FUZZ
@given(
    st.lists(st.integers(0, 20_000) | st.just(MAX_LENGTH), min_size=1, max_size=6),
    st.lists(st.integers(500, 400_000), min_size=1, max_size=8),
)
def test_pdus_are_read_as_they_were_written_in_whatever_pieces_they_come(lengths, pieces):
    sent = [pdu(P_DATA, length, n % 251) for n, length in enumerate(lengths)]
    stream = b"".join(sent)

    async def run():
        wire = Wire()
        wire.allow(MAX_LENGTH)
        read = []

        async def reading():
            for _ in sent:
                kind, found = await wire.read()
                assert kind == P_DATA
                read.append(bytes(found))

        task = asyncio.create_task(reading())
        at = n = 0
        while at < len(stream):
            feed(wire, stream[at : at + pieces[n % len(pieces)]])
            at += pieces[n % len(pieces)]
            n += 1
            if n % 2:
                await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await task
        return read

    assert asyncio.run(run()) == sent


def test_what_was_read_stays_as_it_is_while_more_comes():
    async def run():
        wire = Wire()
        wire.allow(MAX_LENGTH)
        feed(wire, pdu(P_DATA, 100_000, 1))
        _, first = await wire.read()
        for filler in range(2, 9):
            feed(wire, pdu(P_DATA, 100_000, filler))
        kept = bytes(first)
        others = [bytes((await wire.read())[1])[6:] for _ in range(2, 9)]
        return kept, others

    kept, others = asyncio.run(run())

    assert kept == pdu(P_DATA, 100_000, 1)
    assert others == [bytes([filler]) * 100_000 for filler in range(2, 9)]


@pytest.mark.parametrize(
    ("kind", "length", "stands", "is_read"),
    [
        (ASSOCIATE_RQ, MAX_NEGOTIATION, False, True),
        (ASSOCIATE_RQ, MAX_NEGOTIATION + 1, False, False),
        (P_DATA, MAX_NEGOTIATION + 1, False, False),
        (P_DATA, MAX_LENGTH, True, True),
        (P_DATA, MAX_LENGTH + 1, True, False),
        (ASSOCIATE_RQ, MAX_NEGOTIATION + 1, True, False),
        (P_DATA, 0xFFFFFFFF, True, False),
    ],
)
def test_a_pdu_that_is_longer_than_was_agreed_is_refused_by_its_head(kind, length, stands, is_read):
    async def run():
        wire = Wire()
        if stands:
            wire.allow(MAX_LENGTH)
        feed(wire, struct.pack(">BBL", kind, 0, length))
        if is_read:
            feed(wire, bytes(length))
        async with asyncio.timeout(20):
            return len((await wire.read())[1])

    if is_read:
        assert asyncio.run(run()) == length + 6
    else:
        with pytest.raises(ProtocolError, match="longer than was agreed"):
            asyncio.run(run())


def test_who_waits_for_more_is_told_when_the_line_is_gone():
    async def run():
        wire = Wire()
        feed(wire, struct.pack(">BBL", ASSOCIATE_RQ, 0, 100))
        task = asyncio.create_task(wire.read())
        await asyncio.sleep(0)
        wire.connection_lost(None)
        await task

    with pytest.raises(ConnectionResetError, match="the peer hung up"):
        asyncio.run(run())
