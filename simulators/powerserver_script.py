"""What the simulated PowerServer answers, and the words of its script.

Each message takes the next word of the script; after the last word every message is accepted.

| word | the answer |
|---|---|
| accept (or AA, CA) | accepted |
| AE, AR, CE, CR | refused, in the words of domain practice; `AR:text` gives the text |
| no answer | none, ever; the line stays open |
| late N | accepted, N seconds later |
| wrong id | accepted, with the MSA-2 of another message |
| garbage | bytes that are no MLLP |
| not HL7 | a frame that holds no acknowledgement |
| slow | accepted, one byte at a time |
| two answers | accepted, twice |
| hang up | none, and the line is closed |
| hang up mid-frame | half an acknowledgement, and the line is closed |
| accept and hang up | accepted, and the line is closed |
| reset | none, and the line is reset |
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from typing import NamedTuple

_CODES = ("AA", "AE", "AR", "CA", "CE", "CR")
_DEEDS = (
    "accept", "no answer", "late", "wrong id", "garbage", "not HL7", "slow", "two answers",
    "hang up", "hang up mid-frame", "accept and hang up", "reset",
)  # fmt: skip
# ERR-3, HL7 table 0357, and ERR-8 that go with a code when the script gives no text.
_REASONS = {
    "AE": ("204^Unknown key identifier^HL70357", "Resource name must match PowerServer exactly"),
    "AR": ("207^Application internal error^HL70357", "Application reject"),
}
_numbers = itertools.count(time.time_ns() // 1000)


class Step(NamedTuple):
    """One word of a script."""

    deed: str
    code: str = "AA"
    text: str = ""
    seconds: float = 0.0


ACCEPT = Step("accept")


def read_step(word: str) -> Step:
    """Return one word of a script as a step.

    Raises:
        ValueError: not a word of the table above.
    """
    word = word.strip()
    code, _, text = word.partition(":")
    if code in _CODES:
        return Step("accept", code, text)
    if word.startswith("late "):
        return Step("late", seconds=float(word[5:]))
    if word in _DEEDS and word != "late":
        return Step(word)
    raise ValueError(f"'{word}' is no word of a script; there are: {', '.join((*_CODES, *_DEEDS))}")


def read_script(words: Iterable[str]) -> list[Step]:
    """Return the words of a script as steps; `AE*3` stands for three times AE.

    Raises:
        ValueError: a word is not in the table above.
    """
    steps: list[Step] = []
    for word in words:
        once, star, times = word.rpartition("*")
        steps += [read_step(once)] * int(times) if star and times.isdigit() else [read_step(word)]
    return steps


def acknowledge(message: bytes, code: str = "AA", text: str = "", control_id: bytes | None = None) -> bytes:
    """Return the acknowledgement of `message` as segments that end with CR, without a frame.

    MSH-3/4 and MSH-5/6 change places; MSH-11, MSH-12 and MSH-18 are those of the request.
    Source: HL7 v2.5.1 chapter 2, 2.9.2 and 2.14 (MSH, MSA, ERR).
    """
    head = message.partition(b"\r")[0]
    bar = head[3:4] or b"|"
    msh = [*head.split(bar), *[b""] * 18]  # index n is MSH-(n+1)
    caret = msh[1][:1] or b"^"
    event = msh[8].partition(caret)[2].partition(caret)[0]
    now = time.strftime("%Y%m%d%H%M%S%z").encode()
    own_id = b"P%019d" % next(_numbers)
    answer = [
        b"MSH", msh[1], msh[4], msh[5], msh[2], msh[3], now, b"", caret.join((b"ACK", event, b"ACK")), own_id,
        msh[10], msh[11], b"", b"", b"", b"", b"", msh[17],
    ]  # fmt: skip
    msa = [b"MSA", code.encode(), msh[9] if control_id is None else control_id]
    segments = [bar.join(answer).rstrip(bar), bar.join(msa)]
    if code[1:] != "A":
        reason, usual = _REASONS.get(code.replace("C", "A", 1), _REASONS["AR"])
        said = (text or usual).encode()
        segments[1] += bar + said
        segments.append(
            bar.join([b"ERR", b"", b"", reason.replace("^", caret.decode()).encode(), b"E", b"", b"", b"", said])
        )
    return b"\r".join(segments) + b"\r"


def answer_bytes(step: Step, payload: bytes) -> bytes:
    """Return what is written for a step that answers at all, frame included."""
    if step.deed == "garbage":
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 200
    if step.deed == "not HL7":
        return b"\x0bthank you\x1c\r"
    other = b"Z0000000000000000000" if step.deed == "wrong id" else None
    framed = b"\x0b" + acknowledge(payload, step.code, step.text, other) + b"\x1c\r"
    if step.deed == "hang up mid-frame":
        return framed[: len(framed) // 2]
    return framed * 2 if step.deed == "two answers" else framed
