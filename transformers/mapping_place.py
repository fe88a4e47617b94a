"""Where a rule of a mapping writes: which part of a field, how a value is written there, and what HL7 asks of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from transformers import er7
from transformers.hl7_forms import Test
from transformers.hl7_validation import DataType, FieldRule
from transformers.mapping_run import Plan


class Place:
    """A repetition of a field, a component or a subcomponent. Values have the shape that `er7` gives to such a part.

    Args:
        rule: that writes there.
        hl7: the rule of the field; None where HL7 has none (Z-segments).
    """

    def __init__(self, rule: Plan, hl7: FieldRule | None) -> None:
        _, repetition, component, subcomponent = rule["to"]
        type_ = hl7.type if hl7 else None
        self.is_field, self._is_leaf = component is None, subcomponent is not None
        #: Repetitions that HL7 allows.
        self.most = hl7.maximum if hl7 else sys.maxsize
        is_there = (repetition or 1) <= self.most
        #: Returns a value as it is written.
        self.text = _text(is_field=self.is_field, is_leaf=self._is_leaf)
        self._type = type_ if is_there else None
        #: Says whether HL7 allows a value; False: perhaps not.
        self.is_surely_right = _look(type_, component, subcomponent) if is_there else _never
        #: What a text must pass; None where HL7 has no such place.
        self.tests: tuple[Test, ...] | None = () if is_there else None
        if type_ and is_there:
            self.tests = type_.tests((component or 1) - 1, (subcomponent or 1) - 1)
        #: The same for places where the same values are right and are written alike.
        self.kind: tuple[Any, ...] = (component, subcomponent, id(type_), is_there)

    def takes(self, widths: tuple[int, ...] | None) -> bool:
        """Say whether HL7 allows every repetition that is no wider than these widths (see `Format.widths`)."""
        return self.is_field and self._type is not None and widths is not None and self._type.takes(widths)

    def shaped(self, repetition: er7.Repetition) -> Any:
        """Return a repetition as it may stand here: in a component its components are subcomponents."""
        if self.is_field:
            return repetition
        first = [component[0] for component in repetition]
        return first[0] if self._is_leaf else first


def _text(*, is_field: bool, is_leaf: bool) -> Callable[[Any], str]:
    if is_field:
        return er7.written_repetition
    return er7.escaped if is_leaf else lambda component: er7.written_repetition([component])


def _look(type_: DataType | None, component: int | None, subcomponent: int | None) -> Callable[[Any], bool]:
    if type_ is None:
        return lambda _: True
    if component is None:
        return type_.is_surely_right
    before: er7.Repetition = [[""]] * (component - 1)
    if subcomponent is None:
        return lambda value: type_.is_surely_right([*before, value])
    return lambda text: type_.is_surely_right([*before, [*[""] * (subcomponent - 1), text]])


def _never(_: Any) -> bool:
    return False
