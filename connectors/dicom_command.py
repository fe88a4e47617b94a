"""DIMSE command sets: dicts by the keywords of the standard, and their bytes. No input or output.

Always implicit VR little endian, whatever was negotiated. Source: DICOM PS3.7 6.3.1, 9.3, 10.3 and Annex E.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from connectors.dicom_pdu import ProtocolError

Command = Mapping[str, "int | str"]

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_GET_RQ, C_GET_RSP = 0x0010, 0x8010
C_FIND_RQ, C_FIND_RSP = 0x0020, 0x8020
C_MOVE_RQ, C_MOVE_RSP = 0x0021, 0x8021
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
N_EVENT_REPORT_RQ, N_EVENT_REPORT_RSP = 0x0100, 0x8100
N_ACTION_RQ, N_ACTION_RSP = 0x0130, 0x8130
C_CANCEL_RQ = 0x0FFF

#: CommandDataSetType: no data set follows; any other value: one does.
NO_DATA_SET, DATA_SET = 0x0101, 0x0001
#: Longest command set that is read: a hundred times what the standard's elements may take.
MAX_COMMAND = 65_536

#: Element of group 0000 → its keyword and value representation.
_ELEMENTS = {
    0x0002: ("AffectedSOPClassUID", "UI"),
    0x0003: ("RequestedSOPClassUID", "UI"),
    0x0100: ("CommandField", "US"),
    0x0110: ("MessageID", "US"),
    0x0120: ("MessageIDBeingRespondedTo", "US"),
    0x0600: ("MoveDestination", "AE"),
    0x0700: ("Priority", "US"),
    0x0800: ("CommandDataSetType", "US"),
    0x0900: ("Status", "US"),
    0x1000: ("AffectedSOPInstanceUID", "UI"),
    0x1001: ("RequestedSOPInstanceUID", "UI"),
    0x1002: ("EventTypeID", "US"),
    0x1008: ("ActionTypeID", "US"),
    0x1020: ("NumberOfRemainingSuboperations", "US"),
    0x1021: ("NumberOfCompletedSuboperations", "US"),
    0x1022: ("NumberOfFailedSuboperations", "US"),
    0x1023: ("NumberOfWarningSuboperations", "US"),
    0x1030: ("MoveOriginatorApplicationEntityTitle", "AE"),
    0x1031: ("MoveOriginatorMessageID", "US"),
}
_NUMBERS = {keyword: (number, vr) for number, (keyword, vr) in _ELEMENTS.items()}
_HEAD = struct.Struct("<HHL")
_PADDING = {"UI": b"\0", "AE": b" "}


def encode(command: Command) -> bytes:
    """Return a command set's bytes, its elements in order, its group length first."""
    elements = sorted((*_NUMBERS[keyword], value) for keyword, value in command.items())
    body = b"".join(_element(number, vr, value) for number, vr, value in elements)
    return _HEAD.pack(0, 0, 4) + struct.pack("<L", len(body)) + body


def _element(number: int, vr: str, value: int | str) -> bytes:
    if isinstance(value, int):
        return _HEAD.pack(0, number, 2) + struct.pack("<H", value)
    text = value.encode("ascii")
    text += _PADDING[vr] * (len(text) % 2)
    return _HEAD.pack(0, number, len(text)) + text


def decode(data: bytes | bytearray) -> dict[str, int | str]:
    """Return a command set; elements that nothing here asks for (such as the peer's free text) are left out.

    Raises:
        ProtocolError: it is none.
    """
    command: dict[str, int | str] = {}
    at = 0
    while at < len(data):
        if len(data) - at < _HEAD.size:
            raise ProtocolError("a command set is cut off")
        group, number, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if group != 0 or length > len(data) - at:
            raise ProtocolError("a command set is no list of elements of group 0000")
        known = _ELEMENTS.get(number)
        if known is not None:
            command[known[0]] = _value(known[1], bytes(data[at : at + length]))
        at += length
    if not isinstance(command.get("CommandField"), int):
        raise ProtocolError("a command set says no command")
    return command


def _value(vr: str, raw: bytes) -> int | str:
    if vr == "US":
        if len(raw) != 2:
            raise ProtocolError("a number of a command set has not 2 bytes")
        return int(struct.unpack("<H", raw)[0])
    try:
        return raw.decode("ascii").rstrip("\0").strip(" ")
    except UnicodeDecodeError:
        raise ProtocolError("a text of a command set is not ASCII") from None


def number(command: Command, keyword: str) -> int | None:
    """Return a number of a command set; None when it has none of this keyword."""
    value = command.get(keyword)
    return value if isinstance(value, int) else None


def text(command: Command, keyword: str) -> str:
    """Return a text of a command set; "" when it has none of this keyword."""
    value = command.get(keyword)
    return value if isinstance(value, str) else ""


def response(request: Command, status: int, **more: int | str) -> dict[str, int | str]:
    """Return the response without a data set to a request (PS3.7 9.3, 10.3)."""
    answer: dict[str, int | str] = {
        "CommandField": (number(request, "CommandField") or 0) | 0x8000,
        "MessageIDBeingRespondedTo": number(request, "MessageID") or 0,
        "CommandDataSetType": NO_DATA_SET,
        "Status": status,
    }
    for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID", "EventTypeID"):
        if keyword in request:
            answer[keyword] = request[keyword]
    return {**answer, **more}
