"""Which codes of a message a table has no row for, when that is why the message cannot be sent.

Only on the way of a message that fails: a line of the route that says error, or a required rule that got nothing, may
say so because a table behind a name of `let:` skipped a code. Codes are of the message: kept in `Problem.unmapped`,
never put into a text.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from messages.problem import Problem, Problems, Unmapped
from transformers.fhir_path import PathError, Scope
from transformers.formats import FORMATS, FormatContext, UnknownCode
from transformers.mapping_run import Plan, names_in
from transformers.mapping_values import source, table_of, texts


def of_route(plan: Plan, line: Plan, scope: Scope) -> tuple[Unmapped, ...]:
    """Return the codes whose lack of a row made a line of the route true."""
    return tuple(_behind(plan, [line["when"]] if line["when"] else [], scope))


def nearest(plan: Plan, codes: Sequence[Unmapped]) -> str | None:
    """Return `did you mean 'BLUME CT'?`, of the codes that tables have; None where none is near.

    Letters in the other case and blanks at the ends count as near. The text holds what the table has, never the code.
    """
    found = []
    for code in codes:
        name = code.table.removeprefix("tables/").removesuffix(".csv")
        rows = plan["tables"].get(name, {}) if code.table.startswith("tables/") else {}
        known = {key.casefold().strip(): key for key in rows} if isinstance(rows, Mapping) else {}
        near = difflib.get_close_matches(code.code.casefold().strip(), known, 1, cutoff=0.75)
        found += [f"'{known[near[0]]}'"] if near else []
    return f"did you mean {' and '.join(dict.fromkeys(found))}?" if found else None


def completed(plan: Plan, scope: Scope, problems: Iterable[Problem]) -> list[Problem]:
    """Return problems of rules, each with the codes whose lack of a row left its rule without a value."""
    rules = {(rule["at"], rule["name"]): rule for parts in plan["maps"].values() for rule in _rules(parts)}
    found = []
    for problem in problems:
        rule = rules.get((str(problem.place), problem.expression or ""))
        if rule is not None and not problem.unmapped and "from" in rule:
            codes = dict.fromkeys([*_skipped(plan, rule, scope), *_behind(plan, rule["from"], scope)])
            found.append(replace(problem, unmapped=tuple(codes)))
        else:
            found.append(problem)
    return found


def has_row(plan: Plan, table: str, code: str) -> bool:
    """Say whether a table of the plan, named as in `Unmapped.table`, has a row for a code; of plans of both ways."""
    name = table.removeprefix("tables/").removesuffix(".csv")
    composed = unicodedata.normalize("NFC", code)
    rows: Any = plan["tables"].get(name, {}) if table.startswith("tables/") else {}
    if isinstance(rows, list):  # tables that are read backwards: the code may stand in any column
        rows = {cell for row in rows for cell in row.values()}
    places = [rows, *(rule["cells"] for rule in _looking_up(plan) if table_of(rule) == table)]
    return any(code in place or composed in place for place in places)


def _looking_up(value: Any) -> Iterator[Plan]:
    """Yield the rules and names of a plan that look something up."""
    if isinstance(value, Mapping):
        if "cells" in value:
            yield value
        for inner in value.values():
            yield from _looking_up(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _looking_up(inner)


def _behind(plan: Plan, trees: Sequence[Any], scope: Scope) -> Iterator[Unmapped]:
    """Yield the codes that tables skipped for the names in expressions, and for the names behind those."""
    seen: set[str] = set()
    names = [name for tree in trees for name in names_in(tree)]
    while names:
        name = names.pop(0)
        item = plan["let"].get(name)
        if item is None or name in seen:
            continue
        seen.add(name)
        names += [inner for tree in item.get("from") or [item["path"]] for inner in names_in(tree)]
        yield from _skipped(plan, item, scope)


def _skipped(plan: Plan, rule: Plan, scope: Scope) -> Iterator[Unmapped]:
    """Yield the codes that the table of one rule skipped."""
    if rule.get("unmapped") != "skip" or rule.get("default") is not None:
        return
    try:
        values = source(rule)(scope, scope.focus)
    except (PathError, Problems):
        return  # the rule stands in a block whose thing is not known here
    if "cells" in rule:
        for code in texts(values):
            if code not in rule["cells"] and unicodedata.normalize("NFC", code) not in rule["cells"]:
                yield Unmapped(table=table_of(rule), code=code)
    elif rule.get("rows"):
        yield from _unknown_systems(plan, rule, values)


def _unknown_systems(plan: Plan, rule: Plan, values: Iterable[Any]) -> Iterator[Unmapped]:
    context = FormatContext(table=plan["tables"][rule["rows"]], table_name=rule["rows"])
    for value in values:
        try:
            FORMATS[rule["as"]].function([value], rule["options"], context)
        except UnknownCode as error:
            if error.code is not None:
                yield Unmapped(table=f"tables/{error.table}.csv", code=error.code)
        except ValueError:
            continue  # a problem of its own


def _rules(parts: Iterable[Plan]) -> Iterator[Plan]:
    for part in parts:
        for rule in part.get("rules", ()):
            yield rule
            yield from rule.get("parts", ())
        yield from _rules(part.get("parts", ()))
