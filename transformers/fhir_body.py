"""The resource that a mapping to FHIR makes: written element by element, and validated before it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from messages.problem import Problem
from transformers import fhir_validation

Json = dict[str, Any]


def put(into: Json, steps: Sequence[tuple[str, bool]], values: list[Any]) -> None:
    """Put values at a path; a list on the way has one item, which the lines that name it share."""
    for name, repeats in steps[:-1]:
        inner = into.setdefault(name, [{}] if repeats else {})
        into = inner[0] if repeats else inner
    name, repeats = steps[-1]
    if repeats:
        into.setdefault(name, []).extend(values)
    elif isinstance(values[0], Mapping) and isinstance(into.get(name), dict):
        into[name] |= values[0]
    else:
        into[name] = values[0]


def items(into: Json, steps: Sequence[tuple[str, bool]]) -> int:
    """Return how many items the list at a path has; 0 where it is none, or not there."""
    for name, repeats in steps[:-1]:
        inner = into.get(name)
        if inner is None:
            return 0
        into = inner[0] if repeats else inner
    found = into.get(steps[-1][0])
    return len(found) if isinstance(found, list) else 0


def findings(body: Json, part: Mapping[str, Any], *, whole: bool) -> list[Problem]:
    """Validate what is sent; a change to what is there already need not have what it leaves alone."""
    removed = [name for name, value in body.items() if value is None]
    kept = {name: value for name, value in body.items() if value is not None}
    found = [one for one in fhir_validation.validate(kept) if one.severity == "error"]
    if not whole:
        top = {f"{part['resource']}.{name}" for name in part["needs"]}
        found = [one for one in found if not (one.issue_type == "required" and one.expression in top)]
        if "status" not in kept:  # what FHIR asks of the whole resource it asks by its status
            found = [one for one in found if one.issue_type != "invariant" or "[" in (one.expression or "")]
    for name in removed:
        if name in part["needs"]:
            words = f"{part['resource']}.{name} is required, and the message removes it"
            found.append(Problem(code="E301", text=words, expression=f"{part['resource']}.{name}"))
    return found
