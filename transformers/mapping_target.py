"""The left side of a mapping line, checked against HL7's own tables; and the text that an analyst writes for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from transformers import hl7_path, hl7_tables
from transformers.mapping_desk import Desk, Where

#: Written by the host from the destination: separators, time, type, control id, version, character set.
HOST_FIELDS = frozenset({1, 2, 7, 9, 10, 12, 18})

Level = Literal["field", "component", "subcomponent"]

_LEAVES: dict[str, tuple[re.Pattern[str], str]] = {
    "NM": (re.compile(r"[+-]?[0-9]+(\.[0-9]*)?|[+-]?\.[0-9]+"), "a number"),
    "SI": (re.compile(r"[0-9]{1,4}"), "a whole number of at most 4 digits"),
    "DT": (re.compile(r"[0-9]{4}([0-9]{2}([0-9]{2})?)?"), "a date, YYYY[MM[DD]]"),
    "TM": (re.compile(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,4})?)?)?([+-][0-9]{4})?"), "a time, HH[MM[SS]]"),
    "DTM": (
        re.compile(r"[0-9]{4}([0-9]{2}([0-9]{2}([0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,4})?)?)?)?)?)?([+-][0-9]{4})?"),
        "a time, YYYY[MM[DD[HH[MM[SS]]]]]",
    ),
}
#: Tables of HL7 that sites extend although their data type is ID: coding systems (99ZZZ, HL7nnnn), countries.
_OPEN_TABLES = frozenset({"0396", "0399"})


@dataclass(frozen=True, slots=True)
class TargetDef:
    """One place of a message that a rule writes."""

    path: hl7_path.HL7Path
    #: Written with `[]`: takes every value.
    repeats: bool
    #: In words: "PID-8 Administrative Sex".
    words: str
    #: "" where HL7 does not say (a Z-segment, OBX-5).
    datatype: str
    #: HL7 table of coded values, "0001".
    table: str | None
    version: str

    @property
    def level(self) -> Level:
        """Which part of a field the rule writes."""
        if self.path.subcomponent:
            return "subcomponent"
        return "component" if self.path.component else "field"

    @property
    def components(self) -> tuple[hl7_tables.ComponentDef, ...]:
        """The components of the data type; empty for a primitive one."""
        return hl7_tables.components(self.version, self.datatype) if self.datatype else ()


def target(desk: Desk, where: Where, text: str, version: str, *, repeats: bool) -> TargetDef | None:
    """Return what a key of `map:` names; None with a problem noted when HL7 has no such place.

    Args:
        desk: the check.
        where: the place of the key.
        text: "PID-3.1"; for a repeating field without its `[]`.
        version: of HL7.
        repeats: the key was written with `[]`.
    """
    path = _path(desk, where, text)
    if path is None:
        return None
    if path.segment.startswith("Z"):
        return TargetDef(path, repeats, text, "", None, version)
    fields = _fields(desk, where, path, version)
    found = fields and _field(desk, where, path, fields, version)
    if not found or not _repeats_well(desk, where, path, found, repeats=repeats):
        return None
    if path.component and found.datatype != "varies":
        return _component(desk, where, path, found, repeats, version)
    words = f"{path.segment}-{path.field} {found.name}"
    datatype = "" if found.datatype == "varies" else found.datatype
    return TargetDef(path, repeats, words, datatype, found.table, version)


def _path(desk: Desk, where: Where, text: str) -> hl7_path.HL7Path | None:
    try:
        return hl7_path.parse(text)
    except ValueError as error:
        sentence, _, meant = str(error).partition(". Did you mean ")
        desk.add("E401", where, sentence, f"did you mean {meant}" if meant else None, key=True)
        return None


def _fields(desk: Desk, where: Where, path: hl7_path.HL7Path, version: str) -> tuple[hl7_tables.FieldDef, ...] | None:
    try:
        return hl7_tables.fields(version, path.segment)
    except KeyError:
        near = _segment_like(path.segment, version)
        hint = f"did you mean '{near}'?" if near else None
        desk.add("E402", where, f"HL7 {version} has no segment {path.segment}", hint, key=True)
        return None


def _segment_like(name: str, version: str) -> str | None:
    """Return the segment that was meant: first one with the same letters in another order (PDI for PID)."""
    names = hl7_tables.segment_names(version)
    swapped = next((other for other in names if sorted(other) == sorted(name)), None)
    return swapped or hl7_tables.nearest(name, names)


def _repeats_well(
    desk: Desk, where: Where, path: hl7_path.HL7Path, found: hl7_tables.FieldDef, *, repeats: bool
) -> bool:
    name = f"{path.segment}-{path.field}"
    if repeats and found.maximum == 1:
        text, hint = f"{name} {found.name} does not repeat in HL7", f"write {name} without []"
    elif found.maximum is not None and (path.repetition or 1) > found.maximum:
        text, hint = f"{name} {found.name} has at most {found.maximum} repetitions in HL7", None
    else:
        return True
    desk.add("E405", where, text, hint, key=True)
    return False


def _field(
    desk: Desk, where: Where, path: hl7_path.HL7Path, fields: tuple[hl7_tables.FieldDef, ...], version: str
) -> hl7_tables.FieldDef | None:
    if path.segment == "MSH" and path.field in HOST_FIELDS:
        text = f"MSH-{path.field} is written by the host, from the destination"
        desk.add("E415", where, text, "remove this line", key=True)
        return None
    if path.field > len(fields):
        text = f"segment {path.segment} of HL7 {version} has {len(fields)} fields, no {path.segment}-{path.field}"
        shorter = path.field // 10
        hint = f"did you mean {path.segment}-{shorter}?" if 0 < shorter <= len(fields) else None
        desk.add("E403", where, text, hint, key=True)
        return None
    found = fields[path.field - 1]
    if found.maximum == 0:
        text = f"{path.segment}-{path.field} is withdrawn or reserved in HL7 {version}"
        desk.add("E416", where, text, key=True)
        return None
    return found


def _component(  # noqa: PLR0913, PLR0917 - all that is known of the field
    desk: Desk, where: Where, path: hl7_path.HL7Path, found: hl7_tables.FieldDef, repeats: bool, version: str
) -> TargetDef | None:
    name = f"{path.segment}-{path.field}"
    words, datatype, table = f"{name} {found.name}", found.datatype, found.table
    for number in (path.component, path.subcomponent):
        if number is None:
            continue
        parts = hl7_tables.components(version, datatype)
        if number > max(len(parts), 1):
            kind = "components" if name.count(".") == 0 else "subcomponents"
            has = f"{len(parts)} {kind}" if parts else f"no {kind}"
            desk.add("E404", where, f"{words} is {datatype}, which has {has}: there is no {name}.{number}", key=True)
            return None
        name = f"{name}.{number}"
        if parts:
            part = parts[number - 1]
            words, datatype, table = f"{name} {part.name}", part.datatype, part.table
    return TargetDef(path, repeats, words, datatype, table, version)


def literal(desk: Desk, where: Where, goal: TargetDef, text: str) -> Any:
    """Return text of an analyst as the plan keeps it: a repetition, a component or a subcomponent of er7.

    Problems are noted for what HL7 does not allow there; the result is then of no use.
    """
    if goal.level == "subcomponent":
        _leaf(desk, where, goal, goal.datatype, goal.table, str(goal.path), text)
        return text
    if goal.level == "component":
        _leaf(desk, where, goal, goal.datatype, goal.table, str(goal.path), text)
        return [text]
    repetition = [part.split("&") for part in text.split("^")]
    if not goal.datatype:
        return repetition
    parts = goal.components
    if len(repetition) > max(len(parts), 1):
        has = f"{len(parts)} components" if parts else "no components"
        hint = None if parts else f"for text with ^ in it write to {goal.path}.1"
        desk.add("E411", where, f"{goal.words} is {goal.datatype}, which has {has}", hint)
        return repetition
    for number, subcomponents in enumerate(repetition, 1):
        datatype, table = (
            (parts[number - 1].datatype, parts[number - 1].table) if parts else (goal.datatype, goal.table)
        )
        if number == 1 and table is None:
            table = goal.table
        name = f"{goal.path}.{number}" if parts else str(goal.path)
        inner = hl7_tables.components(goal.version, datatype)
        if len(subcomponents) > max(len(inner), 1):
            has = f"{len(inner)} subcomponents" if inner else "no subcomponents"
            desk.add("E411", where, f"{name} is {datatype}, which has {has}")
            continue
        for position, leaf in enumerate(subcomponents):
            kind, codes = (inner[position].datatype, inner[position].table) if inner else (datatype, table)
            _leaf(desk, where, goal, kind, codes, name, leaf)
    return repetition


def _leaf(  # noqa: PLR0913, PLR0917 - where it stands and what is asked of it
    desk: Desk, where: Where, goal: TargetDef, datatype: str, table: str | None, name: str, text: str
) -> None:
    if not text or text == '""':
        return
    longest = hl7_tables.LENGTHS.get(name)
    if longest is not None and len(text) > longest:
        desk.add("E412", where, f"{name} takes at most {longest} characters, and here are {len(text)}")
    inner = hl7_tables.components(goal.version, datatype)
    if inner:
        datatype, table = inner[0].datatype, table or inner[0].table
    pattern = _LEAVES.get(datatype)
    if pattern is not None and not pattern[0].fullmatch(text):
        desk.add("E410", where, f"{name} is {datatype}: '{text}' is not {pattern[1]}")
    codes = hl7_tables.table(goal.version, table) if table else None
    if not codes or text in codes or table in _OPEN_TABLES or datatype not in ("ID", "IS"):
        return
    near = hl7_tables.nearest(text, codes)
    hint = f"did you mean '{near}'?" if near else f"its codes are {', '.join(sorted(codes)[:20])}"
    called = f"HL7 table {table} ({hl7_tables.table_name(goal.version, table or '')})"
    if datatype == "ID":
        desk.add("E413", where, f"{name}: '{text}' is not in {called}", hint)
    else:
        text = f"{name}: '{text}' is not among the values that {called} suggests"
        desk.add("E413", where, text, hint, severity="warning")
