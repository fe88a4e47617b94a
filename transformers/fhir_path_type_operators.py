"""FHIRPath's operators checked before they run: what can be compared, and codes that no element can have.

Source: FHIRPath N1, chapter 6; FHIR R4, 4.1.3 (required bindings).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from transformers.fhir_path_signatures import Sort, spoken
from transformers.fhir_path_type_functions import union
from transformers.fhir_path_typed import BOOLEAN, UNKNOWN, Notes, Of, Typed, parts_of
from transformers.mapping_file import did_you_mean

Tree = list[Any]


def check_operator(notes: Notes, of: Of, tree: Tree, this: Typed) -> Typed:
    """Return what `left operator right` gives."""
    _, column, operator, left, right = tree
    one, other = of(left, this), of(right, this)
    minimum = min(one.minimum, other.minimum, 1)
    if operator == "|":
        return union(one, other)
    if operator in {"and", "or", "xor", "implies"}:
        for operand, typed in ((left, one), (right, other)):
            notes.expect_one(typed, operand[1], f"'{operator}'")
            _expect_boolean(notes, typed, operand[1], operator)
        return Typed(BOOLEAN, minimum, 1)
    if operator in {"+", "-", "*", "/", "div", "mod", "&"}:
        return _arithmetic(notes, tree, one, other, minimum)
    if operator in {"in", "contains"}:
        item, among, trees = (one, other, (left, right)) if operator == "in" else (other, one, (right, left))
        notes.expect_one(item, trees[0][1], f"'{operator}'")
        _comparable(notes, column, operator, item, among)
        _codes(notes, item, trees[1])
        _codes(notes, among, trees[0])
        return Typed(BOOLEAN, min(item.minimum, 1), 1)
    if operator in {"<", "<=", ">", ">="}:
        for operand, typed in ((left, one), (right, other)):
            notes.expect_one(typed, operand[1], f"'{operator}'")
    _comparable(notes, column, operator, one, other)
    _codes(notes, one, right)
    _codes(notes, other, left)
    return Typed(BOOLEAN, 1 if operator in {"~", "!~"} else minimum, 1)


def _expect_boolean(notes: Notes, typed: Typed, column: int, operator: str) -> None:
    """Note a problem: a value that is no Boolean would silently count as true (FHIRPath N1, 4.5)."""
    if typed.types and not typed.sorts & {"boolean", "any"}:
        hint = "write .exists() to ask whether there is one"
        notes.wrong(column, f"'{operator}' works on Booleans, and this is {spoken(typed.types)}", hint)


def _arithmetic(notes: Notes, tree: Tree, one: Typed, other: Typed, minimum: int) -> Typed:
    _, column, operator, left, right = tree
    for operand, typed in ((left, one), (right, other)):
        notes.expect_one(typed, operand[1], f"'{operator}'")
    sorts = one.sorts | other.sorts
    if "any" in sorts or not one.types or not other.types:
        return replace(UNKNOWN, maximum=1)
    if operator == "&":
        for operand, typed in ((left, one), (right, other)):
            notes.expect(typed, "string", operand[1], "'&'")
        return Typed(frozenset({"String"}), 1, 1)
    if operator == "+" and sorts == {"string"}:
        return Typed(frozenset({"String"}), minimum, 1)
    if operator in {"+", "-"} and one.sorts <= {"date", "time"} and other.sorts == {"quantity"}:
        return Typed(one.types, minimum, 1)
    if sorts == {"number"}:
        whole = operator != "/" and not (one.types | other.types) & {"decimal", "Decimal"}
        return Typed(frozenset({"Integer" if whole else "Decimal"}), minimum, 1)
    hint = "join texts with '&', after .toString() where one is no string" if operator == "+" else None
    if one.sorts <= {"date", "time"} and other.sorts == {"number"}:
        hint = "write the unit, such as 15 minutes"
    text = f"'{operator}' cannot work on {spoken(one.types)} and {spoken(other.types)}"
    return notes.wrong(column, text, hint)


def _comparable(notes: Notes, column: int, operator: str, one: Typed, other: Typed) -> None:
    if not one.types or not other.types:
        return
    first, second = one.sorts, other.sorts
    if "any" in first | second or _meet(first, second, operator):
        return
    text = f"'{operator}' compares {spoken(one.types)} with {spoken(other.types)}, which are never the same"
    if operator in {"<", "<=", ">", ">="}:
        text = f"'{operator}' cannot compare {spoken(one.types)} with {spoken(other.types)}"
    notes.wrong(column, text, _comparison_hint(one, other))


def _meet(first: set[Sort], second: set[Sort], operator: str) -> bool:
    if operator in {"<", "<=", ">", ">="}:
        return bool((first & second) - {"parts", "boolean"})
    return bool(first & second)


def _comparison_hint(one: Typed, other: Typed) -> str | None:
    for here, there in ((one, other), (other, one)):
        if "parts" in here.sorts or ("quantity" in here.sorts and "quantity" not in there.sorts):
            return parts_of(here)
        if here.sorts == {"boolean"} and there.types == {"String"}:
            return "write true or false without quotes"
        if here.sorts == {"date"} and there.types == {"String"}:
            return "a date is written @2025-12-01, without quotes"
        if here.sorts == {"number"} and there.types == {"String"}:
            return "write the number without quotes"
        if here.sorts == {"string"} and there.types <= {"Integer", "Decimal", "Boolean"}:
            return "write it in quotes"
    return None


def _codes(notes: Notes, coded: Typed, tree: Tree) -> None:
    """Note each literal in `tree` that is no code of a required binding."""
    if coded.codes is None:
        return
    for column, text in _strings(tree):
        if text not in coded.codes:
            near = did_you_mean(text, sorted(coded.codes))
            hint = near or ("its codes: " + ", ".join(sorted(coded.codes)) if len(coded.codes) < 13 else None)
            notes.wrong(column, f"{coded.label} has no code '{text}'", hint)


def _strings(tree: Tree) -> list[tuple[int, str]]:
    if tree[0] == "literal" and tree[2] == "String":
        return [(tree[1], tree[3])]
    if tree[0] == "op" and tree[2] == "|":
        return _strings(tree[3]) + _strings(tree[4])
    return []
