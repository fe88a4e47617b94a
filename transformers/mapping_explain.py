"""What each rule of a FHIR → HL7 mapping does to one document: for `try --explain` and for the coverage of tests.

It walks the plan by itself, beside `mapping_segments`, whose closures are built for speed and keep nothing; a test
holds both to the same message. Never on the way of a message: what is found here are values of the document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from messages.problem import Problems
from transformers.base import Given
from transformers.fhir_path import PathError, Scope, compile_path, compile_test
from transformers.mapping_given import Compiler, given
from transformers.mapping_place import Place
from transformers.mapping_run import Plan, Run, conditional
from transformers.mapping_text import Numbers
from transformers.mapping_values import named, source, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One rule at work. Its values are the document's: shown to the person who asked, never logged."""

    #: `PID-3`, and `AIS[2]-3` in the second AIS.
    target: str
    #: `file:line:column` of the rule.
    place: str
    #: FHIRPath, or what the rule has instead of it.
    source: str
    #: What the source gave, before any conversion; as FHIR writes it, things with parts as JSON.
    found: tuple[str, ...]
    #: Format, table, default; "" where the value goes in as it is.
    conversion: str
    #: What was written, as it stands in the message; "" for nothing.
    gave: str


@dataclass(slots=True)
class Trace:
    """All that one message did with a plan."""

    explained: list[Explained] = field(default_factory=list)
    #: Place of a condition, and what it said.
    conditions: set[tuple[str, bool]] = field(default_factory=set)
    #: Place of the route's line that decided; None when none did.
    line: str | None = None
    #: Table and code of each row that was looked up; a table in a rule itself goes by the rule's place.
    rows: set[tuple[str, str]] = field(default_factory=set)

    @property
    def touched(self) -> frozenset[str]:
        """Places of the rules that gave something, and of the route's line."""
        return frozenset({rule.place for rule in self.explained if rule.gave} | ({self.line} if self.line else set()))


def trace(plan: Plan, document: Any, conditions: Given, names: Mapping[str, list[Any]] | None = None) -> Trace:
    """Follow one document through a plan, as far as it goes: a problem on the way ends the trace, it is not raised.

    `names` stand for what takes long to make.
    """
    found = Trace()
    walk = _Walk(plan, document, conditions, found, names or {})
    try:
        walk.message(conditions.destination)
    except (Problems, PathError):
        # What the mapping says about it comes from `transform`; here only what was reached counts.
        return found
    return found


class _Rows(dict[str, Any]):
    """Rows of a table that note which of them are looked up."""

    def __init__(self, rows: Mapping[str, Any], table: str, seen: set[tuple[str, str]]) -> None:
        super().__init__(rows)
        self._table, self._seen = table, seen

    def __getitem__(self, code: str) -> Any:
        self._seen.add((self._table, code))
        return super().__getitem__(code)

    def get(self, code: str, default: Any = None) -> Any:
        """Return a row, noting it when it is there."""
        if code not in self:
            return default
        return self[code]


class _Walk:
    """One document on its way through a plan."""

    def __init__(
        self, plan: Plan, document: Any, conditions: Given, found: Trace, names: Mapping[str, list[Any]]
    ) -> None:
        self._plan, self._trace = plan, found
        thing = document if conditions.focus is None else document["entry"][conditions.focus]["resource"]
        lets = {name: self._watched(item) for name, item in plan["let"].items()}
        self._scope = Scope(document, {**lets, **names, "it": [thing], **conditional(plan, conditions)}, conditions.now)
        self._run = Run(self._scope, conditions, self._zone)
        self._tables = {name: _Rows(rows, name, found.rows) for name, rows in plan["tables"].items()}

    def message(self, destination: str) -> None:
        """Follow the route and the map of one destination."""
        action = self._action()
        if action is None:
            return
        part = self._plan["destinations"][destination]
        # The zone belongs to every message: MSH-7 is written in it.
        _ = self._run.zone
        compiler = Compiler(action, part["hl7"], self._tables, frozenset())
        parts = self._plan["maps"][part["maps"][action]]
        self._trace.explained += _Message(self, compiler).group(parts, self._scope, ())

    def _action(self) -> str | None:
        for line in self._plan["route"]:
            if line["when"] is None or self.true(line["at"], line["when"], self._scope):
                self._trace.line = line["at"]
                action: str | None = line["do"]
                return action
        return None

    def _zone(self, run: Run) -> str:
        plan = self._plan["zone"]
        return str(plan["zone"] if "zone" in plan else (self._watched(plan)(run.scope) or ["UTC"])[0])

    def true(self, at: str, tree: Any, scope: Scope) -> bool:
        """Say whether a condition is true, and note it."""
        said = compile_test(tree)(scope, scope.focus) is True
        self._trace.conditions.add((at, said))
        return said

    def values(self, rule: Plan, compiler: Compiler, scope: Scope) -> tuple[list[Any], str]:
        """Return what the source of a rule gave, and what the rule wrote."""
        found = source(rule)(scope, scope.focus)
        self._note_rows(rule, found)
        return found, given(compiler, Place(rule, None), rule)(self._run, scope, ())

    def _note_rows(self, rule: Plan, found: Sequence[Any]) -> None:
        if "cells" in rule:
            self._trace.rows |= {(_table(rule), code) for code in texts(found) if code in rule["cells"]}

    def _watched(self, item: Plan) -> Callable[[Scope], list[Any]]:
        """Return what evaluates an item of `let:`; if it has a table, the rows that are looked up are noted."""
        value = named(item, lambda _: self._run.zone)
        if "cells" not in item:
            return value
        path = source(item)

        def watched(scope: Scope) -> list[Any]:
            self._note_rows(item, path(scope, scope.focus))
            return value(scope)

        return watched


