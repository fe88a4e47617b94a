"""The right side of a mapping line at run time: from the values of a path to what a table or a format makes of them.

What cannot be converted is refused by a sentence without any value; whoever asked adds the rule and its place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from messages.problem import Problems, Unmapped
from transformers.fhir_path import Scope, compile_path, compile_values
from transformers.fhir_path_functions import SIMPLE
from transformers.formats import FORMATS, Format, FormatContext, UnknownCode
from transformers.mapping_run import Plan, problem

#: Gives the values of `from:`; the second argument is the scope's focus.
Path = Callable[[Scope, Any], list[Any]]
#: Converts values; the second argument is the zone that times are written in.
Convert = Callable[[list[Any], str], list[Any]]
to_text: Callable[[list[Any]], list[str]] = SIMPLE["toString"]


class Refused(Exception):
    """A table or a format cannot convert a value."""

    def __init__(self, code: str, text: str, unmapped: tuple[Unmapped, ...] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.unmapped = unmapped


def texts(values: Sequence[Any]) -> list[str]:
    """Return FHIR primitives as FHIR writes them; a value with parts is left out."""
    found = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        else:
            found += to_text([value])
    return found


def source(rule: Plan) -> Path:
    """Compile `from:`: the values of the first path that gives any."""
    paths = [compile_values(tree) for tree in rule["from"]]
    if len(paths) == 1:
        return paths[0]

    def first(scope: Scope, focus: Any) -> list[Any]:
        return next((values for path in paths if (values := path(scope, focus))), [])

    return first


def looked_up(rule: Plan, cells: Mapping[str, Any], kept: Callable[[str], Any]) -> Convert:
    """Compile `table:`.

    Args:
        rule: of the plan.
        cells: code -> what it becomes; None for nothing.
        kept: what becomes of a code that has no row, under `on_unmapped: keep`.
    """
    unmapped = rule["unmapped"]
    answers = {code: [] if cell is None else [cell] for code, cell in cells.items()}

    def answer(code: str) -> list[Any]:
        # Codes are compared in Unicode's composed form.
        found = answers.get(code) or answers.get(unicodedata.normalize("NFC", code))
        if found is not None:
            return found
        if unmapped == "error":
            text = f"the value of {rule['source']} is not in the table {rule['table']}"
            raise Refused("E303", text, (Unmapped(table=table_of(rule), code=code),))
        return [kept(code)] if unmapped == "keep" else []

    def convert(values: list[Any], _zone: str) -> list[Any]:
        if len(values) == 1 and isinstance(values[0], str):
            return answers.get(values[0]) or answer(values[0])
        return [cell for code in texts(values) for cell in answer(code)]

    return convert


def table_of(rule: Plan) -> str:
    """Return how `Unmapped.table` names the table of a rule or of an item of `let:`."""
    name: str = rule["table"]
    if name == "of this rule":
        return str(rule["name"])
    if name == "of this name":
        return f"let {rule['name']}"
    if name.startswith("of "):  # of plans from HL7 to FHIR
        return name.removeprefix("of ")
    return f"tables/{name.rpartition('.')[0]}.csv"


def formatted(rule: Plan, tables: Plan, version: str) -> Convert:
    """Compile `as:` with its options and table; gives what the format gives."""
    format_, options = FORMATS[rule["as"]], rule["options"]
    function, skip = format_.function, rule["unmapped"] == "skip"
    contexts = _contexts(rule.get("rows"), tables, version)

    def convert(values: list[Any], zone: str) -> list[Any]:
        context = contexts(zone)
        try:
            return function(values, options, context)
        except UnknownCode as error:
            if skip:
                return _known(format_, options, values, context)
            code = error.code
            unmapped = () if code is None else (Unmapped(table=f"tables/{error.table}.csv", code=code),)
            raise Refused("E303", str(error), unmapped) from None
        except ValueError as error:
            raise Refused("E304", f"as: {rule['as']} of {rule['source']}: {error}") from None

    return convert


def _contexts(rows: str | None, tables: Plan, version: str) -> Callable[[str], FormatContext]:
    """Return what makes a format's context for a zone; each is made once."""
    table = tables[rows] if rows else None

    @cache
    def context(zone: str) -> FormatContext:
        return FormatContext(zone=zone, table=table, table_name=rows or "", version=version)

    return context


def _known(format_: Format, options: Plan, values: list[Any], context: FormatContext) -> list[Any]:
    """Convert the values one by one, without those that the table does not have."""
    found = []
    for value in values:
        try:
            found += format_.function([value], options, context)
        except UnknownCode:
            continue
    return found


def named(plan: Plan, zone: Callable[[Scope], str] = lambda _: "UTC") -> Callable[[Scope], list[Any]]:
    """Compile an item of `let:`. A mistake in it stops the message: whatever uses the name could only guess.

    `zone` gives the zone of a message's times.

    The function raises Problems.
    """
    if "path" in plan:
        return compile_path(plan["path"])
    path = source(plan)
    default = [plan["default"]] if plan["default"] is not None else []
    if "as" in plan:
        convert, zoned = formatted(plan, {}, "2.5.1"), FORMATS[plan["as"]].zoned
    elif "cells" in plan:
        convert, zoned = looked_up(plan, plan["cells"], str), False
    else:
        return lambda scope: path(scope, scope.focus) or default

    def run(scope: Scope) -> list[Any]:
        values = path(scope, scope.focus)
        try:
            return (convert(values, zone(scope) if zoned else "UTC") if values else values) or default
        except Refused as refused:
            text = f"{plan['name']}: {refused.text}"
            code = plan.get("code") or refused.code
            raise Problems([problem(code, text, plan, refused.unmapped)]) from None

    return run
