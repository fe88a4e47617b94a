"""What of a mapping its tests touch: rules, lines of the route, conditions (both ways), rows of each table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from messages.problem import Problems
from transformers import code_table
from transformers.mapping_explain import Trace

RULES, ROUTE, CONDITIONS = "rules", "lines of the route", "conditions"


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One thing that a test can touch."""

    file: str
    line: int
    column: int
    #: In words, behind the place.
    text: str

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(slots=True)
class Coverage:
    """By kind (rules, route, conditions, and `tables/x.csv` for each table): what there is and what was touched."""

    there: dict[str, set[Item]] = field(default_factory=dict)
    touched: dict[str, set[Item]] = field(default_factory=dict)

    def add(self, other: Coverage) -> None:
        """Take in the coverage of another file; what both name (a table, a fragment) is touched by either."""
        for mine, its in ((self.there, other.there), (self.touched, other.touched)):
            for kind, items in its.items():
                mine.setdefault(kind, set()).update(items)

    def figures(self) -> dict[str, tuple[int, int]]:
        """Return how many of each kind were touched, and how many there are."""
        return {kind: (len(items & self.touched.get(kind, set())), len(items)) for kind, items in self.there.items()}

    def missing(self) -> list[tuple[str, Item]]:
        """Return what no test touches, with its kind, in the order of the files."""
        found = [(kind, item) for kind, items in self.there.items() for item in items - self.touched.get(kind, set())]
        return sorted(found, key=lambda one: one[1])


def coverage(plan: Mapping[str, Any], traces: Sequence[Trace], folder: Path) -> Coverage:
    """Return the coverage of one mapping.

    Args:
        plan: of the mapping.
        traces: what each of its tests did.
        folder: of the site, for the lines of its tables.
    """
    found = Coverage()
    reached = {place for trace in traces for place in trace.touched}
    said = {condition for trace in traces for condition in trace.conditions}
    rows = {row for trace in traces for row in trace.rows}
    for rule in _rules(plan):
        _note(found, RULES, _item(rule["at"], f"the rule of {rule['name']}"), touched=rule["at"] in reached)
    for line in plan["route"]:
        _note(found, ROUTE, _item(line["at"], "the line"), touched=line["at"] in reached)
    for at in dict.fromkeys(_conditions(plan)):
        for way in (True, False):
            item = _item(at, f"the condition being {str(way).lower()}")
            _note(found, CONDITIONS, item, touched=(at, way) in said)
    for name in plan["tables"]:
        for code, line in _lines(folder / "tables" / f"{name}.csv").items():
            item = Item(f"{folder.name}/tables/{name}.csv", line, 1, f"the row {code}")
            _note(found, f"rows of tables/{name}.csv", item, touched=(name, code) in rows)
    for rule in [*_rules(plan), *plan["let"].values(), plan["zone"]]:
        if "cells" in rule and rule["table"].startswith("of "):
            for code in rule["cells"]:
                item = _item(rule["at"], f"the row {code} of the table in the rule")
                _note(found, "rows in rules", item, touched=(rule["at"], code) in rows)
    return found


def _note(found: Coverage, kind: str, item: Item, *, touched: bool) -> None:
    found.there.setdefault(kind, set()).add(item)
    if touched:
        found.touched.setdefault(kind, set()).add(item)


def _item(at: str, text: str) -> Item:
    file, line, column = at.rsplit(":", 2)
    return Item(file, int(line), int(column), text)


def _rules(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return the rules that write values, those of repeating fields too."""
    for parts in plan["maps"].values():
        for rule in _in_parts(parts):
            if "parts" not in rule:
                yield rule


def _in_parts(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        for rule in part.get("rules", ()):
            yield rule
            yield from rule.get("parts", ())
        yield from _in_parts(part.get("parts", ()))


def _conditions(plan: Mapping[str, Any]) -> Iterator[str]:
    yield from (line["at"] for line in plan["route"] if line["when"] is not None)
    for parts in plan["maps"].values():
        yield from (one["at"] for one in (*_in_parts(parts), *_groups(parts)) if one["tests"] or one.get("when"))


def _groups(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        yield part
        yield from _groups(part.get("parts", ()))


def _lines(path: Path) -> Mapping[str, int]:
    try:
        return code_table.load(path).lines
    except Problems:
        return {}
