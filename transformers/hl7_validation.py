"""Does a message keep the rules of its structure? Run time: nothing but the rules and the segments is needed.

Checked: the order and grouping of segments (Z-segments may stand anywhere), required segments and fields, repetitions,
numbers of components, the forms of DT, TM, DTM, NM and SI, the lengths that break receivers, and, as warnings, the
tables that HL7 closes. No text of a problem holds a value.

Source: HL7 v2.5.1 chapters 2 and 2A; the rules come from `hl7_rules.compile_rules`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import gt
from typing import Any, Literal

from messages.problem import Problem
from transformers.er7 import Field, Repetition, Segment
from transformers.hl7_forms import QUICK, WORDS, Test, is_form
from transformers.hl7_order import Order

Severity = Literal["error", "warning"]
#: Code, sentence, what follows the segment in the expression (`-3.1`), severity.
_Finding = tuple[str, str, str, Severity]


@dataclass(frozen=True, slots=True)
class _Check:
    """What a leaf must pass."""

    #: Both count from 0.
    component: int
    subcomponent: int
    #: Passes nothing wrong, but perhaps not all that is right.
    quick: Test
    passes: Test
    code: str
    #: Ends the sentence "PID-7 is not …".
    wanted: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class DataType:
    """The shape of a data type. Positions count from 0."""

    #: Most subcomponents of each component.
    widths: tuple[int, ...]
    checks: tuple[_Check, ...]
    #: How many components a value has -> (component, quick test) of those that are there; for the hot loop.
    quick: tuple[tuple[tuple[int, Test], ...], ...]
    #: Component, subcomponent but the first, quick test.
    deep: tuple[tuple[int, int, Test], ...]

    @classmethod
    def of(cls, widths: Sequence[int], checks: Sequence[_Check]) -> DataType:
        """Return a type with its checks sorted out."""
        flat = [(check.component, check.quick) for check in checks if check.subcomponent == 0]
        deep = [(check.component, check.subcomponent, check.quick) for check in checks if check.subcomponent]
        sizes = range(len(widths) + 1)
        quick = tuple(tuple(one for one in flat if one[0] < size) for size in sizes)
        return cls(tuple(widths), tuple(checks), quick, tuple(deep))

    def is_surely_right(self, repetition: Repetition) -> bool:
        """Return whether nothing is wrong inside a repetition; False says that it must be looked at thoroughly."""
        size = len(repetition)
        if size > len(self.widths) or any(map(gt, map(len, repetition), self.widths)):
            return False
        try:
            for component, test in self.quick[size]:
                text = repetition[component][0]
                if text and not test(text):
                    return False
        except IndexError:  # a shape with empty lists
            return False
        return not self.deep or self._is_right_below(repetition)

    def takes(self, widths: Sequence[int]) -> bool:
        """Return whether every repetition is right whose components have at most so many subcomponents."""
        size = len(widths)
        fits = size <= len(self.widths) and not any(map(gt, widths, self.widths))
        return fits and not self.quick[size] and all(component >= size for component, _, _ in self.deep)

    def _is_right_below(self, repetition: Repetition) -> bool:
        for component, subcomponent, test in self.deep:
            if component < len(repetition) and subcomponent < len(repetition[component]):
                text = repetition[component][subcomponent]
                if text and not test(text):
                    return False
        return True

    def tests(self, component: int, subcomponent: int) -> tuple[Test, ...] | None:
        """Return quick tests of a leaf; None where there is no such place."""
        if component >= len(self.widths) or subcomponent >= self.widths[component]:
            return None
        at = component, subcomponent
        return tuple(check.quick for check in self.checks if (check.component, check.subcomponent) == at)


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What HL7 asks of a field."""

    name: str
    #: None: withdrawn, or the type stands elsewhere (OBX-5: in OBX-2).
    type: DataType | None
    #: How many repetitions; a number beyond reach where HL7 sets no limit.
    maximum: int


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """What HL7 asks of a segment. Field n is `fields[n - 1]`."""

    fields: tuple[FieldRule, ...]
    required: tuple[int, ...]


