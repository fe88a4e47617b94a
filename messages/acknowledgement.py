"""An HL7 acknowledgement, read as what happens next.

Sources: HL7 v2.5.1 chapter 2, 2.9.2 (original mode) and 2.9.3 (enhanced mode), table 0008.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messages.lifecycle import Event

# HL7 table 0008, acknowledgment code (MSA-1). AE is tried again a few times and then parked:
# the receiver understood the message and may accept it once its own tables are mended.
ACKNOWLEDGMENT_CODES: dict[str, Event] = {
    "AA": Event.ACCEPTED,
    "CA": Event.ACCEPTED,
    "AE": Event.DEFERRED,
    "AR": Event.REFUSED,
    "CE": Event.REFUSED,
    "CR": Event.REFUSED,
}


class UnreadableAcknowledgement(ValueError):
    """The peer's bytes are no acknowledgement of our message: as if not answered, and hang up."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """MSA-1 as an event, and the receiver's own words for a person to read."""

    code: str
    event: Event
    #: MSA-3, or ERR-8, or ERR-7: what the receiver says. May hold anything: show it, never log it.
    text: str
    #: The receiver's own code of what is wrong (ERR-5.1), or HL7's (ERR-3.1); empty where it says none.
    error: str = ""
    #: MSH-7 where it says its offset: when the receiver answered, by its own clock; seconds since 1970-01-01 UTC.
    said_at: float | None = None


def read_acknowledgement(reply: bytes, control_id: str) -> Acknowledgement:
    """Read an ACK for the message whose MSH-10 is `control_id`.

    Raises:
        UnreadableAcknowledgement: not HL7, no MSA, MSA-2 of another message, or a code not in table 0008.
    """
    segments = reply.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r")
    if len(reply) < 8 or not reply.startswith(b"MSH"):
        raise UnreadableAcknowledgement("the answer does not begin with MSH")
    separator = reply[3:4]
    fields = next((s.split(separator) for s in segments if s[:4] == b"MSA" + separator), None)
    if fields is None:
        raise UnreadableAcknowledgement("the answer has no MSA segment")
    code = fields[1].decode("ascii", "replace") if len(fields) > 1 else ""
    acknowledged = fields[2].strip() if len(fields) > 2 else b""
    if acknowledged != control_id.encode():
        raise UnreadableAcknowledgement("MSA-2 is not the control id (MSH-10) of the message that was sent")
    if code not in ACKNOWLEDGMENT_CODES:
        raise UnreadableAcknowledgement("MSA-1 is not in HL7 table 0008")
    errors = [segment.split(separator) for segment in segments if segment[:4] == b"ERR" + separator]
    said_at = _moment(segments[0].split(separator, 7)[6:7])
    return Acknowledgement(code, ACKNOWLEDGMENT_CODES[code], _text(fields, errors), _error(errors, reply[4:5]), said_at)


def _moment(given: list[bytes]) -> float | None:
    """Return a TS that says its offset (HL7 v2.5.1 chapter 2A, YYYYMMDDHHMMSS[.S]+ZZZZ); None for any other."""
    text = given[0].decode("ascii", "replace") if given else ""
    try:
        found = datetime.fromisoformat(f"{text[:8]}T{text[8:]}")
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def _text(msa: list[bytes], errors: list[list[bytes]]) -> str:
    said = [msa[3]] if len(msa) > 3 else []
    for fields in errors:
        said += [fields[n] for n in (8, 7) if len(fields) > n]
    return next((text.decode("utf-8", "replace") for text in said if text), "")


def _error(errors: list[list[bytes]], caret: bytes) -> str:
    """Return ERR-5.1, else ERR-3.1, of the first error that has one."""
    codes = (fields[n].split(caret)[0] for fields in errors for n in (5, 3) if len(fields) > n)
    return next((code.decode("utf-8", "replace") for code in codes if code), "")
