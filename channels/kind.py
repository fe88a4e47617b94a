"""A *kind* of channel: the rules of one flow as tables, asked at the door, before the mapping, and after the answer.

A mapping says `kind: appointment`, and under `facts:` where its messages hold what the rules look at. A kind sees
facts, what is remembered of the subject, and the site's values; it parses no FHIR and no HL7. Plug-ins of the group
`plugin_host.channels`; docs/kinds.md says how one is written.

What is remembered changes in the transaction of the step that changes it. A decision that was made by a memory which
has changed meanwhile is not committed; the message is decided anew. So two channels that tell of the same appointment
at the same moment come one after the other.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from channels import resource_sync
from messages.lifecycle import Event
from messages.problem import Problem, Problems
from messages.subject import Memory, Remembered, SubjectChange
from store import subjects
from store.connection import Connection
from store.queries import DESTINATIONS
from store.store import Work
from transformers.base import Facts, KindWords

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """The message is mapped."""

    #: Names that the mapping uses: `%change`.
    values: Mapping[str, str] = field(repr=False)
    #: What is remembered while the message is on its way.
    memory: Memory = field(repr=False)
    #: For the history, in the kind's words; JSON.
    note: Memory = field(default_factory=dict, repr=False)
    #: Something that people should know of the message, for its timeline. Holds no value of it.
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The message is filtered: there is nothing to send."""

    reason: str
    memory: Memory = field(repr=False)
    note: Memory = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The message is decided later: something about the same subject is on its way in the other direction."""

    reason: str
    #: Seconds until it is looked at again.
    seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a kind may know beside facts and memory when a message is to be mapped."""

    #: Seconds since 1970-01-01 UTC.
    now: float
    delivery: int
    #: Returns what is remembered of another subject, by one of its keys.
    remembered: Callable[[str], Memory | None] = field(repr=False)
    #: Returns what another kind of channel remembers of a subject: (name of the kind, one of the subject's keys).
    elsewhere: Callable[[str, str], Memory | None] = field(repr=False)
    #: Says whether another delivery is still on its way.
    is_open: Callable[[int], bool] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the delivery of a message ended: ACCEPTED, REFUSED or HELD."""

    event: Event
    delivery: int
    #: Seconds since 1970-01-01 UTC: when the answer was read.
    now: float
    #: The destination's own code and time of its answer, where it gives them.
    code: str | None = None
    said_at: float | None = None


class Kind(Protocol):
    """The rules of one kind of channel. An instance serves one mapping."""

    #: By transformer: the facts that a mapping names, and the names that it gets.
    words: ClassVar[Mapping[str, KindWords]]

    def __init__(self, transformer: str, settings: Mapping[str, Any]) -> None:
        """`settings`: what `values:` of site.yaml has under the kind's name; `check` found nothing wrong with them."""
        ...

    @staticmethod
    def check(settings: Mapping[str, Any]) -> list[tuple[Sequence[str | int], str, str | None]]:
        """Return what is wrong with the settings: (steps into them, text, hint)."""
        ...

    def keys(self, facts: Facts) -> tuple[str, ...]:
        """Return what the message's subject is known by, the surest first; none: the message has no subject."""
        ...

    def also(self, facts: Facts) -> tuple[str, ...]:
        """Return keys that lead to the subject from now on, whichever they led to before."""
        ...

    def keep_until(self, facts: Facts) -> float:
        """Return until when the subject must be remembered: seconds since 1970-01-01 UTC."""
        ...

    def at_door(self, facts: Facts, memory: Memory | None) -> Sequence[Problem] | None:
        """Look at a message before it is accepted; return warnings, which are told to the sender with the acceptance.

        What is on its way is not in the memory yet: be sure, or be silent.

        Raises:
            Problems: refused: answered 422, or AR.
        """
        ...

    def before_mapping(self, facts: Facts, memory: Memory | None, occasion: Occasion) -> Go | Hold | Wait:
        """Decide what becomes of a message.

        Raises:
            Problems: parked.
        """
        ...

    def settled(self, memory: Memory, outcome: Outcome) -> tuple[Memory, Memory]:
        """Return what is remembered once a delivery has ended, and the note for the history."""
        ...


@runtime_checkable
class HasStanding(Protocol):
    """A kind that books resources, and knows which bookings stand."""

    def stands(self, facts: Facts, memory: Memory | None) -> bool:
        """Say whether the other side has accepted this very booking before: same resource, same time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules say of one delivery, and how the step that follows from it changes the subject."""

    said: Go | Hold | Wait | Problems
    kind: str = ""
    keys: tuple[str, ...] = field(default=(), repr=False)
    also: tuple[str, ...] = field(default=(), repr=False)
    keep_until: float = 0.0
    version: int = 0
    memory: Memory | None = field(default=None, repr=False)

    @property
    def values(self) -> Mapping[str, str]:
        """Names for the mapping."""
        return self.said.values if isinstance(self.said, Go) else {}

    def change(self, event: Event) -> SubjectChange | None:
        """Return the change that goes with the step that brings a decision about."""
        if not self.keys or isinstance(self.said, Wait):
            return None
        said = self.said
        memory = self.memory or {}
        if (isinstance(said, Go) and event is Event.MAPPED) or isinstance(said, Hold):
            memory = said.memory
        if isinstance(said, Problems):
            note: Memory = {"problem": said.problems[0].code}
        elif isinstance(said, Hold):
            note = {**said.note, "held": said.reason}
        else:
            note = {**said.note, "values": dict(self.values)}
        return SubjectChange(
            kind=self.kind, keys=self.keys, also=self.also if event is Event.MAPPED else (), version=self.version,
            change=lambda _: memory, note=note, keep_until=self.keep_until,
        )  # fmt: skip


