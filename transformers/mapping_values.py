"""The right side of a mapping line at run time: from a plan's rule to a closure that gives what its target takes.

A rule writes a field (values are repetitions of er7), a component (lists of subcomponents) or a subcomponent (text).
What cannot be given is noted in the run, by rule and place and without any value, and nothing is written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn

from messages.problem import Place, Problem, Problems
from transformers.fhir_path import Scope, compile_path
from transformers.fhir_path_functions import SIMPLE
from transformers.formats import FORMATS, Format, FormatContext, UnknownCode

Plan = Mapping[str, Any]
Path = Callable[[Scope], list[Any]]
to_text: Callable[[list[Any]], list[str]] = SIMPLE["toString"]


@dataclass(slots=True)
class Run:
    """One message on its way: what went wrong so far, and the zone of its times."""

    scope: Scope
    zone_of: Callable[[Run], str]
    problems: list[Problem] = field(default_factory=list)
    #: What several rules convert alike, by their number.
    memo: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)
    _zone: str | None = None

    @property
    def zone(self) -> str:
        """The zone that times are written in; found out when the first time is written."""
        if self._zone is None:
            self._zone = self.zone_of(self)
        return self._zone

    def wrong(self, code: str, rule: Plan, text: str) -> None:
        """Note a problem of a rule; `code:` of the rule stands before ours."""
        self.problems.append(problem(rule.get("code") or code, text, rule))

    def stop(self, rule: Plan, text: str) -> NoReturn:
        """Give up: an expression failed, and what else uses its names would fail for no reason of its own."""
        self.wrong("E302", rule, text)
        raise Problems(self.problems)


#: What rules that convert alike have in common.
Memo = tuple[Any, ...]
#: Gives the values of a rule, in the shape that its target takes.
Give = Callable[[Run, Scope], list[Any]]


def problem(code: str, text: str, rule: Plan) -> Problem:
    """Return a problem with the place of a rule."""
    return Problem(
        code=code, text=text, place=place(rule["at"]), expression=rule.get("name"), issue_type="business-rule"
    )


def place(at: str) -> Place:
    """Return the place that a plan keeps as `file:line:column`."""
    file, line, column = at.rsplit(":", 2)
    return Place(file, int(line), int(column))


def texts(values: list[Any]) -> list[str]:
    """Return FHIR primitives as FHIR writes them; a value with parts is left out."""
    found = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        else:
            found += to_text([value])
    return found


def test(tree: Any) -> Callable[[Scope], bool]:
    """Compile a condition: true only where the expression gives true."""
    path = compile_path(tree)

    def is_true(scope: Scope) -> bool:
        values = path(scope)
        return len(values) == 1 and values[0] is True

    return is_true


# -- shapes ------------------------------------------------------------------------------------------------------


def _text_shape(level: str) -> Callable[[str], Any]:
    if level == "field":
        return lambda text: [[text]]
    return (lambda text: [text]) if level == "component" else (lambda text: text)


def _repetition_shape(level: str) -> Callable[[list[list[str]]], Any]:
    """What becomes of a repetition that a format gives: in a component its components are subcomponents."""
    if level == "field":
        return lambda repetition: repetition
    if level == "component":
        return lambda repetition: [component[0] for component in repetition]
    return lambda repetition: repetition[0][0]


def level(rule: Plan) -> str:
    """Return which part of a field a rule writes."""
    _, _, component, subcomponent = rule["to"]
    return "subcomponent" if subcomponent else "component" if component else "field"


# -- sources -----------------------------------------------------------------------------------------------------


def source(rule: Plan) -> Path:
    """Compile `from:`: the values of the first path that gives any."""
    paths = [_path(tree) for tree in rule["from"]]
    if len(paths) == 1:
        return paths[0]

    def first(scope: Scope) -> list[Any]:
        return next((values for path in paths if (values := path(scope))), [])

    return first


def _path(tree: Any) -> Path:
    """Compile a path; one that is only a name without the detour of an expression."""
    if tree[0] != "name":
        return compile_path(tree)
    name = tree[2]

    def value(scope: Scope) -> list[Any]:
        known = scope.values.get(name)
        return scope.value(name) if known is None else known

    return value


def give(rule: Plan, tables: Plan, version: str, memo: Memo | None = None) -> Give:
    """Compile a rule with `from:`, without its `default:` and `required:`, which `settle` looks after.

    Args:
        rule: of the plan.
        tables: of the plan, for formats.
        version: of HL7.
        memo: where rules that convert the same value the same way share it (`same:`); None for none.
    """
    shape = level(rule)
    if "as" in rule:
        return _formatted(rule, tables, version, shape, memo)
    if "cells" in rule:
        return _looked_up(rule, _text_shape(shape))
    return _plain(rule, _text_shape(shape))


def settle(rule: Plan, state: Run, found: list[Any]) -> list[Any]:
    """Return what a rule gives that found no value or several."""
    if not found:
        if rule.get("default") is not None:
            return [rule["default"]]
        # What was found and could not be converted is not missing.
        if rule.get("required") and not any(problem.place == place(rule["at"]) for problem in state.problems):
            state.wrong("E301", rule, f"{rule['name']} is required: {rule['source']} gave nothing")
    elif len(found) > 1 and not rule.get("all"):
        state.wrong("E305", rule, f"{rule['name']} takes one value: {rule['source']} gave {len(found)}")
        return []
    return found


def _plain(rule: Plan, shape: Callable[[str], Any]) -> Give:
    path = source(rule)

    def run(_: Run, scope: Scope) -> list[Any]:
        values = path(scope)
        if len(values) == 1 and isinstance(values[0], str):
            return [shape(values[0])] if values[0] else []
        return [shape(text) for text in texts(values) if text]

    return run


def lookup(cells: Mapping[str, Any], text: str) -> Any:
    """Return the cell of a code, compared in Unicode's composed form (NFC); KeyError when there is no such row."""
    if text in cells:
        return cells[text]
    return cells[unicodedata.normalize("NFC", text)]


