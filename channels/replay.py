"""Stored messages mapped anew by another revision, compared with what was made of them. Sends and changes nothing.

Each message is given what its first mapping was given: the moment, the control id, `%known`. What differs then is the
mapping's doing. No text here holds a value of a message, except `Comparison.differences`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from channels import definitions
from channels.prepare import BUG
from messages.identity import control_id
from messages.lifecycle import Event
from messages.problem import Problems
from store.connection import Connection
from store.history import Mapped, Past
from transformers.base import Admission, Difference, Filtered, Given, Transformed, Transformer

Compare = Callable[[bytes, bytes], Sequence[Difference]]
#: When an encoded message was made, as it says itself; None when it does not.
Moment = Callable[[bytes], datetime | None]


class Verdict(StrEnum):
    """What another revision would do with a message that was mapped before."""

    SAME = "same"
    DIFFERENT = "different"  #: sent, with other content
    PARKED = "newly parked"  #: it was sent or filtered
    REFUSED = "newly refused"  #: the door would refuse it, or no longer take it for this channel
    FILTERED = "newly filtered"  #: it was sent or parked
    SENT = "newly sent"  #: it was parked or filtered
    OTHERWISE = "for another reason"  #: parked or filtered as before, with another cause


#: Cause of what would be sent to a destination that there was not.
NEW = "the destination is new"

#: What counts as a new error.
ERRORS = frozenset({Verdict.PARKED, Verdict.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One delivery, then and now."""

    message_id: str
    destination: str
    verdict: Verdict
    #: Why it would be parked, refused or filtered; of SENT: why it was. Without places: lines move.
    cause: str | None = None
    differences: tuple[Difference, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a mapping gives: bytes, or the cause why there are none."""

    event: Event
    cause: str | None = None
    encoded: bytes | None = None
    action: str | None = None


class Replay:
    """A revision that does not run, tried on what is stored."""

    def __init__(
        self, transformer: Transformer, destinations: Iterable[str], compare: Compare, moment: Moment,
        connection: Connection,
    ) -> None:  # fmt: skip
        self._transformer = transformer
        self._destinations = tuple(destinations)
        self._compare = compare
        self._moment = moment
        self._connection = connection

    def run(self, past: Past) -> list[Comparison]:
        """Map a stored message anew for each of its destinations."""
        identifier = past.message.id
        wanted = [mapped for mapped in past.mapped if mapped.destination in self._destinations]
        old = {*past.waiting, *(mapped.destination for mapped in past.mapped)}
        new = [name for name in self._destinations if name not in old]
        try:
            document, admission = self._admitted(past)
        except Problems as problems:
            return [_refused(identifier, mapped, cause(str(problems))) for mapped in wanted]
        if admission is None:
            return [_refused(identifier, mapped, "this channel would not take it") for mapped in wanted]
        index = _index_differences(past, admission)
        found = [self._one(identifier, mapped, document, admission.focus, index) for mapped in wanted]
        added = [Comparison(message_id=identifier, destination=name, verdict=Verdict.SENT, cause=NEW) for name in new]
        return found + added

    def would_take(self, body: bytes) -> bool:
        """Say whether the door would take what it refused."""
        try:
            return bool(self._transformer.admit(self._transformer.check(body)))
        except Problems:
            return False

    def _admitted(self, past: Past) -> tuple[Any, Admission | None]:
        document = definitions.load(self._transformer, past.message.body, self._connection)
        admissions = self._transformer.admit(document)
        return document, next((a for a in admissions if a.focus == past.message.focus), None)

    def _one(
        self, identifier: str, mapped: Mapped, document: Any, focus: int | None, index: list[Difference]
    ) -> Comparison:
        before, after = _then(mapped), self._now(mapped, document, focus)
        verdict, why, differences = self._judged(before, after)
        if verdict is Verdict.SAME and index:
            verdict = Verdict.DIFFERENT
        return Comparison(
            message_id=identifier, destination=mapped.destination, verdict=verdict, cause=why,
            differences=(*differences, *index) if verdict is Verdict.DIFFERENT else (),
        )  # fmt: skip

    def _now(self, mapped: Mapped, document: Any, focus: int | None) -> _Outcome:
        note = mapped.note
        if note is not None and "values" not in note:
            return _then(mapped)  # its kind's rules held it back or refused it, by what was remembered then
        encoded = mapped.encoded or b""
        now = self._moment(encoded) or datetime.fromtimestamp(mapped.at, UTC)
        given = Given(
            now=now, control_id=mapped.control_id or control_id(),
            destination=mapped.destination, focus=focus, known=mapped.known,
            values=note["values"] if note is not None else {},
        )  # fmt: skip
        try:
            result: Transformed | Filtered = self._transformer.transform(document, given)
        except Problems as problems:
            return _Outcome(Event.UNMAPPABLE, cause(str(problems)))
        except Exception as error:  # noqa: BLE001  # as in the lane: a bug concerns this message only
            return _Outcome(Event.UNMAPPABLE, f"{BUG}: {type(error).__name__}")
        if isinstance(result, Filtered):
            return _Outcome(Event.RULED_OUT, cause(result.reason))
        return _Outcome(Event.MAPPED, encoded=result.encoded, action=result.action)

    def _judged(self, before: _Outcome, after: _Outcome) -> tuple[Verdict, str | None, Sequence[Difference]]:
        if before.event is not after.event:
            if after.event is Event.MAPPED:
                return Verdict.SENT, before.cause, ()
            return (Verdict.PARKED if after.event is Event.UNMAPPABLE else Verdict.FILTERED), after.cause, ()
        if after.event is not Event.MAPPED:
            return (Verdict.SAME if before.cause == after.cause else Verdict.OTHERWISE), after.cause, ()
        differences = [*self._compare(before.encoded or b"", after.encoded or b"")]
        if before.action != after.action:
            differences.append(Difference(path="action", before=before.action or "", after=after.action or ""))
        return (Verdict.DIFFERENT if differences else Verdict.SAME), None, differences


def _refused(identifier: str, mapped: Mapped, why: str) -> Comparison:
    return Comparison(message_id=identifier, destination=mapped.destination, verdict=Verdict.REFUSED, cause=why)


def _then(mapped: Mapped) -> _Outcome:
    if mapped.event is Event.MAPPED:
        return _Outcome(Event.MAPPED, encoded=mapped.encoded, action=mapped.action)
    return _Outcome(mapped.event, cause(mapped.reason or ""))


def _index_differences(past: Past, admission: Admission) -> list[Difference]:
    """Return what would be searchable otherwise."""
    before, after = past.message.index, admission.index
    return [
        Difference(path=f"index {name}", before=before.get(name, ""), after=after.get(name, ""))
        for name in dict.fromkeys([*before, *after])
        if before.get(name, "") != after.get(name, "")
    ]


#: `mappings/file.yaml:12:3` in front of a problem or, in brackets, behind a rule's own words.
_PLACE = re.compile(r"^\S+:\d+:\d+: |\s\(\S+:\d+:\d+\)$", re.MULTILINE)


def cause(reason: str) -> str:
    """Return a reason without the places in it: the same rule is the same cause, whichever line it is in now.

    >>> cause("entered in error in Blume (mappings/a.yaml:70:5)")
    'entered in error in Blume'
    """
    return _PLACE.sub("", reason)


@dataclass(slots=True)
class Tally:
    """What came out of a replay, message by message."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    #: path → deliveries that differ there.
    paths: Counter[str] = field(default_factory=Counter)
    #: (verdict, cause) → deliveries.
    causes: Counter[tuple[Verdict, str]] = field(default_factory=Counter)
    #: path, or verdict and cause → a few messages to look at.
    examples: dict[str | tuple[Verdict, str], list[str]] = field(default_factory=dict)
    messages: int = 0
    #: Messages that are still to be mapped for the first time: there is nothing to compare with.
    waiting: int = 0
    #: Refused at the door, and the revision would take them.
    taken: int = 0

    def add(self, past: Past, comparisons: Sequence[Comparison]) -> None:
        """Count one message."""
        self.messages += 1
        self.waiting += bool(past.waiting)
        for comparison in comparisons:
            self.verdicts[comparison.verdict] += 1
            for path in dict.fromkeys(difference.path for difference in comparison.differences):
                self.paths[path] += 1
                self._example(path, comparison)
            if comparison.cause is not None and comparison.verdict is not Verdict.SAME:
                self.causes[comparison.verdict, comparison.cause] += 1
                self._example((comparison.verdict, comparison.cause), comparison)

    def _example(self, group: str | tuple[Verdict, str], comparison: Comparison) -> None:
        shown = self.examples.setdefault(group, [])
        if len(shown) < 3 and comparison.message_id not in shown:
            shown.append(comparison.message_id)

    @property
    def compared(self) -> int:
        """Deliveries that were compared."""
        return self.verdicts.total()

    @property
    def new_errors(self) -> int:
        """Deliveries that would be parked or refused and were not."""
        return sum(self.verdicts[verdict] for verdict in ERRORS)

    @property
    def is_same(self) -> bool:
        """Whether the revision would do all as it was done."""
        return self.compared == self.verdicts[Verdict.SAME] and not self.taken

    def sentence(self) -> str:
        """Return `412 messages: 398 same, 14 differ, all in AIL-3, 0 new errors`."""
        several = self.compared > self.messages - self.waiting
        errors = "1 new error" if self.new_errors == 1 else f"{self.new_errors} new errors"
        parts = [f"{self.verdicts[Verdict.SAME]} same", self._different(), errors]
        parts += [f"{self.verdicts[verdict]} {share}" for verdict, share in _SHARES.items() if self.verdicts[verdict]]
        if self.taken:
            parts.append(f"{self.taken} refused before and taken now")
        if self.waiting:
            parts.append(f"{self.waiting} not mapped yet")
        counted = f"{self.messages} messages" + (f" ({self.compared} deliveries)" if several else "")
        return f"{counted}: {', '.join(parts)}"

    def _different(self) -> str:
        number = self.verdicts[Verdict.DIFFERENT]
        if not number:
            return "0 differ"
        if len(self.paths) == 1:
            return f"{number} differ, all in {next(iter(self.paths))}"
        places = ", ".join(f"{path} ({n})" for path, n in self.paths.most_common(6))
        rest = f" and {len(self.paths) - 6} other fields" if len(self.paths) > 6 else ""
        return f"{number} differ, in {places}{rest}"


_SHARES = {
    Verdict.FILTERED: "newly filtered",
    Verdict.SENT: "newly sent",
    Verdict.OTHERWISE: "parked or filtered for another reason",
}
