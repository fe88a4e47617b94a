"""What each rule of an HL7 → FHIR mapping does to one message: for `try --explain` and the coverage of tests.

Never on the way of a message: what is found here are values of the message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from messages.problem import Problems
from transformers import er7
from transformers.base import Given
from transformers.hl7_scope import NULL
from transformers.hl7_to_fhir import Applied, Hl7ToFhir, compile_plan
from transformers.hl7_values import DELETED
from transformers.mapping_explain import Explained, Trace


def trace(plan: Mapping[str, Any], document: Any, conditions: Given) -> Trace:
    """Follow one message through a plan, as far as it goes; targets are paths such as `Appointment.participant[1]`."""
    return traced(compile_plan(plan), plan, document, conditions)


def traced(transformer: Hl7ToFhir, plan: Mapping[str, Any], document: Any, conditions: Given) -> Trace:
    """Follow one message through what writes FHIR, whatever it reads."""
    try:
        found = transformer.follow(document, conditions)
    except Problems:
        # What the mapping says about it comes from `transform`; here only what was reached counts.
        return Trace()
    resource = plan["destinations"][conditions.destination]["resource"]
    places: dict[int, str] = {}
    _walk(found.body, resource, places)
    explained = [one for applied in found.rules for one in _explained(applied, places)]
    return Trace(explained=explained, conditions=found.conditions, line=found.line, rows=found.rows)


def _walk(value: Any, path: str, places: dict[int, str]) -> None:
    """Note the path of each object of a resource; the first item of a list goes without its number."""
    if isinstance(value, dict):
        places[id(value)] = path
        for name, inner in value.items():
            _walk(inner, f"{path}.{name}" if path else name, places)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _walk(item, _numbered(path, number), places)


def _numbered(path: str, number: int) -> str:
    return f"{path}[{number}]" if number else path


def _explained(applied: Applied, places: Mapping[int, str]) -> list[Explained]:
    plan = applied.plan
    steps = [name for name, _ in plan["to"]]
    around = places.get(id(applied.into))
    # What was merged into an object that was there before keeps the name that the file gives it.
    target = ".".join([*([around] if around else []), *steps]) if steps and around is not None else plan["name"]
    found = tuple(_hl7(value) for value in applied.found)
    gave = [("(removed)" if value is DELETED else _words(value)) for value in applied.gave]
    common: dict[str, Any] = {
        "place": plan["at"], "source": plan["source"], "found": found, "conversion": _conversion(plan, applied)
    }  # fmt: skip
    if not plan.get("many"):
        return [Explained(target=target, gave=", ".join(gave), **common)]
    if not gave:
        return [Explained(target=target, gave="", **common)]
    numbers = range(applied.before, applied.before + len(gave))
    return [Explained(target=_numbered(target, n), gave=one, **common) for n, one in zip(numbers, gave, strict=True)]


def _conversion(plan: Mapping[str, Any], applied: Applied) -> str:
    words = [f"as: {plan['as']}"] if "as" in plan else []
    table = plan.get("rows") or plan.get("table")
    if table:
        words.append("table: of this rule" if table == f"of {plan['name']}" else f"table: {table}")
    is_default = plan.get("default") is not None and applied.gave == [plan["default"]] and "literal" not in plan
    return ", ".join([*words, "default"] if is_default else words)


def _hl7(value: Any) -> str:
    """Return what a path gave as it stands in the message; what a name gave as FHIR writes it."""
    if value is DELETED:
        return NULL
    return er7.written_repetition(value) if isinstance(value, list) else _words(value)


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