def decide(  # noqa: PLR0913 - a message, its channel, its moment
    named: tuple[str, Kind], facts: Facts, connection: Connection, work: Work, *, now: float, several: bool
) -> Decision:
    """Ask a kind what becomes of a delivery that is to be mapped.

    What was said for one destination of a message holds for its others (`several`): together they are one event of
    the subject.
    """
    name, kind = named
    keys = kind.keys(facts)
    found = subjects.find(connection, name, keys)
    said = _said_before(connection, work.delivery.id, found) if several else None
    if said is not None:
        return Decision(said=said, kind=name, keys=keys, version=found.version, memory=found.memory)
    occasion = Occasion(
        now=now, delivery=work.delivery.id,
        remembered=lambda key: subjects.find(connection, name, [key]).memory,
        elsewhere=lambda other, key: subjects.find(connection, other, [key]).memory,
        is_open=functools.partial(subjects.is_open, connection),
    )  # fmt: skip
    try:
        _refuse_blocked(kind, facts, found.memory, connection)
        said = kind.before_mapping(facts, found.memory, occasion)
    except Problems as problems:
        said = problems
    return Decision(
        said=said, kind=name, keys=keys, also=kind.also(facts), keep_until=kind.keep_until(facts),
        version=found.version, memory=found.memory,
    )  # fmt: skip


def _said_before(connection: Connection, delivery: int, found: Remembered) -> Go | Hold | Wait | Problems | None:
    """Return what was said for another destination of the same message."""
    first = delivery // DESTINATIONS * DESTINATIONS
    for other in range(first, first + DESTINATIONS):
        note = subjects.note_of(connection, other) if other != delivery else None
        if note is None or "problem" in note:
            continue
        memory = found.memory or {}
        told = {**note, "again": True}
        if note.get("held"):
            return Hold(reason=note["held"], memory=memory, note=told)
        return Go(values=note["values"], memory=memory, note=told)
    return None


def ask_anew(kind: Kind, facts: Facts, now: float) -> Go | Hold | Wait:
    """Ask a kind about a message as if nothing were remembered; for commands that try something.

    Raises:
        Problems: it would be refused at the door, or parked.
    """
    kind.at_door(facts, None)
    occasion = Occasion(
        now=now, delivery=0, remembered=lambda _: None, elsewhere=lambda *_: None, is_open=lambda _: False
    )
    return kind.before_mapping(facts, None, occasion)


def at_door(name: str, kind: Kind, facts: Facts, connection: Connection, focus: int | None) -> tuple[Problem, ...]:
    """Ask a kind whether a message may come in; return what it warns of.

    Raises:
        Problems: it may not; each with the place of the thing it is about.
    """
    memory = subjects.find(connection, name, kind.keys(facts)).memory
    try:
        _refuse_blocked(kind, facts, memory, connection)
        return tuple(_placed(problem, focus) for problem in kind.at_door(facts, memory) or ())
    except Problems as problems:
        raise Problems(_placed(problem, focus) for problem in problems.problems) from None


def _refuse_blocked(kind: Kind, facts: Facts, memory: Memory | None, connection: Connection) -> None:
    """Refuse what would newly take a resource with a blocker; what stands there already is not given back for it."""
    try:
        resource_sync.refuse_blocked(connection, facts)
    except Problems:
        if not (isinstance(kind, HasStanding) and kind.stands(facts, memory)):
            raise


def settle(name: str, kind: Kind, keys: tuple[str, ...], outcome: Outcome) -> SubjectChange:
    """Return what the end of a delivery does to its subject."""
    note: dict[str, Any] = {}

    def change(memory: Memory | None) -> Memory:
        try:
            after, told = kind.settled(memory or {}, outcome)
        except Exception:
            # The answer was read and must be kept: a bug of the rules cannot undo what the peer has done.
            log.exception("the rules of a kind failed", extra={"kind": name, "delivery": outcome.delivery})
            return memory or {}
        note.clear()
        note.update(told)
        return after

    return SubjectChange(kind=name, keys=keys, change=change, note=note)


def _placed(problem: Problem, focus: int | None) -> Problem:
    expression = problem.expression or (None if focus is None else f"Bundle.entry[{focus}].resource")
    return Problem(
        code=problem.code, text=problem.text, hint=problem.hint, expression=expression,
        issue_type="business-rule", severity=problem.severity, unmapped=problem.unmapped,
    )  # fmt: skip
