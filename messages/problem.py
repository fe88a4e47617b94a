"""A problem with its place: in an analyst's file, or in a message.

No text of a problem holds a value from a message; it names the place, never the patient.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file that a person edits. Line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """A code of a message that a table has no row for."""

    #: `tables/ordersets.csv`; a table in the mapping itself is named by its target or name: `PID-8`, `let gender`.
    table: str
    #: Of the message: kept in the store, shown to who may read messages, never in a text or a log.
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, in words that say what to do about it."""

    #: Stable code: `E…` for files (see `plugin-host explain`), upper-case words for messages
    #: (FHIR_INVALID, RESOURCE_UNKNOWN, …: docs/errors.md).
    code: str
    #: What is wrong. Never holds a value of a message.
    text: str
    #: What to do, or "did you mean …"; None when the text says it all.
    hint: str | None = None
    #: Where in a file; None when the problem lies in a message.
    place: Place | None = None
    #: Where in a message: a FHIRPath such as `Bundle.entry[3].resource.status`, or `PID-3.1`.
    expression: str | None = None
    severity: Literal["error", "warning"] = "error"
    #: FHIR issue-type (http://hl7.org/fhir/R4/valueset-issue-type.html) for an OperationOutcome.
    issue_type: str = "invalid"
    #: With a code that no table has: adding the row cures it.
    unmapped: tuple[Unmapped, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        at = f"{self.expression}: " if self.expression and not self.place else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{where}{self.severity} {self.code} {at}{self.text}{hint}"


class Problems(ValueError):
    """All that is wrong with a file or a message, at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        if not self.problems:
            raise TypeError("Problems needs at least one Problem")
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def one(cls, code: str, text: str, *, expression: str | None = None, hint: str | None = None) -> Problems:
        """Problems with a single problem in a message."""
        return cls([Problem(code=code, text=text, expression=expression, hint=hint)])
