"""The rules of a mapping that reads HL7, as closures: where a value comes from, how it is converted, when it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from messages.problem import Place, Problem, Unmapped
from transformers import dicom_formats
from transformers.fhir_formats import FHIR_FORMATS, Context
from transformers.fhir_path import compile_test, compile_values
from transformers.format import Repetition, UnknownCode
from transformers.hl7_scope import Scope, first, is_null, read

Plan = Mapping[str, Any]


class Deleted:
    """What HL7's null becomes: the element is to be removed."""


DELETED = Deleted()
#: Gives the values of a rule or a name.
Give = Callable[["Run", Scope], list[Any]]


@dataclass(slots=True)
class Run:
    """One message on its way: its names, its zone, and what went wrong so far."""

    root: Scope
    lets: Mapping[str, Give]
    action: str = ""
    zone: str = "UTC"
    problems: list[Problem] = field(default_factory=list)
    #: Table and code of each row that was used, and what each condition said; for tests only.
    rows: set[tuple[str, str]] = field(default_factory=set)
    conditions: set[tuple[str, bool]] = field(default_factory=set)
    _known: dict[str, list[Any]] = field(default_factory=dict)

    def named(self, name: str) -> list[Any]:
        """Return the values of a name of `let:`, worked out once."""
        if name not in self._known:
            self._known[name] = self.lets[name](self, self.root)
        return self._known[name]

    def wrong(self, code: str, rule: Plan, text: str, unmapped: tuple[Unmapped, ...] = ()) -> None:
        """Note a problem of a rule; `code:` of the rule stands before ours, but not before TIME_NONEXISTENT."""
        ours = code[1:].isdigit()
        found = replace(problem((rule.get("code") if ours else None) or code, text, rule), unmapped=unmapped)
        if found not in self.problems:
            self.problems.append(found)


def problem(code: str, text: str, rule: Plan) -> Problem:
    """Return a problem with the place of a rule, which a plan keeps as `file:line:column`."""
    file, line, column = rule["at"].rsplit(":", 2)
    place = Place(file, int(line), int(column))
    return Problem(code=code, text=text, place=place, expression=rule.get("name"), issue_type="business-rule")


def source(plan: Any) -> Give:
    """Return what reads `["path", [...], every]` (repetitions) or `["name", x]` (what the name gives)."""
    if plan[0] == "name":
        name = plan[1]
        return lambda run, _: run.named(name)
    if plan[0] == "fhirpath":
        return _fhirpath(plan[1])
    _, path, every = plan
    return lambda _, scope: [DELETED if is_null(one) else one for one in read(scope, path, every=every)]


def values_of(plan: Plan, run: Run, scope: Scope) -> list[Any]:
    """Return what the sources of a rule give, before any conversion: of the first that gives something."""
    return next((found for one in plan.get("from", ()) if (found := source(one)(run, scope))), [])


