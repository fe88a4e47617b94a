"""The figures of a bench as a table, and held against the goals."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Results = Mapping[str, Mapping[str, Any]]


class Goal(NamedTuple):
    """A limit of the design for one figure at one number of clients (None: at each)."""

    clients: str | None
    figure: str
    relation: str
    limit: float
    unit: str


GOALS = (
    Goal(None, "cpu_ratio", "<=", 2.0, "x the floor's CPU"),
    Goal("32", "messages_per_second", ">=", 2000, "messages/s"),
    Goal("1", "messages_per_second", ">=", 1000, "messages/s"),
    Goal("32", "answer_p99_ms", "<", 40, "ms"),
    Goal("1", "answer_p99_ms", "<", 8, "ms"),
    Goal("1", "delivery_p50_ms", "<", 10, "ms"),
    Goal(None, "resident_mb", "<", 300, "MB"),
)
_RELATIONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge}


def judged(results: Results) -> Iterator[tuple[Goal, str, float, bool]]:
    """Return each goal that was measured: the number of clients, the value, and whether it holds."""
    for goal in GOALS:
        for clients, figures in results.items():
            if goal.clients in (None, clients) and goal.figure in figures:
                value = figures[goal.figure]
                yield goal, clients, value, _RELATIONS[goal.relation](value, goal.limit)


def failed(results: Results) -> bool:
    """Return whether a goal was missed."""
    return not all(holds for *_, holds in judged(results))


def table(results: Results) -> str:
    """Return the figures for people, the goals with PASS or FAIL below."""
    lines = ["clients         messages/s  CPU ms  answer p50 / p99 ms  delivery p50 / p99 ms  resident MB  CPU ratio"]
    for clients, figures in results.items():
        for name, one in (("host", figures), ("floor", figures.get("floor", {}))):
            if "messages_per_second" in one:
                ratio = f"{figures['cpu_ratio']:9.2f}" if name == "host" and "cpu_ratio" in figures else ""
                lines.append(_row(clients, name, one) + ratio)
    lines.append("")
    for goal, clients, value, holds in judged(results):
        verdict = "PASS" if holds else "FAIL"
        at = f"at {clients} client{'s' if clients != '1' else ''}"
        lines.append(f"{verdict}  {goal.figure} {at}: {value:,.2f}, goal {goal.relation} {goal.limit:g} {goal.unit}")
    return "\n".join(lines)


def _row(clients: str, name: str, one: Mapping[str, float]) -> str:
    answer = f"{one['answer_p50_ms']:.2f} / {one['answer_p99_ms']:.2f}"
    delivery = f"{one['delivery_p50_ms']:.2f} / {one['delivery_p99_ms']:.2f}"
    return (
        f"{clients:>7}  {name:<5}  {one['messages_per_second']:10,.0f}  {one['cpu_ms_per_message']:6.3f}"
        f"  {answer:>19}  {delivery:>21}  {one['resident_mb']:11.0f}  "
    )
