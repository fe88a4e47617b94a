"""The left side of a mapping at run time: the segments of one message, built from the rules of one action."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from transformers.er7 import Segment
from transformers.fhir_path import PathError, Scope, compile_path
from transformers.mapping_values import Give, Plan, Run, give, level, settle, test

#: Which repetition each part around is, from the outside; from 1.
Numbers = tuple[int, ...]
#: Writes into a segment; says whether it wrote anything.
Write = Callable[[Run, Scope, Segment, Numbers], bool]
#: Appends segments; says whether there were any.
Build = Callable[[Run, Scope, Numbers, list[Segment]], bool]
#: Looks at what a rule gave, for `try --explain`.
Watch = Callable[[Plan, list[Any]], None]


#: Names that mean the same in every block, beside those of `let:`.
EVERYWHERE = ("it", "known", "resource", "rootResource", "context", "ucum", "sct", "loinc")


class Builder:
    """Compiles the parts of a plan for one action."""

    def __init__(self, action: str, plan: Plan, version: str, watch: Watch | None = None) -> None:
        self._action = action
        self._tables = plan["tables"]
        self._everywhere = {*plan["let"], *EVERYWHERE}
        self._version = version
        self._watch = watch
        self._memos: dict[str, int] = {}

    def group(self, parts: Sequence[Plan]) -> Build:
        """Compile the parts of a message or group, in order."""
        nodes: list[tuple[int, Build]] = []
        slots: dict[str, int] = {}
        for part in parts:
            inside = self._part(part)
            if inside is not None:
                slot = slots.setdefault(part.get("segment") or part["group"], len(slots))
                nodes.append((slot, inside))
        size = len(slots)

        def build(run: Run, scope: Scope, numbers: Numbers, out: list[Segment]) -> bool:
            counts = [0] * size
            length = len(out)
            for slot, node in nodes:
                # A node that repeats adds its repetitions itself; it is told how many of its kind there are.
                counts[slot] = _written(node, run, scope, numbers, out, counts[slot])
            return len(out) > length

        return build

    def segment(self, part: Plan) -> Build | None:
        """Compile one segment; None when no rule of it applies to the action."""
        rules = [rule for rule in part["rules"] if _applies_rule(rule, self._action)]
        if not rules:
            return None
        size = max(rule["to"][0] for rule in rules) + 1
        fixed = [rule for rule in rules if "literal" in rule and not rule["tests"]]
        shared: Segment = [part["segment"]] + [[] for _ in range(size - 1)]
        for rule in fixed:
            _put(shared, rule["to"], copy.deepcopy(rule["literal"]))
            self._seen(rule, [rule["literal"]])
        others = [rule for rule in rules if rule not in fixed]
        fill = self._fill(others)
        # What literals and other rules write together must be a new list in every message.
        mixed = sorted({rule["to"][0] for rule in others if shared[rule["to"][0]]})
        certain = bool(fixed)

        def build(run: Run, scope: Scope, numbers: Numbers, out: list[Segment]) -> bool:
            segment = shared.copy()
            for number in mixed:
                segment[number] = [[list(part) for part in repetition] for repetition in segment[number]]
            wrote = fill(run, scope, segment, numbers) or certain
            if wrote:
                out.append(segment)
            return wrote

        return build

    def _part(self, part: Plan) -> Build | None:
        inside = self.segment(part) if "segment" in part else self._group_in(part)
        if inside is None:
            return None
        tests = [test(tree) for tree in part["tests"]]
        if part["for"] is not None:
            inside = _Repeated(part, inside)
        return _Guarded(part, tests, inside) if tests else inside

    def _group_in(self, part: Plan) -> Build | None:
        return self.group(part["parts"]) if _applies(part, self._action) else None

    # -- rules -----------------------------------------------------------------------------------------------------

    def _fill(self, rules: Sequence[Plan]) -> Write:
        """Compile the rules of a segment, or of one repetition of a field."""
        lines: list[_Line] = []
        writers: list[Write] = []
        for rule in rules:
            if rule["tests"] or "number" in rule or "parts" in rule:
                writers.append(self._writer(rule))
            else:
                lines.append(self._line(rule))
        write_lines = _lines_writer(lines, self._watch)

        def fill(run: Run, scope: Scope, segment: Segment, numbers: Numbers) -> bool:
            wrote = write_lines(run, scope, segment)
            for write in writers:
                if write(run, scope, segment, numbers):
                    wrote = True
            return wrote

        return fill

    def _line(self, rule: Plan) -> _Line:
        if "literal" in rule:
            values: Give = lambda _run, _scope: [rule["literal"]]  # noqa: E731 - as short as what it does
        else:
            values = give(rule, self._tables, self._version, self._memo(rule))
        field, repetition, component, subcomponent = rule["to"]
        whole = component is None and repetition is None
        deep = repetition is not None or subcomponent is not None
        position = -2 if whole else -1 if deep else component - 1
        return values, rule, field, position

    def _memo(self, rule: Plan) -> tuple[Any, ...] | None:
        """Return what stands for a conversion, the same for all rules that convert the same value alike.

        None where it depends on the things of a block.
        """
        if "as" not in rule or not {name for tree in rule["from"] for name in _names(tree)} <= self._everywhere:
            return None
        content = repr([rule["from"], rule["as"], rule["options"], rule.get("rows"), rule["unmapped"]])
        return (self._memos.setdefault(content, len(self._memos)),)

    def _writer(self, rule: Plan) -> Write:
        """Compile a rule that is more than a value: a number, a repeating field, or one with conditions."""
        if "number" in rule:
            write = self._number(rule)
        elif "parts" in rule:
            write = self._field_block(rule)
        else:
            write_lines = _lines_writer([self._line(rule)], self._watch)
            write = lambda run, scope, segment, _: write_lines(run, scope, segment)  # noqa: E731 - as short as it is
        tests = [test(tree) for tree in rule["tests"]]
        if not tests:
            return write

        def guarded(run: Run, scope: Scope, segment: Segment, numbers: Numbers) -> bool:
            return _all_true(tests, run, scope, rule) and write(run, scope, segment, numbers)

        return guarded

    def _number(self, rule: Plan) -> Write:
        up, to, kind = rule["number"], rule["to"], level(rule)

        def write(_run: Run, _scope: Scope, segment: Segment, numbers: Numbers) -> bool:
            text = str(numbers[-1 - up] if up < len(numbers) else 1)
            _put(segment, to, [[text]] if kind == "field" else [text] if kind == "component" else text)
            self._seen(rule, [text])
            return True

        return write

    def _seen(self, rule: Plan, found: list[Any]) -> None:
        if self._watch is not None:
            self._watch(rule, found)

    def _field_block(self, rule: Plan) -> Write:
        """Compile `PID-3[]` with `for:` and rules for its components: one repetition for each thing."""
        field = rule["to"][0]
        things = compile_path(rule["for"])
        fill = self._fill([part for part in rule["parts"] if _applies_rule(part, self._action)])

        def write(run: Run, scope: Scope, segment: Segment, numbers: Numbers) -> bool:
            found: list[Any] = []
            for thing in _things(things, run, scope, rule):
                one: Segment = [segment[0]] + [[] for _ in range(field)]
                inner = scope.nested({rule["var"]: [thing]}) if rule["var"] else scope
                fill(run, inner, one, (*numbers, len(found) + 1))
                found += one[field]
            if found:
                segment[field] = found
            elif rule["required"]:
                run.wrong("E301", rule, f"{rule['name']} is required: {rule['source']} gave nothing")
            return bool(found)

        return write


#: What gives the values of a rule, the rule, its field, and where in it they go: -2 the field, -1 deep inside, or the
#: position of the component, from 0.
_Line = tuple[Give, Plan, int, int]


def _lines_writer(lines: Sequence[_Line], watch: Watch | None) -> Callable[[Run, Scope, Segment], bool]:
    """Return what writes the values of rules; one loop, because this is where a message spends its time."""

    def write(run: Run, scope: Scope, segment: Segment) -> bool:
        wrote = False
        for values, rule, field, position in lines:
            try:
                found = values(run, scope)
            except PathError as error:
                run.stop(rule, f"{rule['name']}: {rule['source']}: {error}")
            if len(found) != 1:
                found = settle(rule, run, found)
            if watch is not None:
                watch(rule, found)
            if not found:
                continue
            wrote = True
            if position == -2:
                segment[field] = found
            elif position >= 0 and segment[field] and len(segment[field][0]) > position:
                segment[field][0][position] = found[0]
            else:
                _put(segment, rule["to"], found[0])
        return wrote

    return write


class _Repeated:
    """A segment or group that is built once for each thing of its `for:`."""

    def __init__(self, part: Plan, inside: Build) -> None:
        self._part = part
        self._inside = inside
        self._things = compile_path(part["for"])
        self._name = part.get("segment") or part["group"]

    def count(self, run: Run, scope: Scope, numbers: Numbers, out: list[Segment], before: int) -> int:
        """Build all repetitions; return how many of the kind there are now."""
        part = self._part
        count = before
        for thing in _things(self._things, run, scope, part):
            inner = scope.nested({part["var"]: [thing]}) if part["var"] else scope
            if self._inside(run, inner, (*numbers, count + 1), out):
                count += 1
        if count == before and part["required"]:
            run.wrong("E301", part, f"{self._name} is required: {part['source']} gave nothing")
        return count

    def __call__(self, run: Run, scope: Scope, numbers: Numbers, out: list[Segment]) -> bool:
        return self.count(run, scope, numbers, out, 0) > 0


class _Guarded:
    """A part with conditions of its own."""

    def __init__(self, part: Plan, tests: list[Callable[[Scope], bool]], inside: Build) -> None:
        self._part = part
        self._tests = tests
        self._inside = inside

    def count(self, run: Run, scope: Scope, numbers: Numbers, out: list[Segment], before: int) -> int:
        if not _all_true(self._tests, run, scope, self._part):
            return before
        return _written(self._inside, run, scope, numbers, out, before)

    def __call__(self, run: Run, scope: Scope, numbers: Numbers, out: list[Segment]) -> bool:
        return self.count(run, scope, numbers, out, 0) > 0


def _written(  # noqa: PLR0913, PLR0917 - a build and how many there are
    node: Build, run: Run, scope: Scope, numbers: Numbers, out: list[Segment], before: int
) -> int:
    """Build a part; return how many of its kind there are now."""
    if isinstance(node, _Repeated | _Guarded):
        return node.count(run, scope, numbers, out, before)
    return before + node(run, scope, (*numbers, before + 1), out)


def _things(path: Callable[[Scope], list[Any]], run: Run, scope: Scope, part: Plan) -> list[Any]:
    try:
        return path(scope)
    except PathError as error:
        run.stop(part, f"for: {part['source']}: {error}")


def _all_true(tests: list[Callable[[Scope], bool]], run: Run, scope: Scope, rule: Plan) -> bool:
    try:
        return all(is_true(scope) for is_true in tests)
    except PathError as error:
        run.stop(rule, f"when: {error}")


def _names(tree: Any) -> Iterator[str]:
    """Return the %names that an expression uses."""
    if tree and tree[0] == "name":
        yield tree[2]
    for part in tree:
        if isinstance(part, list):
            yield from _names(part)


def _applies(part: Plan, action: str) -> bool:
    if "segment" in part:
        return any(_applies_rule(rule, action) for rule in part["rules"])
    return any(_applies(inner, action) for inner in part["parts"])


def _applies_rule(rule: Mapping[str, Any], action: str) -> bool:
    return rule["actions"] is None or action in rule["actions"]


def _put(segment: Segment, to: Sequence[int | None], value: Any) -> None:
    """Write a repetition, component or subcomponent at its place, empties before it."""
    field, repetition, component, subcomponent = to
    repetitions = segment[field or 0]
    if not repetitions:
        repetitions = segment[field or 0] = []
    position = (repetition or 1) - 1
    while len(repetitions) <= position:
        repetitions.append([[""]])
    if component is None:
        repetitions[position] = [list(part) for part in value]
        return
    components = repetitions[position]
    while len(components) < component:
        components.append([""])
    if subcomponent is None:
        components[component - 1] = list(value)
        return
    subcomponents = components[component - 1]
    while len(subcomponents) < subcomponent:
        subcomponents.append("")
    subcomponents[subcomponent - 1] = value
