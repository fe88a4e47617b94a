"""The order and grouping of segments, as an automaton over their names. Z-segments may stand anywhere.

Source: HL7 v2.5.1 chapter 2, 2.12 (message structures) and 2.17 (local extensions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from messages.problem import Problem

#: Stands in hl7apy's structures for "any segment".
ANY = "ANYHL7SEGMENT"
_START = frozenset({-1})


class Order:
    """Which sequences of segments a structure allows.

    Args:
        order: `names`, `first`, `follow` and `last` of the rules (see `hl7_rules`).
        structure: its name, for texts.
    """

    def __init__(self, order: Mapping[str, Any], structure: str) -> None:
        self._structure = structure
        self._names: list[str] = order["names"]
        self._follow = {-1: order["first"]} | dict(enumerate(order["follow"]))
        self._last = frozenset(order["last"])
        #: (positions, name) -> positions, filled as messages come. Only steps that the structure allows are kept.
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def problems(self, names: Sequence[str]) -> list[Problem]:
        """Return what is wrong with a message's segments in this order: the first thing only, or nothing."""
        at, before = _START, "nothing"
        for name in names:
            if name[0] == "Z":
                continue
            after = self._steps.get((at, name)) or self._step(at, name)
            if not after:
                return [self._misplaced(at, before, name)]
            at, before = after, name
        if at & self._last:
            return []
        missing = self._way(at, lambda position: position in self._last)
        text = f"{missing[0]} is missing: {self._structure} needs {' and '.join(missing)} after {before}"
        return [_problem(text, missing[0], None)]

    def _step(self, at: frozenset[int], name: str) -> frozenset[int]:
        after = frozenset(
            position for before in at for position in self._follow[before] if self._names[position] in (name, ANY)
        )
        if after:
            self._steps[at, name] = after
        return after

    def _misplaced(self, at: frozenset[int], before: str, name: str) -> Problem:
        if name not in self._names:
            return _problem(f"{name} has no place in {self._structure}", name, "Leave it out, or use a Z-segment.")
        between = self._way(at, lambda position: self._names[position] == name)[:-1]
        text = f"{name} cannot follow {before} in {self._structure}"
        if between:
            return _problem(f"{text}: {' and '.join(between)} must come between", name, None)
        allowed = sorted({self._names[position] for one in at for position in self._follow[one]})
        return _problem(text, name, f"After {before} may come {', '.join(allowed) or 'nothing'}.")

    def _way(self, start: Iterable[int], arrived: Any) -> list[str]:
        """Return the fewest segments that lead from positions to one where `arrived` is true; empty when none do."""
        ways: dict[int, list[str]] = {position: [] for position in start}
        waiting = list(ways)
        for position in waiting:  # grows while it is walked
            for following in self._follow[position]:
                if following in ways:
                    continue
                ways[following] = [*ways[position], self._names[following]]
                if arrived(following):
                    return ways[following]
                waiting.append(following)
        return []


def _problem(text: str, segment: str, hint: str | None) -> Problem:
    return Problem(code="HL7_STRUCTURE", text=text, hint=hint, expression=segment, issue_type="structure")