@dataclass(slots=True)
class _Message:
    """The rules of one action."""

    walk: _Walk
    compiler: Compiler
    #: How many segments of each name there are so far.
    segments: dict[str, int] = field(default_factory=dict)

    def group(self, parts: Sequence[Plan], scope: Scope, numbers: Numbers) -> list[Explained]:
        """Follow the parts of a message or group, in order; each is numbered among its kind."""
        written: list[Explained] = []
        counts: dict[str, int] = {}
        for part in parts:
            name = part.get("segment") or part["group"]
            if not all(self.walk.true(part["at"], tree, scope) for tree in part["tests"]):
                continue
            for inner in _turns(part, scope):
                inside = self._part(part, inner, (*numbers, counts.get(name, 0) + 1))
                counts[name] = counts.get(name, 0) + any(one.gave for one in inside)
                written += inside
        return written

    def _part(self, part: Plan, scope: Scope, numbers: Numbers) -> list[Explained]:
        if "segment" not in part:
            return self.group(part["parts"], scope, numbers)
        found = sorted(self._rules(part["rules"], scope, numbers), key=lambda one: one[0])
        name, explained = part["segment"], [one for _, one in found]
        if not any(one.gave for one in explained):
            return explained
        self.segments[name] = count = self.segments.get(name, 0) + 1
        if count == 1:
            return explained
        return [replace(one, target=one.target.replace(name, f"{name}[{count}]", 1)) for one in explained]

    def _rules(
        self, rules: Sequence[Plan], scope: Scope, numbers: Numbers
    ) -> Iterator[tuple[tuple[int, ...], Explained]]:
        for rule in rules:
            if not self.compiler.applies(rule) or not all(
                self.walk.true(rule["at"], tree, scope) for tree in rule["tests"]
            ):
                continue
            if "parts" in rule:
                for count, inner in enumerate(_turns(rule, scope), 1):
                    for order, one in self._rules(rule["parts"], inner, (*numbers, count)):
                        to = (
                            one.target.replace(rule["name"], f"{rule['name']}[{count}]", 1) if count > 1 else one.target
                        )
                        yield (order[0], count, *order[2:]), replace(one, target=to)
            else:
                yield tuple(step or 0 for step in rule["to"]), self._rule(rule, scope, numbers)

    def _rule(self, rule: Plan, scope: Scope, numbers: Numbers) -> Explained:
        of = {"target": rule["name"], "place": rule["at"]}
        if "literal" in rule:
            text = Place(rule, None).text(rule["literal"])
            return Explained(**of, source="value", found=(), conversion="", gave=text)
        if "number" in rule:
            up = rule["number"]
            count = numbers[-1 - up] if up < len(numbers) else 1
            return Explained(**of, source="number", found=(), conversion="", gave=str(count))
        found, gave = self.walk.values(rule, self.compiler, scope)
        return Explained(
            **of,
            source=rule["source"],
            found=tuple(_fhir(value) for value in found),
            conversion=_conversion(rule, gave),
            gave=gave,
        )


def _table(rule: Plan) -> str:
    """Return the table's name; the rule's place for a table that stands in the rule."""
    name: str = rule["table"].rpartition(".")[0] or rule["at"]
    return name


def _turns(part: Plan, scope: Scope) -> list[Scope]:
    """Return the scope of each turn of a `for:`; the one around where there is none."""
    if part["for"] is None:
        return [scope]
    things = compile_path(part["for"])(scope)
    return [scope.nested({part["var"]: [thing]}) if part["var"] else scope for thing in things]


def _conversion(rule: Plan, gave: str) -> str:
    words = [f"as: {rule['as']}"] if "as" in rule else []
    table = rule.get("rows") or rule.get("table")
    words += [f"table: {table}"] if table else []
    default = rule.get("default")
    words += ["default"] if default is not None and gave == Place(rule, None).text(default) else []
    return ", ".join(words)


def _fhir(value: Any) -> str:
    (text,) = texts([value]) or [json.dumps(value, ensure_ascii=False, default=str)]
    return text
