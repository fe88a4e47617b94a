"""DICOM upper layer PDUs after the association stands, without any input or output: bytes in, bytes out.

How an association is negotiated is in dicom_negotiation. Source: DICOM PS3.8 9.3 and Annex E.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

#: Bytes of a PDU before its body: type, a reserved byte, length.
HEADER = 6
#: Longest PDU that is read while an association is negotiated; 128 presentation contexts take about a quarter of it.
MAX_NEGOTIATION = 65_536
#: Bytes of a presentation data value before its fragment: length, context ID, message control header.
_PDV = 6

_IS_COMMAND, _IS_LAST = 0x01, 0x02


class ProtocolError(ConnectionError):
    """The peer does not keep to the protocol: the association is of no use any more."""


class Pdv(NamedTuple):
    """One presentation data value: a fragment of a command set or of a data set."""

    context_id: int
    is_command: bool
    is_last: bool
    fragment: memoryview


def read_header(data: bytearray | memoryview) -> tuple[int, int]:
    """Return type and length of the PDU that begins with these 6 bytes.

    Raises:
        ProtocolError: there is no PDU of this type.
    """
    kind, _, length = struct.unpack_from(">BBL", data)
    if not ASSOCIATE_RQ <= kind <= ABORT:
        raise ProtocolError("the peer does not speak DICOM: a PDU of no known type")
    return kind, length


def pdvs(body: memoryview) -> Iterator[Pdv]:
    """Yield the presentation data values of a P-DATA-TF PDU.

    Raises:
        ProtocolError: their lengths do not fit.
    """
    at = 0
    while at < len(body):
        if len(body) - at < _PDV:
            raise ProtocolError("a presentation data value is cut off")
        length, context_id, control = struct.unpack_from(">LBB", body, at)
        end = at + 4 + length
        if length < 2 or end > len(body):
            raise ProtocolError("the length of a presentation data value does not fit its PDU")
        yield Pdv(context_id, bool(control & _IS_COMMAND), bool(control & _IS_LAST), body[at + _PDV : end])
        at = end


def p_data(context_id: int, fragment: bytes | memoryview, *, is_command: bool, is_last: bool) -> tuple[bytes, bytes]:
    """Return head and fragment of a P-DATA-TF PDU that holds one presentation data value."""
    control = (_IS_COMMAND if is_command else 0) | (_IS_LAST if is_last else 0)
    head = struct.pack(">BBLLBB", P_DATA, 0, len(fragment) + _PDV, len(fragment) + 2, context_id, control)
    return head, fragment  # type: ignore[return-value] # a memoryview is written like bytes


def fragment_bytes(max_length: int) -> int:
    """Return how many bytes of a message fit into a PDU of a peer that reads `max_length` (0: any)."""
    return ((max_length or 131_072) - _PDV) & ~1


def release_rq() -> bytes:
    """Return an A-RELEASE-RQ."""
    return struct.pack(">BBLL", RELEASE_RQ, 0, 4, 0)


def release_rp() -> bytes:
    """Return an A-RELEASE-RP."""
    return struct.pack(">BBLL", RELEASE_RP, 0, 4, 0)


def abort(*, by_provider: bool) -> bytes:
    """Return an A-ABORT: by the provider for a broken protocol (unexpected PDU), else by the user."""
    return struct.pack(">BBLBBBB", ABORT, 0, 4, 0, 0, 2 if by_provider else 0, 2 if by_provider else 0)


def reject(result: int, source: int, reason: int) -> bytes:
    """Return an A-ASSOCIATE-RJ, its numbers as in PS3.8 Table 9-21."""
    return struct.pack(">BBLBBBB", ASSOCIATE_RJ, 0, 4, 0, result, source, reason)
