"""Code tables: CSV files that analysts keep, with a header, as exact as what is written in them.

    # Blume's codes and what PowerServer calls them
    code,text,modality
    CT01,CT HEAD W/O CONTRAST,CT

UTF-8. The separator is the one that the header uses: comma, semicolon or tab (spreadsheets differ by country). Lines
that begin with `#` are comments. A cell with a separator, a line break, a `#` in front or spaces at its ends stands in
double quotes. All mistakes of a file are reported at once, with line and column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from messages.problem import Place, Problem, Problems
from transformers.csv_rows import Cell, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A code table as read."""

    #: The file's name without its ending.
    name: str
    columns: tuple[str, ...]
    #: Key -> column -> cell. The key is the first column's cell, or the key columns' cells joined by `|`.
    rows: Mapping[str, Mapping[str, str]]
    #: Key -> line number in the file.
    lines: Mapping[str, int]
    #: What was tolerated (severity warning).
    notes: tuple[Problem, ...] = ()


_BOM = "\ufeff"


def load(path: Path, key: Sequence[str] = (), *, file: str | None = None) -> Table:
    """Read a table.

    Args:
        path: of the CSV file.
        key: the columns that make the key; empty for the first one.
        file: how problems name the file; None for `path` itself.

    Raises:
        Problems: with places; the codes are in `CODES`.
    """
    shown = file or str(path)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise Problems([_problem("E201", f"cannot be read: {error.strerror}", Place(shown, 1, 1))]) from None
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        place = Place(shown, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise Problems([_problem("E202", "is not in UTF-8", place)]) from None
    notes = []
    if text.startswith(_BOM):
        note = _problem("E203", "begins with a byte order mark", Place(shown, 1, 1), "warning")
        notes.append(note)
    reading = _Reading(shown, key)
    reading.read(text.removeprefix(_BOM))
    if reading.problems:
        raise Problems(reading.problems)
    return Table(name=path.stem, columns=reading.columns, rows=reading.rows, lines=reading.lines, notes=tuple(notes))


class _Reading:
    """One pass over a file, collecting rows and problems."""

    def __init__(self, file: str, key: Sequence[str]) -> None:
        self._file = file
        self._key = tuple(key)
        self.problems: list[Problem] = []
        self.columns: tuple[str, ...] = ()
        self.rows: dict[str, dict[str, str]] = {}
        self.lines: dict[str, int] = {}

    def read(self, text: str) -> None:
        lines = rows(text)
        header = next(lines, None)
        if header is None:
            self._report("E204", "has no header: the first line must name the columns", 1, 1)
            return
        if self._header(header):
            for row in lines:
                self._row(row)

    def _report(self, code: str, sentence: str, line: int, column: int) -> None:
        self.problems.append(_problem(code, sentence, Place(self._file, line, column)))

    def _header(self, header: list[Cell]) -> bool:
        """Take the column names; False when rows cannot be read by them."""
        self.columns = tuple(cell.text for cell in header)
        for position, cell in enumerate(header):
            self._look_at(cell)
            if not cell.text:
                self._report("E205", f"column {position + 1} has no name", cell.line, cell.column)
            elif cell.text in self.columns[:position]:
                self._report("E205", f"the column '{cell.text}' is named twice", cell.line, cell.column)
        for name in self._key:
            if name not in self.columns:
                self._report("E206", f"the key column '{name}' is not in the header", header[0].line, 1)
        self._key = self._key or self.columns[:1]
        return not self.problems

    def _row(self, row: list[Cell]) -> None:
        for cell in row:
            self._look_at(cell)
        first = row[0]
        if len(row) != len(self.columns):
            sentence = f"this row has {len(row)} cells, the header {len(self.columns)}"
            self._report("E207", sentence, first.line, row[min(len(row), len(self.columns)) - 1].column)
            return
        cells = {name: cell.text for name, cell in zip(self.columns, row, strict=True)}
        empty = [name for name in self._key if not cells[name]]
        if empty:
            cell = row[self.columns.index(empty[0])]
            self._report("E208", f"the key '{empty[0]}' is empty", cell.line, cell.column)
            return
        key = "|".join(cells[name] for name in self._key)
        if key in self.lines:
            self._report("E209", f"the key '{key}' stands in line {self.lines[key]} already", first.line, first.column)
            return
        self.rows[key] = cells
        self.lines[key] = first.line

    def _look_at(self, cell: Cell) -> None:
        """Report what is wrong inside a cell."""
        text = cell.text
        if cell.behind or (not cell.quoted and '"' in text):
            self._report("E210", "a double quote opens or closes inside this cell", cell.line, cell.column)
        elif not cell.quoted and text != text.strip(" \t"):
            behind = 0 if text[0] in " \t" else len(text.rstrip())
            self._report("E211", "a space stands at the end of this cell", cell.line, cell.column + behind)
        elif _INVISIBLE.search(text):
            self._report("E212", "there is an invisible character in this cell", cell.line, cell.column)


_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00a0\u200b\u2060\ufeff]")


