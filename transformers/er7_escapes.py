r"""Escape sequences of HL7 v2: the separators as letters, line breaks, and bytes in hexadecimal.

Source: HL7 v2.5.1 chapter 2, 2.7; the truncation character and its `\P\`: version 2.7, chapter 2, 2.5.5.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import lru_cache, partial


@dataclass(frozen=True, slots=True)
class Separators:
    r"""MSH-1 and the characters of MSH-2, in that order. `Separators(*r"|^~\&")` are the usual ones."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    #: Version 2.7 and later; empty before.
    truncation: str = ""

    def letters(self) -> dict[str, str]:
        r"""Return the letter of the escape sequence of each separator: `F` for `|` in `\F\`."""
        return {mark: letter for letter, mark in zip("FSRETP", astuple(self), strict=True) if mark}


@lru_cache(maxsize=64)
def unescaper(separators: Separators, charset: str) -> Callable[[str], str]:
    r"""Return a function that undoes every escape sequence that stands for characters, and keeps all else.

    Args:
        separators: of the message.
        charset: Python's codec that the bytes of `\X…\` are in.
    """
    letters = {letter: mark for mark, letter in separators.letters().items()}
    mark = re.escape(separators.escape)
    # The second line names sequences that are kept: `\H\F\N\` is a highlighted F, no separator.
    sequence = re.compile(
        rf"{mark}(?:([{''.join(letters)}])|(\.br)|X((?:[0-9A-Fa-f]{{2}})+)"
        rf"|[HN]|\.[a-z]{{2}}[ +0-9-]*|C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4,6}}|Z[0-9A-Za-z]*){mark}"
    )

    def replacement(match: re.Match[str]) -> str:
        letter, line_break, octets = match.groups()
        if letter:
            return letters[str(letter)]
        if line_break:
            return "\n"
        if octets:
            try:
                return bytes.fromhex(octets).decode(charset).replace("\r\n", "\n").replace("\r", "\n")
            except UnicodeDecodeError:
                return match.group()
        return match.group()

    def unescape(text: str) -> str:
        return sequence.sub(replacement, text)

    return unescape


@lru_cache(maxsize=64)
def escapes(separators: Separators) -> tuple[Callable[[str], object], Callable[[str], str]]:
    r"""Return a function that is true of a text with something to escape, and one that escapes it.

    Separators go as `\F\` and so on, line breaks as `\.br\`, other control characters as `\X0B\`: 0x0B and 0x1C would
    end the MLLP frame, a CR the segment. TAB may stand.
    """
    mark = separators.escape
    escaped = {chr(n): f"{mark}X{n:02X}{mark}" for n in (*range(0x20), 0x7F) if n != 0x09}
    escaped |= {separator: f"{mark}{letter}{mark}" for separator, letter in separators.letters().items()}
    escaped |= dict.fromkeys(("\r\n", "\r", "\n"), f"{mark}.br{mark}")
    characters = "".join(re.escape(character) for character in escaped if len(character) == 1)
    # A class alone is searched twice as fast as with the alternative before it.
    special = re.compile(f"[{characters}]")
    to_escape = re.compile(f"\r\n|[{characters}]")

    return special.search, partial(to_escape.sub, lambda match: escaped[match.group()])
