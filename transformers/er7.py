r"""ER7, the pipe-and-hat encoding of HL7 v2: bytes to segments and segments to bytes, and nothing else.

A message is a list of segments. A segment is `[name, field 1, field 2, …]`, so that `segment[n]` is SEG-n; MSH too:
`MSH[1]` is the field separator and `MSH[2]` the encoding characters, both plain strings. Every other field is a list of
repetitions, a repetition a list of components, a component a list of subcomponents, a subcomponent unescaped text:

    PID-3  12345^^^BLUME TEST&2.25.2001&ISO   [[["12345"], [""], [""], ["BLUME TEST", "2.25.2001", "ISO"]]]

A field without a value is `[]`; a repetition or component without a value inside a field is `[[""]]` or `[""]`.

Line breaks in text: a leaf holds "\n". `encode` writes CR LF, CR and LF as `\.br\` in every leaf; `parse` reads
`\.br\`, `\X0D\`, `\X0A\` and `\X0D0A\` as "\n". All other formatting (`\H\`, `\N\`, `\.sp 2\`, `\Cxxyy\`,
`\Mxxyyzz\`, `\Zdd\`) and whatever is no escape sequence at all (`\\server\share`) stays letter by letter.

Source: HL7 v2.5.1 chapter 2, 2.5 (message construction), 2.7 (escape sequences) and 2.15.9 (MSH).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from messages.problem import Problem, Problems
from transformers import character_sets
from transformers.er7_escapes import Separators, escapes, unescaper

#: `["PID", field, field, …]`; see the module's text.
Segment = list[Any]
#: A list of components, each a list of subcomponents.
Repetition = list[list[str]]
Field = list[Repetition]

#: Segments, fields, repetitions, components and subcomponents of a message that is read: each costs some 100 bytes of
#: memory while it is mapped, and a report of 10,000 lines has fewer.
MOST_PARTS = 150_000
DEFAULT_SEPARATORS = "|^~\\&"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A message as read."""

    segments: list[Segment]
    #: Python's name of the codec that the bytes were really in.
    charset: str
    #: What was mended on the way; none of these texts holds a value of the message.
    warnings: tuple[Problem, ...]


_BOM = b"\xef\xbb\xbf"
_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
#: MSH, BHS and FHS name the separators themselves: field 1 is the separator, field 2 is never unescaped.
_HEADERS = frozenset({"MSH", "BHS", "FHS"})


def parse(data: bytes) -> Parsed:
    """Read one message. A UTF-8 BOM, blank lines and CR LF or LF as segment terminators are taken.

    A line that does not begin with a segment name goes on with the line before: somebody's raw line break.

    Raises:
        Problems: HL7_INVALID, when the bytes do not begin with an MSH that names four or five different separators;
            HL7_TOO_LARGE, when there are more than `MOST_PARTS` parts.
    """
    data = data.removeprefix(_BOM).lstrip(b"\r\n \t").replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    separators = _separators(data)
    header = data.split(b"\r", 1)[0].decode("latin-1").split(separators[0])
    text, charset, warning = character_sets.decode(data, _first(header, 18, separators))
    warnings = [_warning("HL7_CHARSET", warning, "MSH-18")] if warning else []
    if len(separators) == 6 and not _has_truncation(_first(header, 12, separators)):
        # A fifth character is the truncation character of version 2.7 and later.
        warnings.append(_warning("HL7_SEPARATORS", "a fifth encoding character before version 2.7 is ignored", "MSH-2"))
        separators = separators[:5]
    if len(text) > MOST_PARTS and sum(map(text.count, separators)) + text.count("\r") > MOST_PARTS:
        raise Problems.one("HL7_TOO_LARGE", f"the message has more than {MOST_PARTS:,} segments, fields and components")
    lines = _lines(text, separators[0], warnings)
    read = _reader(separators, charset)
    return Parsed(segments=[read(line) for line in lines], charset=charset, warnings=tuple(warnings))