def _problem(code: str, sentence: str, place: Place, severity: Literal["error", "warning"] = "error") -> Problem:
    """Return a problem with the cure of its code as the hint."""
    return Problem(code=code, text=sentence, hint=CODES[code][2], place=place, severity=severity)


#: Code -> (cause, example, cure), for `plugin-host explain`.
CODES: Mapping[str, tuple[str, str, str]] = {
    "E201": (
        "The mapping names a code table whose file is not there or may not be read.",
        "table: procedures, and no tables/procedures.csv",
        "Create the file, or correct its name in the mapping.",
    ),
    "E202": (
        "The file is in another encoding, mostly a spreadsheet's own.",
        "Conceição saved by a spreadsheet as CSV in Windows-1252",
        "Save it as 'CSV UTF-8'.",
    ),
    "E203": (
        "A byte order mark stands before the first column's name. It is ignored.",
        "a spreadsheet's 'CSV UTF-8'",
        "Nothing needs to be done.",
    ),
    "E204": (
        "There is nothing in the file but comments and blank lines.",
        "# codes to come",
        "Write a header such as code,text and a row for each code.",
    ),
    "E205": (
        "The first line that is no comment names the columns; a name is missing or stands twice.",
        "code,text,text",
        "Give every column a name of its own.",
    ),
    "E206": (
        "The mapping looks the table up by a column that it does not have.",
        "key: [system, code], and a header code,text",
        "Add the column, or correct its name.",
    ),
    "E207": (
        "A row has more or fewer cells than the header has columns.",
        "CT01,Head, with contrast",
        "Put a cell that holds the separator in double quotes; write empty cells at the end of a row, too.",
    ),
    "E208": (
        "A row has nothing in its key column, so nothing can ever find it.",
        ",CT HEAD",
        "Fill the key, or delete the row.",
    ),
    "E209": (
        "Two rows have the same key, and only one of them could be used.",
        "CT01,Head in line 2, CT01,Skull in line 7",
        "Delete one of them.",
    ),
    "E210": (
        "A double quote opens or closes in the middle of a cell, or is never closed.",
        'CT01,5" screen',
        'Put the whole cell in double quotes and write each quote in it twice: "5"" screen".',
    ),
    "E211": (
        "A cell without quotes begins or ends with a space. Values are compared exactly, so it would never match.",
        "CT01 ,CT HEAD",
        "Delete the space; if it belongs to the value, put the cell in double quotes.",
    ),
    "E212": (
        "A cell holds a character that nobody sees: a no-break space, a zero-width space or a control character.",
        "BLUME CT with a no-break space",
        "Type the cell anew.",
    ),
    "E213": (
        "A FHIR ConceptMap cannot become a table, or a table no ConceptMap.",
        "one code with two targets",
        "Keep one target for each code; name a column that the table has.",
    ),
}
