"""What the MLLP door says: HL7 acknowledgements, made from the header of the message that they answer. No sockets.

Only the header is looked into, as bytes, so that any message that has one can be answered in its own separators.
Sources: HL7 v2.5.1 chapter 2, 2.9.2 and 2.9.3 (which code when), 2.15 (MSH, MSA, ERR), tables 0008, 0155, 0357, 0516.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from messages.identity import control_id
from messages.problem import Problem

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"[\r\n]")
_USUAL_SEPARATORS = b"|^~\\&"
#: `PID`, `PID-3`, `PID-3[2]`, `PID-3.1`, `PID-3[2].4.2`: segment, field, repetition, component, subcomponent.
_HL7_PATH = re.compile(r"([A-Z][A-Z0-9]{2})(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?)?")
#: A longer list helps nobody, and some senders read 64 KiB at most.
_MAX_ERRORS = 10

# HL7 table 0357, message error condition codes.
_CONDITIONS = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "207": "Application internal error",
}
# What is wrong (FHIR issue-type of the problem) as an error condition; any other is 207.
_CONDITION_OF_ISSUE = {
    "structure": "100",
    "required": "101",
    "value": "102",
    "code-invalid": "103",
    "not-supported": "200",
    "not-found": "204",
    "conflict": "205",
    "duplicate": "205",
}
# 2.9.2: a value of these fields that is not acceptable is rejected (AR), not an error in the content (AE).
_CONDITION_OF_HEADER = {"MSH-9": "200", "MSH-11": "202", "MSH-12": "203"}
# The message is refused whatever it says: AR, not AE.
_REJECTED = frozenset({"not-supported", "conflict", "duplicate", "transient", "exception"})


@dataclass(frozen=True, slots=True)
class Header:
    """An MSH segment as raw fields. `field(n)` is MSH-n as it stands, escapes and all; empty when there is none."""

    fields: tuple[bytes, ...]
    #: MSH-1 and MSH-2.
    separators: bytes

    def field(self, number: int) -> bytes:
        return self.fields[number - 1] if len(self.fields) >= number else b""

    @property
    def identity(self) -> str | None:
        """Sending application, sending facility and control id (MSH-3, -4, -10); None without a control id."""
        if not self.field(10):
            return None
        return b"|".join((self.field(3), self.field(4), self.field(10))).decode("utf-8", "backslashreplace")

    @property
    def wants_commit_code(self) -> bool:
        """Enhanced mode (MSH-15, -16) that asks for the accept acknowledgement alone: CA, CE, CR for AA, AE, AR.

        Where the sender waits for an application acknowledgement, or for none at all, the A codes are its best news.
        """
        return self.field(15) in (b"AL", b"SU", b"ER") and self.field(16) in (b"", b"NE")


#: Stands in for a header that cannot be read.
NO_HEADER = Header(fields=(), separators=_USUAL_SEPARATORS)


def read_header(payload: bytes) -> Header:
    """Return the header of a message; `NO_HEADER` when it does not begin with a readable MSH."""
    line = _LINE_END.split(payload.removeprefix(_BOM).lstrip(b"\r\n \t"), maxsplit=1)[0]
    bar = line[3:4]
    if not line.startswith(b"MSH") or len(line) < 8 or bar.isalnum():
        return NO_HEADER
    encoding, *_ = line[4:].split(bar, 1)
    if len(encoding) < 2 or any(character > 0x7E or character <= 0x20 for character in bar + encoding):
        return NO_HEADER
    return Header(fields=(bar, *line[4:].split(bar)), separators=bar + encoding)


def acknowledge(header: Header, problems: Sequence[Problem] = ()) -> bytes:
    """Return the acknowledgement: AA without problems, else AE (content) or AR (anything else), with an ERR for each.

    MSH-3/4 and MSH-5/6 change places, MSH-10 is our own, MSH-11, -12 and -18 are the sender's, MSA-2 is its MSH-10.
    No text holds a value of the message. Segments end with CR.
    """
    bar, caret = header.separators[:1], header.separators[1:2]
    code = _code(problems)
    if header.wants_commit_code:
        code = "C" + code[1:]
    event = header.field(9).split(caret)
    msh = [
        b"MSH", header.separators[1:], header.field(5), header.field(6), header.field(3), header.field(4),
        _now().encode(), b"", caret.join((b"ACK", event[1], b"ACK")) if len(event) > 1 else b"ACK",
        control_id().encode(), header.field(11) or b"P", header.field(12) or b"2.5.1", *[b""] * 5, header.field(18),
    ]  # fmt: skip
    msa = [b"MSA", code.encode(), header.field(10)]
    if problems:
        msa.append(_text(problems[0].text, header))
    segments = [msh, msa, *(_error(problem, header) for problem in problems[:_MAX_ERRORS])]
    return b"".join(bar.join(segment).rstrip(bar) + b"\r" for segment in segments)


def _code(problems: Sequence[Problem]) -> str:
    if not problems:
        return "AA"
    rejected = any(p.issue_type in _REJECTED or _field_of(p) in _CONDITION_OF_HEADER for p in problems)
    return "AR" if rejected else "AE"


def _error(problem: Problem, header: Header) -> list[bytes]:
    """ERR of v2.5.1: where (ERR-2), table 0357 (ERR-3), error or warning (ERR-4), our code (ERR-5), words (ERR-8)."""
    caret = header.separators[1:2]
    condition = _CONDITION_OF_HEADER.get(_field_of(problem)) or _CONDITION_OF_ISSUE.get(problem.issue_type, "207")
    coded = (condition, _CONDITIONS[condition], "HL70357")
    severity = b"W" if problem.severity == "warning" else b"E"
    return [
        b"ERR", b"", _location(problem, caret), caret.join(part.encode() for part in coded), severity,
        _text(problem.code, header), b"", b"", _text(problem.text, header),
    ]  # fmt: skip


def _location(problem: Problem, caret: bytes) -> bytes:
    """Return ERL: segment, its sequence, field, repetition, component, subcomponent."""
    path = _HL7_PATH.fullmatch(problem.expression or "")
    if path is None:
        return b""
    segment, field, repetition, component, subcomponent = path.groups()
    parts = (segment, "1", field, (repetition or "1") if field else None, component, subcomponent)
    return caret.join((part or "").encode() for part in parts).rstrip(caret)


def _field_of(problem: Problem) -> str:
    path = _HL7_PATH.fullmatch(problem.expression or "")
    return f"{path[1]}-{path[2]}" if path else ""


def _text(text: str, header: Header) -> bytes:
    """Escape our own words for the sender's separators, in its character set (ASCII unless MSH-18 says UTF-8)."""
    separators = header.separators.decode("ascii")
    names = dict(zip(separators, "FSRET", strict=False))  # the order of MSH-1 and MSH-2
    escape = separators[3:4] or "\\"
    escaped = "".join(f"{escape}{names[c]}{escape}" if c in names else c for c in " ".join(text.split()))
    return escaped.encode("utf-8" if b"UTF-8" in header.field(18).upper() else "ascii", "replace")


def _now() -> str:
    """Return local time with its offset, to the millisecond, as an HL7 TS."""
    now = datetime.now().astimezone()
    return f"{now:%Y%m%d%H%M%S}.{now.microsecond // 1000:03d}{now:%z}"
