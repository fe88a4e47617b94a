"""Names of places in an HL7 v2 message, as the specification writes them: `PID-3`, `PID-3[2].1`, `SCH-11.6`.

A *path* names what one value is written to or read from. A *block* is the key of a part of a mapping that repeats or
has rules of its own: a segment (`TQ1`, `NTE[]`), a field (`PID-3[]`) or a group of segments (`RESOURCES[]`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HL7Path:
    """A field or a part of it. All numbers count from 1; None where the path does not say."""

    segment: str
    field: int
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    def __str__(self) -> str:
        repetition = f"[{self.repetition}]" if self.repetition else ""
        parts = "".join(f".{part}" for part in (self.component, self.subcomponent) if part)
        return f"{self.segment}-{self.field}{repetition}{parts}"


@dataclass(frozen=True, slots=True)
class HL7Block:
    """A segment, field or group with rules of its own."""

    #: Segment (three characters) or group (the structure's own name without its prefix: RESOURCES).
    name: str
    #: Set for a field that repeats: 3 in `PID-3[]`.
    field: int | None = None
    #: Written with `[]`: once for each value of its `for:`.
    repeats: bool = False

    def __str__(self) -> str:
        return f"{self.name}{f'-{self.field}' if self.field else ''}{'[]' if self.repeats else ''}"


_SEGMENT = r"[A-Z][A-Z0-9]{2}"
_PATH = re.compile(
    rf"(?P<segment>{_SEGMENT})-(?P<field>[1-9]\d{{0,2}})(?:\[(?P<repetition>[1-9]\d{{0,3}})\])?"
    r"(?:\.(?P<component>[1-9]\d{0,2})(?:\.(?P<subcomponent>[1-9]\d{0,2}))?)?",
    re.ASCII,
)
_BLOCK = re.compile(
    rf"(?:(?P<segment>{_SEGMENT})(?:-(?P<field>[1-9]\d{{0,2}})(?=\[\]))?|(?P<group>[A-Z][A-Z0-9_]{{3,}}))"
    r"(?P<repeats>\[\])?",
    re.ASCII,
)


def parse(text: str) -> HL7Path:
    """Read a path.

    >>> parse("PID-3[2].1")
    HL7Path(segment='PID', field=3, repetition=2, component=1, subcomponent=None)

    Raises:
        ValueError: with a sentence that says what is wrong and, where it can be seen, what was meant.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(_complaint(text))
    numbers = {name: int(value) for name, value in match.groupdict().items() if name != "segment" and value}
    return HL7Path(match["segment"], **numbers)


def parse_block(text: str) -> HL7Block:
    """Read the key of a block.

    >>> parse_block("PID-3[]"), str(parse_block("RESOURCES[]"))
    (HL7Block(name='PID', field=3, repeats=True), 'RESOURCES[]')

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    match = _BLOCK.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text}' names no segment, group or repeating field: write NTE[] or TQ1 for a segment, "
            "RESOURCES[] for a group, PID-3[] for a field"
        )
    field = int(match["field"]) if match["field"] else None
    return HL7Block(match["segment"] or match["group"], field, match["repeats"] is not None)


# What people mistype, in the order in which it is looked for: a pattern at the path's beginning, and the sentence.
_MISTAKES: tuple[tuple[str, str], ...] = (
    (r".*\s", "has a space in it"),
    (
        r"(?![A-Za-z][A-Za-z0-9]{2}(?![A-Za-z]))",
        "does not begin with a segment name of three characters, as PID-3 does",
    ),
    (r".{0,2}[a-z]", "must begin with a segment name in capitals"),
    (r"...$", "is a whole segment: a field is missing, as in PID-3"),
    (r"...[^-]", "lacks the hyphen between segment and field"),
    (r".*\[\]$", "is the key of a repeating field, not of one value; one repetition is written PID-3[2]"),
    (r".*(?:-|\[|\.)0", "counts from 0: fields, repetitions and components count from 1"),
    (r".*\.\d+\[", "has its repetition behind the component, not behind the field"),
    (r"...-\d+-", "has a hyphen between field and component: there stands a dot"),
    (r"...-(?:[^.]*\.){3}", "goes deeper than a subcomponent (SEG-field.component.subcomponent)"),
    (r"", "is no HL7 path: write SEG-field, SEG-field.component or SEG-field[repetition].component"),
)


def _complaint(text: str) -> str:
    """Return what is wrong with a path, and how it should read where that is plain."""
    sentence = next(sentence for pattern, sentence in _MISTAKES if re.match(pattern, text))
    meant = _meant(text)
    return f"'{text}' {sentence}" + (f". Did you mean '{meant}'?" if meant else "")


def _meant(text: str) -> str | None:
    """Return the path that the text most likely stands for; None when that is a guess."""
    tidy = re.sub(r"\s+", "", text).upper()
    tidy = re.sub(rf"^({_SEGMENT})[.:_/]?(\d)", r"\1-\2", tidy)
    tidy = re.sub(r"(-\d+)-", r"\1.", tidy)
    tidy = re.sub(r"-(\d+)\.(\d+)\[(\d+)\]", r"-\1[\3].\2", tidy)
    return tidy if tidy != text and _PATH.fullmatch(tidy) else None
