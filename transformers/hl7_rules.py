"""HL7's tables compiled, at check time, into rules that `hl7_validation` applies to messages at run time.

The rules are plain data, so that they can rest in the store with the plan. They hold nothing of hl7apy.

    {"version": "2.5.1", "structure": "SIU_S12",
     "order": {"names": ["MSH", "SCH", …], "first": [0], "follow": [[1], [2, 3, …], …], "last": [9, …]},
     "segments": {"SCH": [["Event Reason", "CE", 1, 1], …], …},       name, data type, fewest, most (None: no limit)
     "datatypes": {"CE": {"components": ["Identifier", …], "subcomponents": [1, …],
                          "checks": [[1, 1, "table", "0155"], …]}, …},  component, subcomponent, kind, argument
     "checks": {"MSH-10": [[1, 1, "length", 20]]},
     "tables": {"0155": ["AL", "ER", "NE", "SU"], …}}

The order is a position automaton (Glushkov): one state for each segment in the structure, which states may begin a
message, which may follow which, which may end it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transformers import hl7_path, hl7_tables
from transformers.hl7_tables import Part

#: Data types whose text has a form of its own. IS, ST, TX, FT, GTS and TN may hold anything.
FORMATTED = frozenset({"NM", "SI", "DT", "TM", "DTM"})

# Only a leaf of data type ID has a table that HL7 itself closes; IS and the CE family have user-defined ones (v2.5.1
# chapter 2A, ID and IS; so 0276, 0277, 0278 and 0485 are suggestions). Of the closed ones these are not checked:
OPEN_TABLES = {
    "0003": "the structure says which events there are, and sites add Z-events (chapter 2, 2.17)",
    "0074": "imaging sites put DICOM modalities there (IHE RAD-4, OBR-24)",
    "0076": "as 0003",
    "0354": "checked against the structure itself; hl7apy's list is older than its structures",
    "0396": "local coding systems begin with 99 (chapter 2A, CE.3)",
    "0399": "ISO 3166, which grows without HL7",
}
# Table -> what hl7apy writes as one code, and the codes that it stands for. BI (billing) is of version 2.6 and in use.
_MENDED = {"0207": ("Not present", ()), "0301": ("L,M,N", ("L", "M", "N")), "0190": ("", ("BI",))}


@dataclass(slots=True)
class _Order:
    """A position automaton while it is built."""

    names: list[str] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=list)

    def add(self, part: Part) -> tuple[set[int], set[int], bool]:
        """Add a part; return the positions it may begin with, those it may end with, and whether it may be absent."""
        if part.is_segment:
            self.names.append(part.name)
            self.follow.append(set())
            first = last = {len(self.names) - 1}
            absent = False
        else:
            first, last, absent = self._choice(part) if part.choice else self._sequence(part)
        if part.maximum is None:
            self._connect(last, first)
        return set(first), set(last), absent or part.minimum == 0

    def _sequence(self, part: Part) -> tuple[set[int], set[int], bool]:
        first: set[int] = set()
        last: set[int] = set()
        absent = True
        for child in part.parts:
            begins, ends, skipped = self.add(child)
            self._connect(last, begins)
            first |= begins if absent else set()
            last = last | ends if skipped else ends
            absent = absent and skipped
        return first, last, absent

    def _choice(self, part: Part) -> tuple[set[int], set[int], bool]:
        children = [self.add(child) for child in part.parts]
        first = {position for begins, _, _ in children for position in begins}
        last = {position for _, ends, _ in children for position in ends}
        return first, last, any(skipped for _, _, skipped in children)

    def _connect(self, before: set[int], after: set[int]) -> None:
        for position in before:
            self.follow[position] |= after


def compile_rules(version: str, structure: str) -> dict[str, Any]:
    """Return the rules of a message structure, such as SIU_S12 of 2.5.1, as plain data.

    Raises:
        KeyError: the version has no such structure.
        ValueError: not a version that we know.
    """
    root = hl7_tables.structure(version, structure)
    order = _Order()
    first, last, _ = order.add(root)
    present = [name for name in root.segments() if name in hl7_tables.segment_names(version)]
    segments: dict[str, list[list[Any]]] = {
        name: [[one.name, one.datatype, one.minimum, one.maximum] for one in hl7_tables.fields(version, name)]
        for name in present
    }
    names = {one[1] for fields in segments.values() for one in fields}
    if "varies" in names:  # OBX-5 may be of any type.
        names |= set(hl7_tables.datatype_names(version))
    datatypes = {name: _datatype(version, name) for name in sorted(names) if name not in {"", "varies"}}
    checks = {place: found for name in present for place, found in _field_checks(version, name).items()}
    used = {check[3] for rule in datatypes.values() for check in rule["checks"] if check[2] == "table"}
    used |= {check[3] for found in checks.values() for check in found if check[2] == "table"}
    return {
        "version": version,
        "structure": structure,
        "order": {
            "names": order.names,
            "first": sorted(first),
            "follow": [sorted(after) for after in order.follow],
            "last": sorted(last),
        },
        "segments": segments,
        "datatypes": datatypes,
        "checks": checks,
        "tables": {number: _codes(version, number) for number in sorted(used)},
    }


def _datatype(version: str, name: str) -> dict[str, Any]:
    """Return what is checked in a value of a data type."""
    components = hl7_tables.components(version, name)
    if not components:
        return {"components": [""], "subcomponents": [1], "checks": [[1, 1, name, None]] if name in FORMATTED else []}
    checks: list[list[Any]] = []
    widths = []
    for component in components:
        inner = () if component.datatype == "TS" else hl7_tables.components(version, component.datatype)
        # A TS inside another type is its first subcomponent; the second, its precision, is deprecated but allowed.
        widths.append(2 if component.datatype == "TS" else len(inner) or 1)
        leaves = inner or (component,)
        for position, leaf in enumerate(leaves, 1):
            datatype = "TS" if name == "TS" and component.number == 1 else leaf.datatype
            checks += [[component.number, position, *check] for check in _leaf_checks(version, datatype, leaf.table)]
    return {
        "components": [component.name for component in components],
        "subcomponents": widths,
        "checks": checks,
    }


def _leaf_checks(version: str, datatype: str, table: str | None) -> list[list[Any]]:
    """Return kind and argument of each check of a leaf. A TS stands for its first part, the time."""
    if datatype in FORMATTED or datatype == "TS":
        return [["DTM" if datatype == "TS" else datatype, None]]
    if datatype == "ID" and _is_closed(version, table):
        return [["table", table]]
    return []


def _field_checks(version: str, segment: str) -> dict[str, list[list[Any]]]:
    """Return the checks of single fields of a segment: tables of ID fields, and the lengths that break receivers."""
    checks: dict[str, list[list[Any]]] = {}
    for one in hl7_tables.fields(version, segment):
        if one.datatype == "ID" and _is_closed(version, one.table):
            checks.setdefault(f"{segment}-{one.number}", []).append([1, 1, "table", one.table])
    for text, length in hl7_tables.LENGTHS.items():
        path = hl7_path.parse(text)
        if path.segment == segment:
            place = f"{path.segment}-{path.field}"
            checks.setdefault(place, []).append([path.component or 1, path.subcomponent or 1, "length", length])
    return checks


def _is_closed(version: str, table: str | None) -> bool:
    return table is not None and table not in OPEN_TABLES and bool(hl7_tables.table(version, table))


def _codes(version: str, number: str) -> list[str]:
    codes = set(hl7_tables.table(version, number) or ())
    if number == "0203":  # NNxxx is the national person identifier of the country xxx.
        pattern, mended = "NNxxx", tuple(f"NN{country}" for country in hl7_tables.table(version, "0399") or ())
    else:
        pattern, mended = _MENDED.get(number, ("", ()))
    return sorted({*(codes - {pattern}), *mended})
