"""The documents of a message: what was sent of a form, where it stands, and its PDF.

Read from the bytes that were sent, as a receiver reads them: HL7 v2.5.1 chapter 9 (MDM) and 2A (ED), DICOM PS3.10.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from store.reads import MessageDetail

_PREFIX = b"DICM"
#: (0042,0011) Encapsulated Document, OB in Explicit VR Little Endian; four bytes of length follow.
_ENCAPSULATED = b"\x42\x00\x11\x00OB\x00\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document that was sent, or is to be. Its PDF is patient data."""

    #: Which delivery of the message, from 1.
    position: int
    destination: str
    #: TXA-12.1: the form's number and version; empty where the message does not say.
    number: str = ""
    #: TXA-13.1: the document that it takes the place of, adds to, or withdraws.
    previous: str = ""
    #: TXA-2.
    type: str = ""
    #: It hangs under a study: it stands under Documents, else under Patient Documents (A-33).
    of_study: bool = False
    #: None: it has no pages (a withdrawal).
    pdf: bytes | None = field(default=None, repr=False)


def documents(detail: MessageDetail) -> list[Document]:
    """Return the documents of a message, by its deliveries."""
    found = []
    for position, line in enumerate(detail.line.deliveries, 1):
        if line.id in detail.outgoing:
            one = _document(position, line.destination, detail.outgoing[line.id][1])
            found += [one] if one is not None else []
    return found


def _document(position: int, destination: str, encoded: bytes) -> Document | None:
    if encoded[128:132] == _PREFIX:
        pdf = _encapsulated(encoded)
        return Document(position=position, destination=destination, of_study=True, pdf=pdf) if pdf else None
    if not encoded.startswith(b"MSH") or (b"\rTXA|" not in encoded and b"^Base64^" not in encoded):
        return None
    lines = [line.split("|") for line in encoded.decode("utf-8", "replace").split("\r") if line]
    segments = {line[0]: line for line in lines}
    txa = segments.get("TXA", [])
    return Document(
        position=position, destination=destination, number=_component(txa, 12), previous=_component(txa, 13),
        type=_component(txa, 2), of_study="OBR" in segments and "ORC" in segments, pdf=_base64(segments.get("OBX", [])),
    )  # fmt: skip


def _component(fields: list[str], number: int) -> str:
    return fields[number].partition("^")[0] if number < len(fields) else ""


def _base64(obx: list[str]) -> bytes | None:
    data = obx[5].split("^")[4:5] if len(obx) > 5 else []
    try:
        return base64.b64decode(data[0], validate=True) if data else None
    except binascii.Error:
        return None


def _encapsulated(encoded: bytes) -> bytes | None:
    at = encoded.find(_ENCAPSULATED, 132)
    if at < 0:
        return None
    start = at + len(_ENCAPSULATED) + 4
    return encoded[start : start + int.from_bytes(encoded[start - 4 : start], "little")]
