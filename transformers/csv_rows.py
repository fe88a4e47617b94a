"""CSV as rows of cells that know where they stand: line and column, which the standard library's reader does not keep.

Source: RFC 4180, but for comment lines and the choice of separator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell and where it begins. Line and column count from 1."""

    text: str
    line: int
    column: int
    #: It stands in double quotes.
    quoted: bool
    #: What stands between the closing quote and the separator; a mistake when there is anything.
    behind: str


#: Blank lines and comments.
_SKIPPED = re.compile(r"(?:[ \t]*|#[^\n]*)(?:\n|\Z)")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def rows(text: str) -> Iterator[list[Cell]]:
    """Yield the cells of each row, the header's first; blank lines and lines that begin with `#` are left out.

    The separator is the first of comma, semicolon and tab that the header line holds.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    separator = _separator(text)
    cell = re.compile(
        rf'(?:"(?P<quoted>(?:[^"]|"")*)"(?P<behind>[^{separator}\n]*)|(?P<plain>[^{separator}\n]*))(?P<end>[{separator}\n]|\Z)'
    )
    row: list[Cell] = []
    line, line_start, position = 1, 0, 0
    while position < len(text) or row:
        skipped = None if row else _SKIPPED.match(text, position)
        found = skipped or cell.match(text, position)
        assert found is not None  # noqa: S101 - a cell may be empty, so there always is one
        if found is not skipped:
            quoted, behind, plain = found["quoted"], found["behind"], found["plain"]
            value = plain if quoted is None else quoted.replace('""', '"')
            row.append(Cell(value, line, position - line_start + 1, quoted is not None, behind or ""))
            if found["end"] != separator:
                yield row
                row = []
        position = found.end()
        if "\n" in found.group():
            line += found.group().count("\n")
            line_start = text.rindex("\n", 0, position) + 1


def _separator(text: str) -> str:
    lines = (line for line in text.split("\n") if line.strip() and not line.startswith("#"))
    header = _QUOTED.sub("", next(lines, ""))
    return next((character for character in header if character in ",;\t"), ",")