def _separators(data: bytes) -> str:
    """Return the field separator and the four or five encoding characters."""
    if not data.startswith(b"MSH") or len(data) < 8:
        raise Problems.one("HL7_INVALID", "the message does not begin with an MSH segment")
    field = data[3:4]
    separators = (field + data[4:].split(b"\r", 1)[0].split(field, 1)[0]).decode("latin-1")
    if not 5 <= len(separators) <= 6:
        raise Problems.one("HL7_INVALID", "MSH-2 must hold four or five encoding characters", expression="MSH-2")
    if len(set(separators)) != len(separators) or any(c.isalnum() or c.isspace() or c > "~" for c in separators):
        raise Problems.one(
            "HL7_INVALID", "the separators in MSH-1 and MSH-2 must be different punctuation marks", expression="MSH-2"
        )
    return separators


def _first(header: list[str], number: int, separators: str) -> str:
    """Return MSH-n.1 of a header line that was split at the field separator (MSH-1 is the separator itself)."""
    value = header[number - 1] if len(header) >= number else ""
    return value.split(separators[2])[0].split(separators[1])[0]


def _has_truncation(version: str) -> bool:
    major, _, minor = version.partition(".")
    return major.isdecimal() and (int(major), int(minor[:1]) if minor[:1].isdecimal() else 0) >= (2, 7)


def _warning(code: str, text: str, expression: str) -> Problem:
    return Problem(code=code, text=text, expression=expression, severity="warning")


def _lines(text: str, separator: str, warnings: list[Problem]) -> list[str]:
    lines: list[list[str]] = []
    for line in text.split("\r"):
        if line[3:4] in (separator, "") and _SEGMENT_NAME.match(line[:3]):
            lines.append([line])
        elif line.strip():
            lines[-1].append(line)
    for segment, *broken in lines:
        if broken:
            warnings.append(_warning("HL7_LINE_BREAK", "a raw line break stands inside a field", segment[:3]))
    return ["\n".join(line) for line in lines]


@lru_cache(maxsize=64)
def _reader(separators: str, charset: str) -> Callable[[str], Segment]:
    """Return a function that reads one segment."""
    marks = Separators(*separators)
    field_mark, component_mark, repetition_mark = marks.field, marks.component, marks.repetition
    subcomponent_mark, escape_mark = marks.subcomponent, marks.escape
    unescape = unescaper(marks, charset)

    def component(text: str) -> list[str]:
        leaves = text.split(subcomponent_mark)
        return [unescape(leaf) for leaf in leaves] if escape_mark in text else leaves

    def parts(text: str) -> Field:
        if component_mark not in text and repetition_mark not in text:
            return [[component(text)]]
        return [
            [
                [part] if subcomponent_mark not in part and escape_mark not in part else component(part)
                for part in repetition.split(component_mark)
            ]
            for repetition in text.split(repetition_mark)
        ]

    def fields(texts: list[str]) -> list[Field]:
        # Most fields are empty, one word or one number; only the others are taken apart.
        return [[] if not text else [[[text]]] if text.isalnum() else parts(text) for text in texts]

    def read(line: str) -> Segment:
        name, *texts = line.split(field_mark)
        if name in _HEADERS:
            return [name, field_mark, separators[1:], *fields(texts[1:])]
        return [name, *fields(texts)]

    return read


def encode(segments: Sequence[Segment], charset: str | None = None) -> bytes:
    """Write a message: every leaf escaped, NFC, trailing empties trimmed, each segment ended by CR.

    Args:
        segments: as `parse` gives them; the first one is MSH, whose MSH-1 and MSH-2 are used.
        charset: a name of HL7 table 0211; None takes MSH-18, and an empty MSH-18 is ASCII.

    Raises:
        Problems: HL7_CHARSET, when the character set is unknown or cannot write a character of the field named.
    """
    header = segments[0]
    separators = header[1] + header[2]
    write = _writer(separators)
    text = "".join([write(segment) for segment in segments])
    if not unicodedata.is_normalized("NFC", text):
        text = "".join([write(_normalised(segment)) for segment in segments])
    return _to_bytes(text, charset if charset is not None else _declared(header), separators[0])


def escaped(leaf: str) -> str:
    """Return a text as it is written with the usual separators."""
    return leaf if leaf.isalnum() or not is_special(leaf) else escape(leaf)