def _looked_up(rule: Plan, shape: Callable[[str], Any]) -> Give:
    path, cells, unmapped = source(rule), rule["cells"], rule["unmapped"]

    def run(state: Run, scope: Scope) -> list[Any]:
        found = []
        for text in texts(path(scope)):
            try:
                cell = lookup(cells, text)
            except KeyError:
                if unmapped == "keep":
                    found.append(shape(text))
                elif unmapped == "error":
                    told = f"{rule['name']}: the value of {rule['source']} is not in the table {rule['table']}"
                    state.wrong("E303", rule, told)
                continue
            if cell is not None:
                found.append(cell)
        return found

    return run


def _formatted(rule: Plan, tables: Plan, version: str, shape: str, memo: Memo | None) -> Give:
    path, convert = source(rule), _converter(rule, tables, version)
    is_text = FORMATS[rule["as"]].gives == "text"
    shaped = _text_shape(shape) if is_text else _repetition_shape(shape)
    as_it_is = shape == "field" and not is_text

    def run(state: Run, scope: Scope) -> list[Any]:
        values = path(scope)
        if not values:
            return values
        found = convert(state, values)
        return found if as_it_is else [shaped(item) for item in found]

    if memo is None:
        return run
    whole, of_shape = memo, (*memo, shape)

    def shared(state: Run, scope: Scope) -> list[Any]:
        result = state.memo.get(of_shape)
        if result is None:
            found = state.memo.get(whole)
            if found is None:
                values = path(scope)
                found = state.memo[whole] = convert(state, values) if values else values
            result = found if as_it_is else [shaped(item) for item in found]
            if not state.problems:
                state.memo[of_shape] = result
            else:
                del state.memo[whole]
        return result

    return shared


def _converter(rule: Plan, tables: Plan, version: str) -> Callable[[Run, list[Any]], list[Any]]:
    """Compile a format with its options and table."""
    format_, options = FORMATS[rule["as"]], rule["options"]
    function, skip = format_.function, rule["unmapped"] == "skip"
    zoned = format_.primitive == "TS"
    context = _contexts(rule.get("rows"), tables, version)

    def run(state: Run, values: list[Any]) -> list[Any]:
        try:
            return function(values, options, context(state.zone if zoned else "UTC"))
        except UnknownCode as error:
            if skip:
                return _known(format_, options, values, context(state.zone if zoned else "UTC"))
            state.wrong("E303", rule, f"{rule['name']}: {error}")
        except ValueError as error:
            state.wrong("E304", rule, f"{rule['name']}: as: {rule['as']} of {rule['source']}: {error}")
        return []

    return run


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


# -- named values ------------------------------------------------------------------------------------------------


def named(plan: Plan, version: str = "2.5.1") -> Callable[[Scope], list[Any]]:
    """Compile an item of `let:`. A mistake in it stops the message: whatever uses the name could only guess.

    The function raises Problems.
    """
    if "path" in plan:
        return compile_path(plan["path"])
    if "as" in plan:
        path, convert = source(plan), _converter(plan, {}, version)

        def values(state: Run) -> list[Any]:
            found = path(state.scope)
            return convert(state, found) if found else found

    elif "cells" in plan:
        looked_up = _looked_up(plan, lambda text: text)

        def values(state: Run) -> list[Any]:
            return looked_up(state, state.scope)

    else:
        path = source(plan)

        def values(state: Run) -> list[Any]:
            return path(state.scope)

    default = [plan["default"]] if plan["default"] is not None else []

    def run(scope: Scope) -> list[Any]:
        state = Run(scope, _no_zone)
        found = values(state)
        if state.problems:
            raise Problems(state.problems)
        return found or default

    return run


def _no_zone(_: Run) -> str:
    return "UTC"
