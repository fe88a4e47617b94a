"""Does a message keep the rules of its structure? Run time: nothing but the rules and the segments is needed.

Checked: the order and grouping of segments (Z-segments may stand anywhere), required segments and fields, repetitions,
numbers of components, the forms of DT, TM, DTM, NM and SI, the lengths that break receivers, and, as warnings, the
tables that HL7 closes. No text of a problem holds a value.

Source: HL7 v2.5.1 chapters 2 and 2A; the rules come from `hl7_rules.compile_rules`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from messages.problem import Problem
from transformers.er7 import Field, Segment
from transformers.hl7_order import Order

_DATE = r"(?!0000)\d{4}(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])%s)?)?"
_TIME = r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,4})?)?)?"
_OFFSET = r"(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
# 2A DT: YYYY[MM[DD]]. 2A DTM: … [HH[MM[SS[.S[S[S[S]]]]]]]][+/-ZZZZ]; neither 24:00 nor a second 60.
_FORMS = {
    "DT": re.compile(_DATE % "", re.ASCII).fullmatch,
    "DTM": re.compile(_DATE % f"(?:{_TIME})?" + _OFFSET, re.ASCII).fullmatch,
    "TM": re.compile(_TIME + _OFFSET, re.ASCII).fullmatch,
    "NM": re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII).fullmatch,
    "SI": re.compile(r"\d{1,4}", re.ASCII).fullmatch,
}
_MEANINGS = {
    "DT": "a date (YYYY, YYYYMM or YYYYMMDD)",
    "DTM": "a time (YYYYMMDDHHMMSS.SSSS+ZZZZ, from the left as far as known)",
    "TM": "a time of day (HHMMSS.SSSS+ZZZZ, from the left as far as known)",
    "NM": "a number with digits and a decimal point",
    "SI": "a number from 0 to 9999",
}


def form(kind: str) -> Callable[[str], object]:
    """Return a function that is true of texts in the form of a DT, DTM, TM, NM or SI. Days are those of the calendar.

    >>> bool(form("DT")("20240229")), bool(form("DT")("20250229")), bool(form("NM")("1,5"))
    (True, False, False)
    """
    matches = _FORMS[kind]
    if kind not in {"DT", "DTM"}:
        return matches

    def is_date(text: str) -> bool:
        # A day up to the 28th is in every month; what stands there may be an offset, and then nothing is wrong, too.
        return matches(text) is not None and ("00" < text[6:8] <= "28" or _is_in_calendar(text))

    return is_date


def _is_in_calendar(text: str) -> bool:
    digits = re.split("[+-]", text)[0]
    try:
        date(int(digits[:4]), int(digits[4:6] or 1), int(digits[6:8] or 1))
    except ValueError:
        return False
    return True


Severity = Literal["error", "warning"]
_Test = Callable[[str], object]
#: Code, sentence, what follows the segment in the expression (`-3.1`), severity.
_Finding = tuple[str, str, str, Severity]


@dataclass(frozen=True, slots=True)
class _Check:
    """What a leaf must pass."""

    #: Both count from 0.
    component: int
    subcomponent: int
    passes: _Test
    code: str
    #: Ends the sentence "PID-7 is not …".
    wanted: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class _Type:
    """The shape of a data type."""

    #: Most subcomponents of each component.
    widths: tuple[int, ...]
    #: (component, subcomponent, the test, the check it belongs to), sorted; spread out because this is the hot loop.
    checks: tuple[tuple[int, int, _Test, _Check], ...]
    #: The tests of a value without components.
    simple: tuple[_Test, ...]

    @classmethod
    def of(cls, widths: Iterable[int], checks: Iterable[_Check]) -> _Type:
        """Return a type with its checks in order."""
        ordered = sorted(checks, key=lambda check: (check.component, check.subcomponent))
        spread = tuple((check.component, check.subcomponent, check.passes, check) for check in ordered)
        simple = tuple(check.passes for check in ordered if check.component == check.subcomponent == 0)
        return cls(tuple(widths), spread, simple)


@dataclass(frozen=True, slots=True)
class _FieldRule:
    name: str
    #: None: withdrawn, or the type stands elsewhere (OBX-5: in OBX-2).
    type: _Type | None
    #: How many repetitions; a number beyond reach where HL7 sets no limit.
    maximum: int


@dataclass(frozen=True, slots=True)
class _SegmentRule:
    fields: tuple[_FieldRule, ...]
    required: tuple[int, ...]


class Validator:
    """The rules of one structure, ready to be applied to many messages.

    Args:
        rules: from `hl7_rules.compile_rules`, also after a way through JSON.
    """

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._order = Order(rules["order"], rules["structure"])
        self._types = {name: _type(rule, rules["tables"]) for name, rule in rules["datatypes"].items()}
        self._segments = {name: self._rule(name, fields, rules) for name, fields in rules["segments"].items()}

    def _rule(self, segment: str, fields: Sequence[Any], rules: Mapping[str, Any]) -> _SegmentRule:
        found = []
        for number, (name, datatype, _, maximum) in enumerate(fields, 1):
            kind = self._types.get(datatype)
            more = rules["checks"].get(f"{segment}-{number}")
            if kind and more:
                kind = _Type.of(
                    kind.widths, [*(check[3] for check in kind.checks), *(_check(one, rules["tables"]) for one in more)]
                )
            found.append(_FieldRule(name, kind, sys.maxsize if maximum is None else maximum))
        return _SegmentRule(tuple(found), tuple(number for number, one in enumerate(fields, 1) if one[2]))

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

    def _look_at(self, segment: Segment, rule: _SegmentRule) -> list[_Finding]:
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
            if kind is None:
                continue
            if len(field) == 1 and len(field[0]) == 1 and len(field[0][0]) == 1:
                # Most fields are one text that is in order.
                for passes in kind.simple:
                    if not passes(field[0][0][0]):
                        break
                else:
                    continue
            findings += _in_field(field, kind, one.name, f"-{number}")
        return findings

    def _named_by_obx_2(self, segment: Segment, number: int) -> _Type | None:
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


def _in_field(field: Field, kind: _Type, name: str, place: str) -> list[_Finding]:
    """Return what is wrong inside a field: parts that its type does not have, and leaves that do not pass."""
    findings: list[_Finding] = []
    widths = kind.widths
    for index, repetition in enumerate(field):
        here = f"{place}[{index + 1}]" if index else place
        size = len(repetition)
        if size > len(widths):
            parts = f"{len(widths)} components" if len(widths) > 1 else "no components"
            findings.append(("HL7_COMPONENTS", f"{name} has {parts}", f"{here}.{len(widths) + 1}", "error"))
        if max(map(len, repetition), default=0) > 1:
            findings += _subcomponents(repetition, widths, name, here)
        for component, subcomponent, passes, check in kind.checks:
            if component >= size:
                break
            if subcomponent < len(repetition[component]):
                text = repetition[component][subcomponent]
                if text and not passes(text) and text != '""':
                    deep = len(repetition[component]) > 1
                    where = f"{here}.{component + 1}" if size > 1 or deep else here
                    where += f".{subcomponent + 1}" if deep else ""
                    findings.append((check.code, f"{name} is not {check.wanted}", where, check.severity))
    return findings


def _subcomponents(repetition: list[list[str]], widths: Sequence[int], name: str, here: str) -> list[_Finding]:
    return [
        ("HL7_COMPONENTS", f"{name} has fewer subcomponents there", f"{here}.{number}.{width + 1}", "error")
        for number, (component, width) in enumerate(zip(repetition, widths, strict=False), 1)
        if len(component) > width
    ]


def _type(rule: Mapping[str, Any], tables: Mapping[str, Sequence[str]]) -> _Type:
    return _Type.of(rule["subcomponents"], (_check(check, tables) for check in rule["checks"]))


def _check(check: Sequence[Any], tables: Mapping[str, Sequence[str]]) -> _Check:
    component, subcomponent, kind, argument = check
    at = component - 1, subcomponent - 1
    if kind == "table":
        codes = frozenset(tables[argument])
        return _Check(*at, codes.__contains__, "HL7_TABLE", f"in HL7 table {argument}", "warning")
    if kind == "length":
        return _Check(*at, _fits(argument), "HL7_LENGTH", f"within {argument} characters", "error")
    return _Check(*at, form(kind), "HL7_FORMAT", _MEANINGS[kind], "error")


def _fits(most: int) -> _Test:
    return lambda text: len(text) <= most
