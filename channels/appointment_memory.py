"""What is remembered of an appointment: how each side has it, what is on its way, and when each was last heard of.

JSON in the store; times of appointments and of messages are seconds since 1970-01-01 UTC, so that the same instant in
two zones is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Self

from channels.appointment_states import State
from messages.subject import Memory
from transformers.base import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An appointment as one side has it. What is None is not known, and is like anything."""

    state: State
    start: float | None = None
    end: float | None = None
    resource: str | None = field(default=None, repr=False)
    #: Stands for everything else that is sent.
    other: str | None = None

    def is_like(self, other: Snapshot, *, same: bool) -> bool:
        """Say whether two sides have it alike; `same` says whether their states count as the same."""
        pairs = (
            (self.start, other.start), (self.end, other.end), (self.resource, other.resource),
            (self.other, other.other),
        )  # fmt: skip
        return same and all(mine is None or its is None or mine == its for mine, its in pairs)

    def is_at(self, other: Snapshot) -> bool:
        """Say whether two sides have it at the same time on the same resource."""
        return replace(self, other=None).is_like(replace(other, other=None), same=True)

    def over(self, before: Snapshot | None) -> Snapshot:
        """Return this, with what it does not know as it was before."""
        if before is None:
            return self
        return Snapshot(
            state=self.state,
            start=before.start if self.start is None else self.start,
            end=before.end if self.end is None else self.end,
            resource=self.resource or before.resource,
            other=self.other or before.other,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Something on its way to one side."""

    side: str
    snapshot: Snapshot
    #: The version that is being brought, by all its facts; None where the version is not known.
    version: str | None = None
    #: When the side itself told that it has this, before its acknowledgement was read.
    told: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is remembered of one appointment."""

    state: State = State.NONE
    #: As PowerServer and as Blume have it, as far as is known; None: not at all.
    powerserver: Snapshot | None = None
    blume: Snapshot | None = None
    #: The last change of Blume's side was written by this host.
    written: bool = False
    #: Deliveries that have not ended.
    ways: Mapping[int, Way] = field(default_factory=dict)
    #: `meta.lastUpdated` of the newest version that Blume told of; MSH-7 of PowerServer's newest message.
    modified: float | None = None
    heard: float | None = None
    #: The version of Blume's that was dealt with last.
    done: str | None = None
    #: When PowerServer last accepted something, and something before that, by its own clock.
    accepted: float | None = None
    accepted_before: float | None = None
    #: The resource that Blume itself named last.
    resource: str | None = field(default=None, repr=False)
    placer: str | None = field(default=None, repr=False)
    filler: str | None = field(default=None, repr=False)
    organization: str | None = None

    @classmethod
    def read(cls, memory: Memory | None) -> Self:
        """Return the record of a memory; an empty one for none."""
        if not memory:
            return cls()
        known = dict(memory)
        for side in ("powerserver", "blume"):
            known[side] = known.get(side) and _snapshot(known[side])
        ways = known.get("ways") or {}
        known["ways"] = {
            int(number): Way(**{**way, "snapshot": _snapshot(way["snapshot"])}) for number, way in ways.items()
        }
        known["state"] = State(known["state"])
        return cls(**known)

    def written_down(self) -> Memory:
        """Return the memory of the record: JSON without what is not known."""
        found = _known(self, _OF_RECORD)
        for side in ("powerserver", "blume"):
            if side in found:
                found[side] = _known(found[side], _OF_SNAPSHOT)
        if self.ways:
            found["ways"] = {
                str(number): {**_known(way, _OF_WAY), "snapshot": _known(way.snapshot, _OF_SNAPSHOT)}
                for number, way in self.ways.items()
            }
        return found


#: Fields that a memory has; `dataclasses.asdict` copies deeply, and cost an eighth of a message.
_OF_RECORD, _OF_SNAPSHOT, _OF_WAY = (tuple(one.name for one in fields(of)) for of in (Record, Snapshot, Way))


def _known(thing: Record | Snapshot | Way, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(thing, name) for name in names}
    return {name: value for name, value in found.items() if value not in (None, {}, False)}


def _snapshot(given: Mapping[str, Any]) -> Snapshot:
    return Snapshot(**{**given, "state": State(given["state"])})


def one(facts: Facts, name: str) -> str | None:
    """Return the text of a fact; None where the message does not have it."""
    return next(iter(facts.get(name, ())), None)


def moment(facts: Facts, name: str) -> float | None:
    """Return a fact that is an instant (ISO 8601 with an offset) as seconds since 1970-01-01 UTC."""
    text = one(facts, name)
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found.timestamp() if found.tzinfo is not None else None


def version(facts: Facts) -> str | None:
    """Return what stands for one version of an appointment, by all its facts; None where it has no version."""
    if "modified" not in facts:
        return None
    told = "\x1e".join("\x1f".join((name, *facts[name])) for name in sorted(facts))
    return hashlib.blake2b(told.encode(), digest_size=12).hexdigest()


def snapshot(facts: Facts, state: State) -> Snapshot:
    """Return an appointment as a message has it; `minutes` counts before `end`."""
    start, end, minutes = moment(facts, "start"), moment(facts, "end"), one(facts, "minutes")
    if start is not None and minutes is not None:
        end = start + 60 * float(minutes)
    rest = facts.get("other")
    other = hashlib.blake2b("\x1f".join(rest).encode(), digest_size=12).hexdigest() if rest is not None else None
    return Snapshot(state=state, start=start, end=end, resource=one(facts, "resource"), other=other)
