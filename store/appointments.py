"""The timeline of an appointment across its two channels, as pages and commands show it. Patient data; reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from messages.lifecycle import OPEN, Status
from store import queries, subjects
from store.connection import Connection

KIND = "appointment"
#: Appointments that a search gives at most.
MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An appointment as one side has it, as far as this host knows."""

    state: str
    #: Seconds since 1970-01-01 UTC, as `end`; None where it is not known.
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was said or done."""

    #: When it was dealt with here; when its sender says that it was so. Seconds since 1970-01-01 UTC.
    at: float
    said_at: float | None
    #: `blume` or `powerserver`: who said it, or who took what was brought there.
    side: str | None
    #: What happened to the delivery: mapped, ruled out, unmappable, accepted, refused.
    event: str
    #: `confirm`, `cancelled`, …; None where nothing came of it.
    change: str | None
    rule: str | None
    #: What the sender itself called it: a FHIR status, or PowerServer's state.
    said: str | None
    before: str | None
    #: The state after it.
    state: str | None
    #: Why nothing was sent, or the code of the problem.
    reason: str | None
    start: float | None
    channel: str | None
    #: The message; None once it is forgotten.
    message: str | None
    #: Where its delivery stands now.
    status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that the two sides do not have alike, or that somebody waits for."""

    #: `apart`, `on its way`, `parked` or `no decision`.
    what: str
    since: float
    blume: str | None
    powerserver: str | None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One appointment."""

    number: int
    state: str
    placer: str | None = field(repr=False)
    filler: str | None = field(repr=False)
    blume: Side | None
    powerserver: Side | None
    lines: Sequence[Line] = field(repr=False)
    gaps: Sequence[Gap]


def search(connection: Connection, value: str) -> list[int]:
    """Return the numbers of the appointments that are known by a value.

    The value: Blume's or PowerServer's number, an accession or a patient's number. The latest come first.
    """
    direct = [found.number for found in subjects.all_with(connection, KIND, [f"placer {value}", f"filler {value}"])]
    messages = [row[0] for row in connection.execute(queries.FIND_BY_VALUE, (value, 10 * MOST)).fetchall()]
    found = dict.fromkeys([*direct, *subjects.of_messages(connection, KIND, messages)])
    return [number for number in found if number is not None][:MOST]


def latest(connection: Connection, before: float | None = None) -> list[int]:
    """Return the numbers of the appointments to which something happened last, the latest first."""
    rows = connection.execute(
        "SELECT number FROM subject WHERE changed_at < ? AND kind = ? ORDER BY changed_at DESC LIMIT ?",
        (1e12 if before is None else before, KIND, MOST),
    ).fetchall()
    return [row[0] for row in rows]


def timeline(connection: Connection, number: int, *, now: float, patience: float = 48 * 3600.0) -> Timeline | None:
    """Return an appointment with all that happened to it; None when there is none of this number.

    Args:
        connection: of the store.
        number: of the appointment in the store.
        now: seconds since 1970-01-01 UTC.
        patience: seconds after which a request that PowerServer has not decided is a gap.
    """
    found = subjects.get(connection, KIND, number)
    if found is None or found.memory is None:
        return None
    memory = found.memory
    happened = subjects.history(connection, number)
    statuses = _statuses(connection, {one.delivery for one in happened})
    lines = [_line(one, statuses.get(one.delivery)) for one in happened]
    return Timeline(
        number=number, state=memory.get("state", "NONE"), placer=memory.get("placer"), filler=memory.get("filler"),
        blume=_side(memory.get("blume")), powerserver=_side(memory.get("powerserver")), lines=lines,
        gaps=list(_gaps(memory, lines, now, patience)),
    )  # fmt: skip


def _statuses(connection: Connection, deliveries: set[int]) -> dict[int, str]:
    found = {}
    for delivery in deliveries:
        row = connection.execute("SELECT status FROM delivery WHERE id = ?", (delivery,)).fetchone()
        if row is not None:
            found[delivery] = str(row[0])
    return found


def _line(one: subjects.Happening, status: str | None) -> Line:
    note = one.note
    return Line(
        at=one.at, said_at=note.get("at"), side=note.get("side"), event=one.event, change=note.get("change"),
        rule=note.get("rule") or None, said=note.get("said"), before=note.get("from"),
        state=note.get("to") or note.get("state") or note.get("from"),
        reason=note.get("held") or note.get("problem") or note.get("code"), start=note.get("start"),
        channel=one.channel, message=one.message, status=status,
    )  # fmt: skip


def _side(given: Mapping[str, Any] | None) -> Side | None:
    return None if given is None else Side(state=given["state"], start=given.get("start"), end=given.get("end"))


def _gaps(memory: Mapping[str, Any], lines: Sequence[Line], now: float, patience: float) -> list[Gap]:
    """Name what is not as it should be, the oldest first."""
    blume, powerserver = memory.get("blume"), memory.get("powerserver")
    names = {"blume": blume and blume["state"], "powerserver": powerserver and powerserver["state"]}
    last: dict[str | None, Line] = {line.message: line for line in lines if line.message is not None}
    gaps = [
        Gap(what="on its way" if line.status in OPEN else "parked", since=line.at, message=line.message, **names)
        for line in last.values()
        if line.status in OPEN or line.status == Status.ERROR
    ]
    if not gaps and blume and powerserver and _apart(blume, powerserver):
        since = lines[-1].at if lines else now
        gaps.append(Gap(what="apart", since=since, **names))
    asked = next((line.at for line in reversed(lines) if line.state == "REQUESTED" and line.change), None)
    if memory.get("state") == "REQUESTED" and asked is not None and now - asked > patience:
        gaps.append(Gap(what="no decision", since=asked, **names))
    return sorted(gaps, key=lambda gap: gap.since)


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    same = one["state"] == other["state"] or {one["state"], other["state"]} == {"REQUESTED", "RESCHEDULE"}
    times = [(one.get(name), other.get(name)) for name in ("start", "end")]
    return not same or any(None not in pair and pair[0] != pair[1] for pair in times)
