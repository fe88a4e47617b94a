"""A message's bytes, made ready to be read: HL7 by segment and field, JSON indented, nothing changed or lost."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup, escape

from store.connection import Connection

#: Bytes of one body that a page shows.
SHOWN = 256 * 1024

#: Returns the name of a field ("PID", 5 → "Patient Name"); empty when unknown.
Describe = Callable[[str, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something of what was sent came from. Its values are the message's: shown on its page, nowhere else."""

    #: The field that it stands in (`PID-5`, `AIS[2]-3`), or the element's path.
    place: str
    #: What the rule writes: `SCH-11.4`.
    target: str
    #: `file:line:column`.
    rule: str
    source: str
    #: What the source gave, before any conversion.
    found: str
    conversion: str
    gave: str


#: Returns where all that one message was mapped to came from, by destination; the number is the message's.
Explain = Callable[[Connection, int], Mapping[str, Sequence[Origin]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a segment that has a value."""

    number: int
    text: str
    #: "Patient Name"; empty when unknown.
    name: str
    #: `AIS[2]`: the segment, and which of its kind.
    segment: str
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a line: the text between fields, or a field."""

    text: str
    field: Field | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment as it stands, in parts, and its fields."""

    name: str
    parts: tuple[Part, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A piece of JSON: `name`, `text`, `plain` (numbers, true, false, null) or `mark` (punctuation, white space)."""

    kind: Literal["name", "text", "plain", "mark"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """A body as it is shown."""

    kind: Literal["hl7", "json", "text", "binary"]
    size: int
    #: What the bytes were read as.
    charset: str = "UTF-8"
    #: Bytes shown; fewer than `size` when it was cut.
    shown: int = 0
    segments: tuple[Segment, ...] = ()
    tokens: tuple[Token, ...] = ()
    text: str = ""
    #: Where what is in it came from; of HL7 the fields have theirs.
    origins: tuple[Origin, ...] = ()


def pane(body: bytes, describe: Describe, origins: Sequence[Origin] = ()) -> Pane:
    """Return a body as a page shows it. What it is, the bytes say; what they do not say is shown as text."""
    shown = body[:SHOWN]
    if b"\0" in shown or shown.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04")):
        return Pane(kind="binary", size=len(body), origins=tuple(origins))
    text, charset = _decode(shown)
    whole = Pane(kind="text", size=len(body), shown=len(shown), charset=charset, text=text, origins=tuple(origins))
    if re.match(r"\x0b?MSH[^\w\s]", text):
        return replace(whole, kind="hl7", segments=tuple(_segments(text, describe, origins)))
    if text.lstrip()[:1] in {"{", "["} and (len(shown) < len(body) or _is_json(text)):
        return replace(whole, kind="json", tokens=tuple(_tokens(text)))
    return whole


def _decode(body: bytes) -> tuple[str, str]:
    try:
        return body.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError as error:
        # A character that the limit has cut in two does not make the rest another character set.
        if error.start > len(body) - 4 and len(body) == SHOWN:
            return body[: error.start].decode("utf-8"), "UTF-8"
        return body.decode("iso-8859-1"), "ISO 8859-1"


# -- HL7 v2.5.1, chapter 2.5.4: delimiters ---------------------------------------------------------------------


def _segments(text: str, describe: Describe, origins: Sequence[Origin]) -> Iterator[Segment]:
    separator = text[text.index("MSH") + 3]
    by_place: dict[str, list[Origin]] = {}
    for origin in origins:
        by_place.setdefault(origin.place, []).append(origin)
    counts: Counter[str] = Counter()
    for line in re.findall(r"[^\r\n]+[\r\n]*|[\r\n]+", text):
        content = line.rstrip("\r\n")
        name = content.lstrip("\x0b")[:3]
        counts[name] += 1
        shown = name if counts[name] == 1 else f"{name}[{counts[name]}]"
        fields: list[Field] = []
        parts = [Part(text=content.partition(separator)[0])]
        # MSH-1 is the separator itself, so what follows it is MSH-2.
        first = 2 if name == "MSH" else 1
        for number, value in enumerate(content.split(separator)[1:], start=first):
            parts.append(Part(text=separator))
            if value:
                field = Field(
                    number=number, text=value, name=describe(name, number), segment=shown,
                    origins=tuple(by_place.get(f"{shown}-{number}", ())),
                )  # fmt: skip
                fields.append(field)
                parts.append(Part(text=value, field=field))
        parts.append(Part(text=line[len(content) :]))
        yield Segment(name=name, parts=tuple(part for part in parts if part.text), fields=tuple(fields))


# -- JSON: RFC 8259. Indented from its own characters, so that 1.50 stays 1.50 and a double key stays double -----

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|([\[\]{},])|([^\s"\[\]{},:]+)|\s+|(.)', re.DOTALL)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _tokens(text: str) -> Iterator[Token]:
    depth, opened = 0, False
    for found in _TOKEN.finditer(text):
        string, colon, mark, plain, stray = found.groups()
        if mark in {"]", "}"}:
            depth -= 1
            yield _mark(mark if opened else _line(depth) + mark)
            opened = False
        elif string or mark or plain or stray:
            if opened:
                yield _mark(_line(depth))
            opened = mark in {"[", "{"}
            depth += opened
            if mark:
                yield _mark("," + _line(depth) if mark == "," else mark)
            else:
                yield Token(kind="name" if colon else "text" if string else "plain", text=string or plain or stray)
            if colon:
                yield _mark(": ")


def _mark(text: str) -> Token:
    return Token(kind="mark", text=text)


def _line(depth: int) -> str:
    return "\n" + "  " * max(depth, 0)


# -- characters that cannot be seen ------------------------------------------------------------------------------

#: Sign and name; other characters show their code point.
_NAMES = {
    "\t": ("TAB", "tab (09)"),
    "\n": ("LF", "line feed (0A)"),
    "\v": ("VT", "vertical tab, start of an MLLP block (0B)"),
    "\r": ("CR", "carriage return (0D)"),
    "\x1b": ("ESC", "escape (1B)"),
    "\x1c": ("FS", "file separator, end of an MLLP block (1C)"),
    "\xa0": ("NBSP", "no-break space (A0)"),
    "\u00ad": ("SHY", "soft hyphen (AD)"),
}

#: Categories of Unicode that leave no mark, or change the order in which others are read.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def visible(text: str, *, breaks: bool = False) -> Markup:
    """Return text as HTML in which no character hides; with `breaks`, line feeds are left to break lines."""
    return Markup().join(_shown(character, breaks=breaks) for character in re.findall(_RUNS, text))


_RUNS = re.compile(r"[\x20-\x7e]+|.", re.DOTALL)


def _shown(run: str, *, breaks: bool) -> Markup:
    if len(run) > 1 or (run == "\n" and breaks):
        return escape(run)
    if unicodedata.category(run) not in _UNSEEN and run != "\xa0":
        return escape(run)
    code = f"U+{ord(run):04X}"
    sign, name = _NAMES.get(run) or (code, unicodedata.name(run, "control character").lower())
    return Markup('<span class="unseen" title="{}">{}</span>').format(name, sign)
