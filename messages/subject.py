"""What is remembered of a thing that messages are about, such as an appointment, and how a step changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: JSON. What is in it is the business of the kind of channel that keeps it.
Memory = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the store holds of a subject."""

    #: None: nothing yet.
    memory: Memory | None = field(default=None, repr=False)
    #: Changes so far; 0 where there is nothing.
    version: int = 0
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectChange:
    """What a step does to its subject, in the step's own transaction."""

    kind: str
    #: What the subject is known by, the surest first: the first that the store knows says which one it is.
    keys: tuple[str, ...] = field(repr=False)
    #: What from now on leads to this subject, whichever it led to before.
    also: tuple[str, ...] = field(default=(), repr=False)
    #: The version that the step was decided by: with another one in the store the step is not made. None: any.
    version: int | None = None
    #: Gives what is remembered then, of what is remembered now. Pure: it runs in the transaction.
    change: Callable[[Memory | None], Memory] = field(repr=False)
    #: For the history: JSON, what happened in the kind's words.
    note: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: Seconds since 1970-01-01 UTC until which it must not be forgotten, however quiet it is.
    keep_until: float = 0.0
