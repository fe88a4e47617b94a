"""One message on its way through a mapping: what it may ask for, and what is noted on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from messages.problem import Place, Problem, Unmapped
from transformers.base import Given
from transformers.fhir_path import Scope

Plan = Mapping[str, Any]


@dataclass(slots=True)
class Run:
    """One message on its way: what went wrong so far, and the zone of its times."""

    scope: Scope
    given: Given
    zone_of: Callable[[Run], str]
    problems: list[Problem] = field(default_factory=list)
    #: What several rules write alike, by its number.
    memo: dict[int, str] = field(default_factory=dict)
    #: Something was written that a quick look could not pass: the whole message is looked at thoroughly.
    doubtful: bool = False
    _zone: str | None = None

    @property
    def zone(self) -> str:
        """The zone that times are written in; found out when the first time is written."""
        if self._zone is None:
            self._zone = self.zone_of(self)
        return self._zone

    def wrong(self, code: str, rule: Plan, text: str, unmapped: tuple[Unmapped, ...] = ()) -> None:
        """Note a problem of a rule; `code:` of the rule stands before ours."""
        self.problems.append(problem(rule.get("code") or code, text, rule, unmapped))


def problem(code: str, text: str, rule: Plan, unmapped: tuple[Unmapped, ...] = ()) -> Problem:
    """Return a problem with the place of a rule."""
    return Problem(
        code=code, text=text, place=place(rule["at"]), expression=rule.get("name"), issue_type="business-rule",
        unmapped=unmapped,
    )  # fmt: skip


def place(at: str) -> Place:
    """Return the place that a plan keeps as `file:line:column`."""
    file, line, column = at.rsplit(":", 2)
    return Place(file, int(line), int(column))


def conditional(plan: Plan, given: Given) -> dict[str, list[Any]]:
    """Return the names whose values no message holds: `%known`, and what the rules of the plan's kind give."""
    values = given.values
    return {"known": [given.known]} | {name: [values[name]] if name in values else [] for name in plan.get("gives", ())}


def names_in(tree: Any) -> Iterator[str]:
    """Yield the %names that an expression of a plan uses."""
    if tree and tree[0] == "name":
        yield tree[2]
    for part in tree:
        if isinstance(part, list):
            yield from names_in(part)
