"""A batch of HL7 messages in one frame: taken apart, and its acknowledgements put together. No sockets.

`[FHS] { [BHS] { message } [BTS] } [FTS]`; counts in BTS-1 and FTS-1 must be right where they stand, or nothing of the
batch is taken: what is missing would never be missed. Each message is accepted, refused and acknowledged by itself.
Sources: HL7 v2.5.1 chapter 2, 2.10.3 (batch protocol), 2.15.2 to 2.15.7 (BHS, BTS, FHS, FTS).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from messages.identity import control_id
from messages.problem import Problem

_BOM = b"\xef\xbb\xbf"
_LINES = re.compile(rb"[\r\n]+")
_HEADERS = frozenset({b"FHS", b"BHS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a frame held."""

    #: The messages, each as it would have come alone; segments end with CR.
    messages: tuple[bytes, ...] = field(repr=False)
    #: Why nothing of it is taken; None when it is whole.
    problem: Problem | None
    #: BHS, or FHS where there is none: fields as they stand.
    header: tuple[bytes, ...]


def is_batch(payload: bytes) -> bool:
    """Say whether a frame holds a batch."""
    return payload.removeprefix(_BOM).lstrip(b"\r\n \t")[:3] in _HEADERS


def read_batch(payload: bytes) -> Batch:
    """Take a batch apart; blank lines between segments are nothing."""
    lines = [line for line in _LINES.split(payload.removeprefix(_BOM).strip(b"\r\n \t")) if line.strip()]
    messages: list[list[bytes]] = []
    in_batch = batches = 0
    wrong: list[str] = []
    headers: dict[bytes, tuple[bytes, ...]] = {}
    for line in lines:
        name, fields = line[:3], tuple(line.split(line[3:4])) if len(line) > 3 else (line,)
        if name in _HEADERS:
            headers.setdefault(name, fields)
            in_batch, batches = (0, batches + 1) if name == b"BHS" else (in_batch, batches)
        elif name == b"BTS":
            wrong += _wrong_count("BTS-1", fields, in_batch)
        elif name == b"FTS":
            wrong += _wrong_count("FTS-1", fields, max(batches, 1))
        elif name == b"MSH":
            messages.append([line])
            in_batch += 1
        elif messages:
            messages[-1].append(line)
        else:
            wrong.append("MSH")
    problem = None
    if wrong or not messages:
        text = (
            "The batch holds no message." if not wrong else f"The batch is not whole: {wrong[0]} says another number."
        )
        if wrong[:1] == ["MSH"]:
            text = "The batch has a segment before its first message."
        expression = wrong[0] if wrong else "BHS"
        problem = Problem(code="BATCH_INVALID", text=text, expression=expression, issue_type="structure")
    return Batch(
        messages=tuple(b"\r".join(message) + b"\r" for message in messages), problem=problem,
        header=headers.get(b"BHS") or headers.get(b"FHS") or (),
    )  # fmt: skip


def _wrong_count(place: str, trailer: Sequence[bytes], counted: int) -> list[str]:
    said = trailer[1].strip() if len(trailer) > 1 else b""
    return [place] if said and said != str(counted).encode() else []


def answer_batch(batch: Batch, acknowledgements: Sequence[bytes]) -> bytes:
    """Return the acknowledgements as a batch; BHS-12 is the sender's BHS-11 (batch control ID)."""
    bar = batch.header[0][3:4] if batch.header and len(batch.header[0]) > 3 else b"|"
    fields = [*batch.header, *[b""] * 12]
    head = bar.join(
        [b"BHS", fields[1] or b"^~\\&", fields[4], fields[5], fields[2], fields[3], *[b""] * 4, control_id().encode(),
         fields[10]]
    ).rstrip(bar)  # fmt: skip
    return head + b"\r" + b"".join(acknowledgements) + b"BTS" + bar + str(len(acknowledgements)).encode() + b"\r"