def to_bytes(text: str, charset: str) -> bytes:
    """Return a message that was written with the usual separators, in Unicode's composed form (NFC).

    Raises:
        Problems: as `encode`.
    """
    # No separator, and no character of an escape sequence, becomes another one together with the text around it.
    return _to_bytes(unicodedata.normalize("NFC", text), charset, DEFAULT_SEPARATORS[0])


def _to_bytes(text: str, charset: str, separator: str) -> bytes:
    codec = character_sets.codec(charset)
    if codec is None:
        raise Problems.one("HL7_CHARSET", "MSH-18 names no character set that can be written", expression="MSH-18")
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        place = _place(text[: error.start], separator)
    raise Problems.one(
        "HL7_CHARSET",
        f"a character cannot be written in {codec}",
        expression=place,
        hint="Send UNICODE UTF-8 (MSH-18), or replace the character in the mapping.",
    )


@lru_cache(maxsize=64)
def _writer(separators: str) -> Callable[[Segment], str]:
    """Return a function that writes one segment, with its final CR."""
    marks = Separators(*separators)
    find, escape = escapes(marks)
    field_mark = marks.field
    write_parts = _parts_writer(marks)

    def write(segment: Segment) -> str:
        texts = []
        start: str = segment[0]
        for field in segment[3:] if start in _HEADERS else segment[1:]:
            if not field:
                texts.append("")
            elif len(field) == 1 and len(field[0]) == 1 and len(field[0][0]) == 1:
                # Most fields are a single text: the way of `write_parts` without its loops.
                text = field[0][0][0]
                texts.append(text if text.isalnum() or not find(text) else escape(text))
            else:
                texts.append(write_parts(field))
        if start in _HEADERS:
            start += field_mark + segment[2]
        return f"{start}{field_mark}{field_mark.join(texts)}".rstrip(field_mark) + "\r"

    return write


def _parts_writer(marks: Separators) -> Callable[[Field], str]:
    """Return a function that writes a field with repetitions, components or subcomponents."""
    write_repetition = _repetition_writer(marks)
    mark = marks.repetition

    def write(field: Field) -> str:
        if len(field) == 1:
            return write_repetition(field[0])
        return mark.join(map(write_repetition, field)).rstrip(mark)

    return write


def _repetition_writer(marks: Separators) -> Callable[[Repetition], str]:
    """Return a function that writes a repetition."""
    find, escape = escapes(marks)
    component_mark, subcomponent_mark = marks.component, marks.subcomponent
    join_components, join_subcomponents, join_leaves = component_mark.join, subcomponent_mark.join, "".join
    empty_end = subcomponent_mark + component_mark

    def write(repetition: Repetition) -> str:
        if find(join_leaves(map(join_leaves, repetition))):
            repetition = [
                # As nearly always: a component is one text, and most of them have nothing to escape.
                component if len(component) == 1 and component[0].isalnum() else list(map(escape, component))
                for component in repetition
            ]
        text = join_components(map(join_subcomponents, repetition))
        if subcomponent_mark in text and empty_end in text + component_mark:
            text = join_components([join_subcomponents(part).rstrip(subcomponent_mark) for part in repetition])
        return text.rstrip(component_mark)

    return write


#: True of a text with something to escape, and what escapes it; for the usual separators.
is_special, escape = escapes(Separators(*DEFAULT_SEPARATORS))
#: Write a field, and one of its repetitions, with the usual separators.
written: Callable[[Field], str] = _parts_writer(Separators(*DEFAULT_SEPARATORS))
written_repetition: Callable[[Repetition], str] = _repetition_writer(Separators(*DEFAULT_SEPARATORS))


def _normalised(segment: Segment) -> Segment:
    return [
        field
        if isinstance(field, str)
        else [[[unicodedata.normalize("NFC", leaf) for leaf in part] for part in repetition] for repetition in field]
        for field in segment
    ]


def _declared(header: Segment) -> str:
    field: Field = header[18] if len(header) > 18 else []
    return field[0][0][0] if field else ""


def _place(before: str, separator: str) -> str:
    """Return `PID-5` for the text of a message up to the character that cannot be written."""
    segment = before.rpartition("\r")[2]
    number = segment.count(separator) + (1 if segment[:3] in _HEADERS else 0)
    return f"{segment[:3]}-{number}"
