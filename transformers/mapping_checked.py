"""What the check of a mapping file gives: its problems, its plan and its tests. Who runs a plan needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from messages.problem import Place, Problem


@dataclass(frozen=True, slots=True)
class Example:
    """A test of a mapping, ready to be run."""

    name: str
    place: Place
    given: str
    now: datetime | None
    known: bool
    #: What the rules of the mapping's kind say.
    values: dict[str, str]
    destination: str | None
    #: JSON Pointer -> new value; None removes.
    change: dict[str, Any]
    expect: dict[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check found. A file with an error has no plan."""

    problems: list[Problem]
    plan: dict[str, Any] | None
    #: The place of a value in the file, by keys and list positions, for checks of connectors and channel kinds.
    places: Callable[[Sequence[str | int]], Place]
    #: The file's text, for showing problems.
    source: str = ""
    tests: tuple[Example, ...] = ()
