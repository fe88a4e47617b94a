"""A rule with `from:` compiled to what it writes; with a quick look at whether HL7 allows it.

The quick look passes nothing that is wrong. What it does not pass makes the run doubtful: the whole message is then
looked at by `hl7_validation`, which knows what is wrong and how to say it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from transformers import er7
from transformers.fhir_path import PathError, Scope
from transformers.formats import FORMATS
from transformers.hl7_forms import Test
from transformers.mapping_place import Place
from transformers.mapping_run import Plan, Run, names_in
from transformers.mapping_text import Numbers, Write
from transformers.mapping_values import Refused, formatted, looked_up, source, texts

#: Gives the texts, escaped, of the values that a rule's path gave.
Texts = Callable[[Run, list[Any]], list[str]]

#: What of a rule's plan does not change what it writes.
_OF_ONE_RULE = frozenset({"at", "name", "words", "to", "actions", "tests", "code"})


@dataclass(slots=True)
class Compiler:
    """What the rules of one action have in common."""

    action: str
    version: str
    tables: Plan
    #: Names that mean the same in every block.
    everywhere: frozenset[str]
    #: A text that is known beforehand does not pass the quick look: no message does.
    doubtful: bool = False
    #: How many rules write alike, by what they write; counted while they are compiled.
    writers: Counter[Any] = field(default_factory=Counter)
    #: What more than one rule writes -> its number.
    shared: dict[Any, int] = field(default_factory=dict)

    def applies(self, rule: Plan) -> bool:
        """Say whether a rule is for the action."""
        return rule["actions"] is None or self.action in rule["actions"]

    def known(self, place: Place, value: Any) -> str:
        """Return the text of a value that stands in the plan."""
        if not place.is_surely_right(value):
            self.doubtful = True
        return place.text(value)

    def tests(self, place: Place) -> tuple[Test, ...]:
        """Return what a text must pass at a place."""
        if place.tests is None:
            self.doubtful = True
        return place.tests or ()

    def alike(self, rule: Plan, kind: Any) -> int | None:
        """Return the number of what a rule and others write; None where it depends on a block's things.

        Args:
            rule: with `from:`.
            kind: of the place, as far as it matters.
        """
        if not {name for tree in rule["from"] for name in names_in(tree)} <= self.everywhere:
            return None
        content = {key: value for key, value in rule.items() if key not in _OF_ONE_RULE}
        self.writers[repr(content), kind] += 1
        return self.shared.get((repr(content), kind))

    def again(self) -> Compiler:
        """Return a compiler that knows what rules write alike, for a second time."""
        alike = [what for what, count in self.writers.items() if count > 1]
        return replace(self, writers=Counter(), shared={what: number for number, what in enumerate(alike)})


def given(compiler: Compiler, place: Place, rule: Plan) -> Write:
    """Compile a rule with `from:`, up to its `default:`, `required:` and the number of its values."""
    if "as" in rule and FORMATS[rule["as"]].gives != "text":
        texts_of, is_right, kind = _repetitions(compiler, place, rule), None, place.kind
    else:
        tests = compiler.tests(place)
        texts_of, is_right, kind = _texts(compiler, place, rule), _all_of(tests), tests
    otherwise = _otherwise(compiler, place, rule, is_right)
    path, name, number = source(rule), rule["name"], compiler.alike(rule, kind)

    def write(run: Run, scope: Scope, _: Numbers) -> str:
        try:
            found = path(scope, scope.focus)
            if found:
                found = texts_of(run, found)
        except PathError as error:
            run.wrong("E302", rule, f"{name}: {rule['source']}: {error}")
            return ""
        except Refused as refused:
            run.wrong(refused.code, rule, f"{name}: {refused.text}", refused.unmapped)
            return ""
        if len(found) == 1 and (is_right is None or is_right(found[0])):  # as nearly always
            text = found[0]
            if text:
                return text
        return otherwise(run, found)

    return write if number is None else _once(write, number)


def _otherwise(compiler: Compiler, place: Place, rule: Plan, is_right: Test | None) -> Callable[[Run, list[str]], str]:
    """Return what is done with no text, with several, with empty ones, and with those that HL7 may not allow."""
    name, required, several, most = rule["name"], rule["required"], rule["all"], place.most
    default = None if rule.get("default") is None else compiler.known(place, rule["default"])

    def write(run: Run, found: list[str]) -> str:
        found = [text for text in found if text]
        if not found:
            if required and default is None:
                run.wrong("E301", rule, f"{name} is required: {rule['source']} gave nothing")
            return default or ""
        if len(found) > 1 and not several:
            run.wrong("E305", rule, f"{name} takes one value: {rule['source']} gave {len(found)}")
            return ""
        if len(found) > most or (is_right is not None and not all(map(is_right, found))):
            run.doubtful = True
        return "~".join(found)

    return write


def _texts(compiler: Compiler, place: Place, rule: Plan) -> Texts:
    """Compile what makes single texts of values: a format, a table, or nothing but FHIR's own way to write them."""
    if "as" in rule:
        convert, zoned = formatted(rule, compiler.tables, compiler.version), FORMATS[rule["as"]].zoned
        return lambda run, values: list(map(er7.escaped, convert(values, run.zone if zoned else "UTC")))
    if "cells" in rule:
        cells = {code: cell if cell is None else compiler.known(place, cell) for code, cell in rule["cells"].items()}
        look_up = looked_up(rule, cells, er7.escaped)
        return lambda _, values: look_up(values, "")
    return _plain


def _plain(_: Run, values: list[Any]) -> list[str]:
    if len(values) == 1 and isinstance(values[0], str):
        return [er7.escaped(values[0])]
    return list(map(er7.escaped, texts(values)))


def _repetitions(compiler: Compiler, place: Place, rule: Plan) -> Texts:
    """Compile a format that gives whole repetitions."""
    convert, text_of = formatted(rule, compiler.tables, compiler.version), place.text
    if place.takes(FORMATS[rule["as"]].widths):
        return lambda _, values: list(map(text_of, convert(values, "UTC")))

    def texts_of(run: Run, values: list[Any]) -> list[str]:
        found = convert(values, "UTC")
        if not place.is_field:
            found = [place.shaped(repetition) for repetition in found]
        if not all(map(place.is_surely_right, found)):
            run.doubtful = True
        return list(map(text_of, found))

    return texts_of


def _all_of(tests: Sequence[Test]) -> Test | None:
    if len(tests) < 2:
        return next(iter(tests), None)
    return lambda text: all(test(text) for test in tests)


def _once(write: Write, number: int) -> Write:
    """Write the same text wherever rules write alike; what gave nothing is asked again, for each rule's own problem."""

    def once(run: Run, scope: Scope, numbers: Numbers) -> str:
        text = run.memo.get(number)
        if text is None:
            text = write(run, scope, numbers)
            if text:
                run.memo[number] = text
        return text

    return once
