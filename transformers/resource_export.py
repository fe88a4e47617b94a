"""PowerServer's bookable resources as a table: an export in CSV or JSON, or what MFN messages made, as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from messages.problem import Place, Problem, Problems
from messages.resource import Record, Value
from transformers import resource_values as values
from transformers.csv_rows import rows
from transformers.mapping_file import did_you_mean
from transformers.resource_file import FieldSource, SyncPlan

#: A row of an export, and where it stands: `resources.csv:7`.
Row = tuple[str, Mapping[str, str]]


def read_csv(text: str, file: str) -> list[Row]:
    """Return the rows of a CSV export; the first line names the columns.

    Raises:
        Problems: no header, a column twice, or a row of another length, each with its place.
    """
    lines = rows(text.removeprefix("\ufeff"))
    header = [cell.text.strip() for cell in next(lines, [])]
    if not header or len(set(header)) != len(header):
        raise Problems([_problem("E510", "the first line must name each column once", Place(file, 1, 1))])
    found: list[Row] = []
    problems: list[Problem] = []
    for row in lines:
        line = row[0].line
        if len(row) != len(header):
            text = f"this row has {len(row)} cells, the header {len(header)}"
            problems.append(_problem("E510", text, Place(file, line, 1)))
            continue
        found.append((f"{file}:{line}", {name: cell.text for name, cell in zip(header, row, strict=True)}))
    if problems:
        raise Problems(problems)
    return found


def read_json(body: bytes, file: str) -> list[Row]:
    """Return the rows of a JSON export: a list of objects, or an object with one list of them.

    Raises:
        Problems: it is something else.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Problems([_problem("E510", "the file is not JSON", Place(file, 1, 1))]) from None
    if isinstance(document, dict):
        document = next((part for part in document.values() if isinstance(part, list)), None)
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        raise Problems([_problem("E510", "the file holds no list of objects", Place(file, 1, 1))])
    return [
        (f"{file}#{number}", {str(name): _cell(value) for name, value in item.items() if value is not None})
        for number, item in enumerate(document, 1)
    ]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def records(found: Sequence[Row], plan: SyncPlan, *, of_mfn: bool = False) -> list[Record]:
    """Return a record for each row.

    Raises:
        Problems: a row has no name or no facility; E511 with the columns that are there.
    """
    return [_record(where, row, plan, of_mfn=of_mfn) for where, row in found]


def _record(where: str, row: Mapping[str, str], plan: SyncPlan, *, of_mfn: bool) -> Record:
    facility_column = plan.facility_mfn if of_mfn else plan.facility_column
    facility = row.get(facility_column or "") or plan.facility_default
    if not facility:
        raise Problems([_lacks(where, row, facility_column or "the facility")])
    found: dict[str, Value] = {}
    for source in plan.fields:
        value = _value(source, row, plan, of_mfn=of_mfn)
        if value is not None:
            found[source.name] = value
    if "name" not in found:
        column = next((source.columns[0] for source in plan.fields if source.name == "name" and source.columns), "name")
        raise Problems([_lacks(where, row, column)])
    return Record(facility=values.name(facility), name=values.name(found["name"].raw), where=where, values=found)


def _value(source: FieldSource, row: Mapping[str, str], plan: SyncPlan, *, of_mfn: bool) -> Value | None:
    """Return what PowerServer says about a field; None where the export has no such column."""
    names = (source.mfn,) if of_mfn else source.columns
    cells = [row[name] for name in names if name is not None and name in row]
    if not names or len(cells) < len(names) or names == (None,):
        return None if source.absent is None else values.value(source.kind, source.absent, plan.groups)
    if source.kind == "hours":
        return _hours(cells)
    if source.kind != "text" and not cells[0].strip():
        return None  # an empty cell says nothing
    return values.value(source.kind, cells[0], plan.groups)


def _hours(cells: Sequence[str]) -> Value | None:
    if len(cells) == 1:
        return Value(cells[0], hl7_hours(cells[0]))
    if not any(cell.strip() for cell in cells):
        return None
    times = values.pair(*cells)
    return Value(" - ".join(cells), {values.EVERY_DAY: times} if times else None)


def hl7_hours(text: str) -> values.Hours | None:
    """Return the hours of repetitions of VH, `MON^FRI^0800^1800~SAT^SAT^0800^1200`.

    Source: HL7 v2.5.1 chapter 2A, VH (visiting hours); table 0267 (days of the week).

    >>> hl7_hours("SAT^SUN^0800^1200")
    {'sat': ['08:00', '12:00'], 'sun': ['08:00', '12:00']}
    """
    found: values.Hours = {}
    for repetition in filter(None, text.split("~")):
        first, last, begins, ends = [*repetition.split("^"), "", "", ""][:4]
        times = values.pair(begins, ends)
        days = _days(first.lower(), (last or first).lower())
        if times is None or not days:
            return None
        found |= dict.fromkeys(days, times)
    return found or None


def _days(first: str, last: str) -> list[str]:
    if first not in values.DAYS or last not in values.DAYS:
        return []
    begin, end = values.DAYS.index(first), values.DAYS.index(last)
    week = values.DAYS + values.DAYS
    return list(week[begin : (end if end >= begin else end + 7) + 1])


def _lacks(where: str, row: Mapping[str, str], column: str) -> Problem:
    file, _, line = where.rpartition(":")
    place = Place(file, int(line), 1) if line.isdecimal() else Place(where, 1, 1)
    hint = did_you_mean(column, row) or f"it has {', '.join(row) or 'nothing'}"
    return _problem("E511", f"the row has no '{column}'", place, hint)


def _problem(code: str, text: str, place: Place, hint: str | None = None) -> Problem:
    return Problem(code=code, text=text, place=place, hint=hint)
