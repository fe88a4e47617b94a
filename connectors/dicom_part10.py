"""Part 10 files: which instance one holds, where its data set begins, and the head of a file that we write.

Nothing of a data set is decoded here. Source: DICOM PS3.10 7.1.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from connectors.dicom_base import Instance, Reference
from connectors.dicom_elements import LONG_VRS

#: Bytes in which the file meta information must end; it has some hundred bytes, private information aside.
_HEAD_BYTES = 16_384
#: By which files and associations of ours are known (PS3.7 D.3.3.2); the UID is made from a UUID (PS3.5 B.2).
IMPLEMENTATION_UID, IMPLEMENTATION_NAME = "2.25.159229113904137543481245568467596868261", "PLUGIN_HOST_1"
#: Elements of group 0002.
_GROUP_LENGTH, _VERSION, _SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX = 0x0000, 0x0001, 0x0002, 0x0003, 0x0010
_IMPLEMENTATION, _SOURCE = 0x0012, 0x0016


class Head(NamedTuple):
    """What the file meta information says."""

    reference: Reference
    transfer_syntax_uid: str
    #: Bytes before the data set.
    offset: int


def read_head(data: bytes) -> Head:
    """Return what the first bytes of a Part 10 file say.

    Raises:
        ValueError: it is none, or does not say what it holds.
    """
    if data[128:132] != b"DICM":
        raise ValueError("no DICOM file: it has no DICM prefix")
    found: dict[int, str] = {}
    at = 132
    while data[at : at + 2] == b"\x02\x00":
        if at + 12 > len(data):
            raise ValueError("the file meta information does not end")
        number = struct.unpack_from("<H", data, at + 2)[0]
        if data[at + 4 : at + 6] in LONG_VRS:
            start, length = at + 12, struct.unpack_from("<L", data, at + 8)[0]
        else:
            start, length = at + 8, struct.unpack_from("<H", data, at + 6)[0]
        at = start + length
        if at > len(data):
            raise ValueError("the file meta information does not end")
        found[number] = data[start:at].rstrip(b"\0 ").decode("ascii", "replace")
    try:
        reference = Reference(found[_SOP_CLASS], found[_SOP_INSTANCE])
        return Head(reference, found[_TRANSFER_SYNTAX], at)
    except KeyError:
        raise ValueError("the file meta information does not say which instance it is") from None


def read_instance(path: Path) -> Instance:
    """Return what a Part 10 file holds.

    Raises:
        ValueError: it is none.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = read_head(file.read(_HEAD_BYTES))
        size = file.seek(0, 2)
    return Instance(
        reference=head.reference, transfer_syntax_uid=head.transfer_syntax_uid, path=path, offset=head.offset, size=size
    )


def write_head(reference: Reference, transfer_syntax_uid: str, ae_title: str) -> bytes:
    """Return preamble and file meta information for a data set that comes from an AE title."""
    elements = b"".join(
        (
            _element(_VERSION, b"OB", b"\x00\x01"),
            _element(_SOP_CLASS, b"UI", reference.sop_class_uid.encode()),
            _element(_SOP_INSTANCE, b"UI", reference.sop_instance_uid.encode()),
            _element(_TRANSFER_SYNTAX, b"UI", transfer_syntax_uid.encode()),
            _element(_IMPLEMENTATION, b"UI", IMPLEMENTATION_UID.encode()),
            _element(_SOURCE, b"AE", ae_title.encode()),
        )
    )
    return bytes(128) + b"DICM" + _element(_GROUP_LENGTH, b"UL", struct.pack("<L", len(elements))) + elements


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    """Return an element of group 0002, explicit VR little endian."""
    if len(value) % 2:
        value += b" " if vr == b"AE" else b"\0"
    length = struct.pack("<HL", 0, len(value)) if vr in LONG_VRS else struct.pack("<H", len(value))
    return struct.pack("<HH", 2, number) + vr + length + value
