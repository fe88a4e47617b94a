"""HL7 paths of a mapping that reads HL7: as its plan keeps them, where they stand, and how to take one of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from messages.problem import Problem
from transformers.hl7_path import HL7Path
from transformers.mapping_desk import Desk, Where


def steps(path: HL7Path) -> list[Any]:
    """Return a path as a plan keeps it."""
    return [path.segment, path.field, path.repetition, path.component, path.subcomponent]


def within(name: str, start: str, around: Mapping[str, str]) -> bool:
    """Say whether a group is another one, or inside it; `around` has the group around each."""
    while name and name != start:
        name = around[name]
    return name == start


def first_of(text: str) -> str | None:
    """Return how to take one repetition of a field that has several."""
    field, dot, component = text.partition(".")
    return None if text.startswith("%") else f"take one: {field}[1]{dot}{component}"


def at_key(desk: Desk, where: Where, problem: Problem) -> Problem:
    """Return a problem moved to the key that is wrong."""
    return replace(problem, place=desk.document.key(where))