class Validator:
    """The rules of one structure, ready to be applied to many messages.

    Args:
        rules: from `hl7_rules.compile_rules`, also after a way through JSON.
        warnings: also look for what is only a warning.
    """

    def __init__(self, rules: Mapping[str, Any], *, warnings: bool = True) -> None:
        self._order = Order(rules["order"], rules["structure"])
        #: Return whether the structure allows segments of these names in this order. Most messages look alike.
        self.is_ordered: Callable[[tuple[str, ...]], bool] = lru_cache(maxsize=256)(
            lambda names: not self._order.problems(names)
        )
        self._warnings = warnings
        self._types = {
            name: DataType.of(rule["subcomponents"], self._checks(rule["checks"], rules["tables"]))
            for name, rule in rules["datatypes"].items()
        }
        self._segments = {name: self._rule(name, fields, rules) for name, fields in rules["segments"].items()}

    def segment(self, name: str) -> SegmentRule | None:
        """Return the rules of a segment; None for one without (a Z-segment)."""
        return self._segments.get(name)

    def _checks(self, checks: Sequence[Any], tables: Mapping[str, Sequence[str]]) -> list[_Check]:
        found = [_check(check, tables) for check in checks]
        return [check for check in found if self._warnings or check.severity != "warning"]

    def _rule(self, segment: str, fields: Sequence[Any], rules: Mapping[str, Any]) -> SegmentRule:
        found = []
        for number, (name, datatype, _, maximum) in enumerate(fields, 1):
            kind = self._types.get(datatype)
            more = rules["checks"].get(f"{segment}-{number}")
            if kind and more:
                kind = DataType.of(kind.widths, [*kind.checks, *self._checks(more, rules["tables"])])
            found.append(FieldRule(name, kind, sys.maxsize if maximum is None else maximum))
        return SegmentRule(tuple(found), tuple(number for number, one in enumerate(fields, 1) if one[2]))

    def validate(self, segments: Sequence[Segment]) -> list[Problem]:
        """Return all problems of a message; an empty list means that it keeps the rules.

        Problem.expression is `SCH-6`, `PID-3[2].1`, and `AIS[2]-3` for the second AIS of the message.
        """
        problems = self._order.problems([segment[0] for segment in segments])
        counts: dict[str, int] = {}
        for segment in segments:
            name = segment[0]
            counts[name] = counts.get(name, 0) + 1
            rule = self._segments.get(name)
            findings = self._look_at(segment, rule) if rule else []
            if findings:
                place = name if counts[name] == 1 else f"{name}[{counts[name]}]"
                problems += [
                    Problem(code=code, text=text, expression=place + rest, severity=severity)
                    for code, text, rest, severity in findings
                ]
        return problems

    def _look_at(self, segment: Segment, rule: SegmentRule) -> list[_Finding]:
        fields = rule.fields
        findings: list[_Finding] = [
            ("HL7_REQUIRED", f"{fields[number - 1].name} is required", f"-{number}", "error")
            for number in rule.required
            if number >= len(segment) or _is_missing(segment[number])
        ]
        if len(segment) > len(fields) + 1:
            text = f"{segment[0]} ends with field {len(fields)}"
            findings.append(("HL7_FIELDS", text, f"-{len(fields) + 1}", "error"))
        # MSH-1 and MSH-2 are the separators themselves: plain strings, checked where the message is read.
        number = 2 if segment[0] == "MSH" else 0
        for field in segment[number + 1 : len(fields) + 1]:
            number += 1
            if not field:
                continue
            one = fields[number - 1]
            if len(field) > one.maximum:
                text = f"{one.name} may not repeat" if one.maximum else f"field {number} is withdrawn and must be empty"
                findings.append(("HL7_REPEATS", text, f"-{number}", "error"))
            kind = one.type or self._named_by_obx_2(segment, number)
            if kind and not all(map(kind.is_surely_right, field)):
                findings += _in_field(field, kind, one.name, f"-{number}")
        return findings

    def _named_by_obx_2(self, segment: Segment, number: int) -> DataType | None:
        """Return the type of OBX-5, which OBX-2 names; None for any other field without a type, or an unknown name."""
        if segment[0] != "OBX" or number != 5 or not segment[2]:
            return None
        return self._types.get(segment[2][0][0][0])


def _is_missing(field: Field | str) -> bool:
    """Return whether a field holds nothing but empty texts, or is deleted by `""`."""
    for repetition in field:
        for component in repetition:
            for leaf in component:
                if leaf:
                    return leaf == '""'
    return True


def _in_field(field: Field, kind: DataType, name: str, place: str) -> list[_Finding]:
    """Return what is wrong inside a field: parts that its type does not have, and leaves that do not pass."""
    findings: list[_Finding] = []
    widths = kind.widths
    for index, repetition in enumerate(field):
        here = f"{place}[{index + 1}]" if index else place
        size = len(repetition)
        if size > len(widths):
            parts = f"{len(widths)} components" if len(widths) > 1 else "no components"
            findings.append(("HL7_COMPONENTS", f"{name} has {parts}", f"{here}.{len(widths) + 1}", "error"))
        findings += _subcomponents(repetition, widths, name, here)
        for check in kind.checks:
            if check.component < size and check.subcomponent < len(repetition[check.component]):
                text = repetition[check.component][check.subcomponent]
                if text and not check.passes(text) and text != '""':
                    deep = len(repetition[check.component]) > 1
                    where = f"{here}.{check.component + 1}" if size > 1 or deep else here
                    where += f".{check.subcomponent + 1}" if deep else ""
                    findings.append((check.code, f"{name} is not {check.wanted}", where, check.severity))
    return findings


def _subcomponents(repetition: list[list[str]], widths: Sequence[int], name: str, here: str) -> list[_Finding]:
    return [
        ("HL7_COMPONENTS", f"{name} has fewer subcomponents there", f"{here}.{number}.{width + 1}", "error")
        for number, (component, width) in enumerate(zip(repetition, widths, strict=False), 1)
        if len(component) > width
    ]


def _check(check: Sequence[Any], tables: Mapping[str, Sequence[str]]) -> _Check:
    component, subcomponent, kind, argument = check
    at = component - 1, subcomponent - 1
    if kind == "table":
        known = frozenset(tables[argument]).__contains__
        return _Check(*at, known, known, "HL7_TABLE", f"in HL7 table {argument}", "warning")
    if kind == "length":
        fits = _fits(argument)
        return _Check(*at, fits, fits, "HL7_LENGTH", f"within {argument} characters", "error")
    return _Check(*at, QUICK[kind], partial(is_form, kind), "HL7_FORMAT", WORDS[kind], "error")


def _fits(most: int) -> Test:
    return lambda text: len(text) <= most