def text(value: Any) -> str:
    """Return a value as text: the first part of a repetition."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return first(value) if isinstance(value, list) else str(value)


def texts(run: Run, scope: Scope, give: Give) -> list[str]:
    """Return what a source gives, as texts; what is null gives none."""
    return [text(value) for value in give(run, scope) if value is not DELETED]


def _fhirpath(tree: Any) -> Give:
    values = compile_values(tree)

    def give(_run: Run, place: Any) -> list[Any]:
        return values(place.scope, place.scope.focus)

    return give


def condition(plan: Any) -> Callable[[Run, Scope], bool]:
    """Return the test of `when: { SCH-25.4: CONFIRMED }`: all of its lines must hold; null is absent."""
    if plan[0] == "fhirpath":
        test = compile_test(plan[1])
        return lambda _, place: test(place.scope, place.scope.focus) is True  # type: ignore[attr-defined]
    lines = [(source(line[0]), line[1], frozenset(line[2])) for line in plan]

    def holds(run: Run, scope: Scope) -> bool:
        for give, word, wanted in lines:
            found = texts(run, scope, give)
            if word == "in" and not wanted.intersection(found):
                return False
            if word != "in" and bool(found) != (word == "exists"):
                return False
        return True

    return holds


def rule(plan: Plan, tables: Plan) -> Give:
    """Return what gives the values of a rule; what cannot be converted is noted, and gives nothing."""
    if "literal" in plan:
        literal = plan["literal"]
        return lambda *_: [literal]
    if "null" in plan:
        return lambda *_: [DELETED]
    gives = [source(one) for one in plan["from"]]
    convert = _converter(plan, tables)
    default = [plan["default"]] if plan["default"] is not None else []

    def give(run: Run, scope: Scope) -> list[Any]:
        for one in gives:
            values = one(run, scope)
            if not values:
                continue
            converted = convert(run, scope, values)
            if converted:
                return converted
        return default

    return give


def _converter(plan: Plan, tables: Plan) -> Callable[[Run, Scope, list[Any]], list[Any]]:
    one = _single(plan, tables)
    joined = plan.get("as") == "lines"
    name = plan.get("name", "")

    def convert(run: Run, scope: Scope, values: list[Any]) -> list[Any]:
        found: list[Any] = []
        for value in values:
            if value is DELETED:
                found.append(value)
                continue
            try:
                given = one(run, scope, value)
            except UnknownCode as unknown:
                if plan["unmapped"] == "error":
                    run.wrong("E303", plan, f"{name}: {plan['source']}: {unknown}", _missing(unknown))
            except ValueError as error:
                code = getattr(error, "code", "E304")
                run.wrong(code, plan, f"{name}: as: {plan.get('as', plan['type'])} of {plan['source']}: {error}")
            else:
                found += [] if given is None else [given]
        if joined and found and found[0] is not DELETED:
            return ["\n".join(one for one in found if one is not DELETED)]
        return found

    return convert


def _single(plan: Plan, tables: Plan) -> Callable[[Run, Scope, Any], Any]:
    """Return what converts one value: by a table, a format of DICOM or of FHIR, or not at all."""
    if "cells" in plan:
        return _looked_up(plan)
    if "vr" in plan:
        return _dicom(plan)
    return _formatted(plan, tables) if "as" in plan else _plain(plan)


def _missing(unknown: UnknownCode) -> tuple[Unmapped, ...]:
    """Return the code that a table has no row for, as the store keeps it."""
    if not unknown.code:
        return ()
    file = unknown.table.rpartition(".")[0] or unknown.table
    table = unknown.table.removeprefix("of ") if unknown.table.startswith("of ") else f"tables/{file}.csv"
    return (Unmapped(table=table, code=unknown.code),)


def _dicom(plan: Plan) -> Callable[[Run, Scope, Any], Any]:
    write = dicom_formats.converter(plan)
    return lambda run, _, value: write(value, run.zone)


def _plain(plan: Plan) -> Callable[[Run, Scope, Any], Any]:
    kind = plan["type"]
    return lambda _, __, value: value if isinstance(value, dict | int) else typed(kind, text(value))


def _looked_up(plan: Plan) -> Callable[[Run, Scope, Any], Any]:
    cells, kind, keeps, table = plan["cells"], plan["type"], plan["unmapped"] == "keep", plan["table"]
    key = plan["at"] if table.startswith("of ") else table.rpartition(".")[0]

    def look_up(run: Run, _: Scope, value: Any) -> Any:
        code = text(value)
        if code in cells:
            run.rows.add((key, code))
            return typed(kind, cells[code]) if cells[code] else None
        if keeps:
            return typed(kind, code)
        raise UnknownCode(table, "the value", code)

    return look_up


def _formatted(plan: Plan, tables: Plan) -> Callable[[Run, Scope, Any], Any]:
    format_ = FHIR_FORMATS[plan["as"]]
    rows = tables.get(plan.get("rows") or "", [])
    fixed = dict(plan["options"])
    asked = {name: [source(one) for one in sources] for name, sources in plan["asked"].items()}

    def convert(run: Run, scope: Scope, value: Repetition) -> Any:
        options = dict(fixed)
        for name, gives in asked.items():
            found = (texts(run, scope, give) for give in gives)
            options[name] = next((one[0] for one in found if one), "")
        given = value if isinstance(value, list) else [[text(value)]]
        context = Context(zone=run.zone, rows=rows, table=plan.get("rows") or "", options=options)
        found = format_.function(given, context)
        if rows and isinstance(found, dict):
            codings = found.get("coding", [found])
            run.rows.update((plan["rows"], one["system"]) for one in codings if "system" in one)
        return found

    return convert


#: FHIR types that are numbers in JSON.
WHOLE = {"integer": None, "unsignedInt": 0, "positiveInt": 1}


def typed(kind: str, words: str) -> Any:
    """Return a text as FHIR's JSON has it.

    >>> typed("positiveInt", "60"), typed("boolean", "true"), typed("string", "60")
    (60, True, '60')

    Raises:
        ValueError: with a sentence that does not hold the text.
    """
    if kind in WHOLE:
        least = WHOLE[kind]
        if not words.lstrip("-").isdecimal() or (least is not None and int(words) < least):
            raise ValueError(f"the value is no {kind}")
        return int(words)
    if kind == "boolean":
        if words not in ("true", "false"):
            raise ValueError("the value is neither true nor false")
        return words == "true"
    return words
