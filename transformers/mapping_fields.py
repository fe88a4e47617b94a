"""The rules of one segment for one action, compiled to the fields that they write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers.fhir_path import PathError, Scope, compile_test, compile_values
from transformers.hl7_validation import FieldRule
from transformers.mapping_given import Compiler, given
from transformers.mapping_place import Place
from transformers.mapping_run import Plan, Run
from transformers.mapping_text import Levels, Numbers, Part, Write, joined, last_given, writer
from transformers.mapping_values import Path

Condition = Callable[[Scope, Any], bool | None]


def fields(
    compiler: Compiler, rules: Sequence[Plan], levels: Levels, hl7: Callable[[int], FieldRule | None]
) -> dict[int, Part]:
    """Return what the rules write, by the number of the field.

    Args:
        compiler: of the action.
        rules: of one segment, for the action.
        levels: of the segment and what is around it.
        hl7: gives HL7's rule for a field; None where there is none.
    """
    numbers = dict.fromkeys(rule["to"][0] for rule in rules)
    return {
        number: _Field(compiler, hl7(number)).part(levels, [rule for rule in rules if rule["to"][0] == number])
        for number in numbers
    }


def all_true(tests: Sequence[Condition], run: Run, scope: Scope, rule: Plan) -> bool:
    """Say whether the conditions of a rule or block are true; false, with a problem noted, when one cannot be told."""
    focus = scope.focus
    try:
        for is_true in tests:
            if is_true(scope, focus) is not True:
                return False
    except PathError as error:
        run.wrong("E302", rule, f"when: {error}")
        return False
    return True


def things(path: Path, run: Run, scope: Scope, part: Plan) -> list[Any]:
    """Return what a `for:` gives; nothing, with a problem noted, when that cannot be told."""
    try:
        return path(scope, scope.focus)
    except PathError as error:
        run.wrong("E302", part, f"for: {part['source']}: {error}")
        return []


@dataclass(slots=True)
class _Field:
    """Compiles the rules of one field."""

    compiler: Compiler
    hl7: FieldRule | None

    def part(self, levels: Levels, rules: Sequence[Plan]) -> Part:
        """Put the rules together: repetitions, in them components, in them subcomponents."""
        parts = [(_address(rule), self._rule(levels, rule)) for rule in rules]
        if any(address for address, _ in parts):
            parts = [(address or (1,), part) for address, part in parts]
        return _nested(parts, "~^&")

    def _rule(self, levels: Levels, rule: Plan) -> Part:
        part = self._unconditional(levels, rule)
        tests = [compile_test(tree) for tree in rule["tests"]]
        if not tests:
            return part
        write = writer(part)

        def guarded(run: Run, scope: Scope, numbers: Numbers) -> str:
            return write(run, scope, numbers) if all_true(tests, run, scope, rule) else ""

        return guarded

    def _unconditional(self, levels: Levels, rule: Plan) -> Part:
        if "number" in rule:
            return _number(rule["number"], levels)
        if "parts" in rule:
            return self._block(levels, rule)
        place = Place(rule, self.hl7)
        if "literal" in rule:
            return self.compiler.known(place, rule["literal"])
        return given(self.compiler, place, rule)

    def _block(self, levels: Levels, rule: Plan) -> Write:
        """Compile `PID-3[]` with `for:` and rules for its components: one repetition for each thing."""
        path, name, most = compile_values(rule["for"]), rule["var"], Place(rule, self.hl7).most
        inside = writer(self.part((*levels, True), [part for part in rule["parts"] if self.compiler.applies(part)]))

        def write(run: Run, scope: Scope, numbers: Numbers) -> str:
            found: list[str] = []
            for thing in things(path, run, scope, rule):
                inner = scope.nested({name: [thing]}) if name else scope
                text = inside(run, inner, (*numbers, len(found) + 1))
                if text:
                    found.append(text)
            if not found and rule["required"]:
                run.wrong("E301", rule, f"{rule['name']} is required: {rule['source']} gave nothing")
            if len(found) > most:
                run.doubtful = True
            return "~".join(found)

        return write


def _address(rule: Plan) -> tuple[int, ...]:
    """Return repetition, component and subcomponent as far as a rule names them; () for all repetitions."""
    _, repetition, component, subcomponent = rule["to"]
    if repetition is None and component is None:
        return ()
    return tuple(number for number in (repetition or 1, component, subcomponent) if number)


def _nested(parts: Sequence[tuple[tuple[int, ...], Part]], marks: str) -> Part:
    """Join parts by their addresses; `marks` are the separators from the outside in."""
    whole = [part for address, part in parts if not address]
    if whole:
        # Several are for different cases. The check lets nothing else stand beside what writes the whole.
        return last_given(whole)
    inside: dict[int, list[tuple[tuple[int, ...], Part]]] = {}
    for (number, *rest), part in parts:
        inside.setdefault(number - 1, []).append((tuple(rest), part))
    return joined(marks[0], {position: _nested(found, marks[1:]) for position, found in inside.items()})


def _number(up: int, levels: Levels) -> Part:
    """Compile `number: true`: which of its kind the part is that stands `up` steps around."""
    position = len(levels) - 1 - up
    if position < 0 or not levels[position]:
        return "1"
    index = -sum(levels[position:])
    return lambda _run, _scope, numbers: str(numbers[index])
