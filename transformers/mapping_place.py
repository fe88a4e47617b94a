"""Where a rule of a mapping writes: which part of a field, how a value is written there, and what HL7 asks of it."""

from __future__ import annotations

import sys
from typing import Any

from transformers import er7
from transformers.hl7_forms import Test
from transformers.hl7_validation import FieldRule
from transformers.mapping_run import Plan


class Place:
    """A repetition of a field, a component or a subcomponent. Values have the shape that `er7` gives to such a part.

    Args:
        rule: that writes there.
        hl7: the rule of the field; None where HL7 has none (Z-segments).
    """

    def __init__(self, rule: Plan, hl7: FieldRule | None) -> None:
        _, repetition, component, subcomponent = rule["to"]
        self._hl7 = hl7
        self._is_beyond = hl7 is not None and (repetition or 1) > hl7.maximum
        self._component, self._subcomponent = (component or 1) - 1, (subcomponent or 1) - 1
        self.level = "subcomponent" if subcomponent else "component" if component else "field"
        #: Repetitions that HL7 allows.
        self.most = sys.maxsize if hl7 is None else hl7.maximum
        #: The same for places where the same values are right and are written alike.
        self.kind: tuple[Any, ...] = (component, subcomponent, hl7 and id(hl7.type), self._is_beyond)

    def shaped(self, repetition: er7.Repetition) -> Any:
        """Return a repetition as it may stand here: in a component its components are subcomponents."""
        if self.level == "field":
            return repetition
        first = [component[0] for component in repetition]
        return first if self.level == "component" else first[0]

    def text(self, value: Any) -> str:
        """Return a value as it is written."""
        if self.level == "subcomponent":
            return er7.escaped(value)
        return er7.written([[value] if self.level == "component" else value])

    def is_surely_right(self, value: Any) -> bool:
        """Say whether HL7 allows a value here; False: perhaps not."""
        if self._hl7 is None or self._is_beyond:
            return not self._is_beyond
        if self.level == "subcomponent":
            value = [*[""] * self._subcomponent, value]
        if self.level != "field":
            value = [*[[""]] * self._component, value]
        return self._hl7.is_surely_right(value)

    def tests(self) -> tuple[Test, ...] | None:
        """Return what a text must pass here; None where HL7 has no such place."""
        if self._hl7 is None or self._is_beyond:
            return None if self._is_beyond else ()
        return self._hl7.tests(self._component, self._subcomponent)
