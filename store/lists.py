"""Lists of messages and refusals for people, a page at a time; a page costs the same however full the store is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from messages.lifecycle import OPEN, Status
from store import reads
from store.connection import Connection
from store.queries import DESTINATIONS

#: Messages looked at for one page when few of them are wanted; the next page goes on from there.
LOOKED_AT = 5_000

# -- statements ---------------------------------------------------------------------------------------------

PARKED = """
    SELECT id / 16 FROM delivery WHERE destination = ? AND status = 'ERROR' AND id < ? ORDER BY id DESC LIMIT ?"""

# As large as the backlog, never as the store.
UNFINISHED = """
    SELECT id / 16 FROM delivery INDEXED BY delivery_unfinished
    WHERE status IN ('RECEIVED', 'TRANSFORMED', 'QUEUED', 'PENDING', 'ERROR') AND id < ?
        AND status IN ({statuses}) AND destination IN ({destinations})
    GROUP BY id / 16 ORDER BY id / 16 DESC LIMIT ?"""

LAST_OF_CHANNEL = """
    SELECT number, received_at FROM message WHERE channel = ? AND number < ? ORDER BY number DESC LIMIT ?"""

LAST_OF_ALL = "SELECT number, received_at FROM message WHERE number < ? ORDER BY number DESC LIMIT ?"

CAME_TO = """
    SELECT 1 FROM delivery WHERE id BETWEEN ? AND ? AND changed_at >= ? AND status IN ({statuses}) LIMIT 1"""

LAST_RECEIVED = """
    SELECT c.number, (SELECT m.received_at FROM message m WHERE m.channel = c.number ORDER BY m.number DESC LIMIT 1)
    FROM channel c"""

REFUSED_SINCE = "SELECT count(*) FROM (SELECT at FROM refusal ORDER BY number DESC LIMIT ?) WHERE at >= ?"

REFUSED_BEFORE = """
    SELECT number, at, door, peer, code, reason FROM refusal WHERE number < ? ORDER BY number DESC LIMIT ?"""

_END = 1 << 58


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages to list. Times are seconds since 1970 UTC."""

    channel: str | None = None
    #: Only messages with a delivery in one of these; empty: all messages.
    statuses: Collection[Status] = ()
    #: Received since then; with `statuses`: a delivery came to its status since then.
    since: float | None = None
    #: Where the page before ended.
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Messages, newest first."""

    lines: tuple[reads.MessageLine, ...]
    #: `before` of the next page; None at the end.
    older: int | None = None
    #: The page is not full because so many messages were looked at without more hits.
    looked_at: int | None = None


def page(connection: Connection, wanted: Wanted) -> Page:
    """Return one page of messages."""
    statuses = set(wanted.statuses)
    if statuses and statuses <= OPEN | {Status.ERROR}:
        numbers = _unfinished(connection, wanted)
        older = numbers[-1] if len(numbers) == wanted.limit else None
        return Page(lines=_lines(connection, numbers), older=older)
    return _walk(connection, wanted)


def each(connection: Connection, wanted: Wanted) -> Iterator[reads.MessageLine]:
    """Yield messages, newest first, page after page to the end."""
    while True:
        found = page(connection, wanted)
        yield from found.lines
        if found.older is None:
            return
        wanted = replace(wanted, before=found.older)


def _walk(connection: Connection, wanted: Wanted) -> Page:
    """Go back from the newest; stop at a full page, at the time asked for, or when enough was looked at."""
    numbers: list[int] = []
    at, seen = wanted.before, 0
    for number, received_at in _backwards(connection, wanted):
        at, seen = number, seen + 1
        if wanted.statuses:
            if _came_to(connection, number, wanted):
                numbers.append(number)
        elif wanted.since is not None and received_at < wanted.since:
            return Page(lines=_lines(connection, numbers))
        else:
            numbers.append(number)
        if len(numbers) == wanted.limit:
            return Page(lines=_lines(connection, numbers), older=number)
    if seen < LOOKED_AT:
        return Page(lines=_lines(connection, numbers))
    return Page(lines=_lines(connection, numbers), older=at, looked_at=seen)


def _backwards(connection: Connection, wanted: Wanted) -> Iterator[tuple[int, float]]:
    before = _END if wanted.before is None else wanted.before
    if wanted.channel is None:
        return iter(connection.execute(LAST_OF_ALL, (before, LOOKED_AT)))
    row = connection.execute("SELECT number FROM channel WHERE name = ?", (wanted.channel,)).fetchone()
    return iter(connection.execute(LAST_OF_CHANNEL, (row[0], before, LOOKED_AT)) if row else ())


def _came_to(connection: Connection, number: int, wanted: Wanted) -> bool:
    first = number * DESTINATIONS
    query = CAME_TO.format(statuses=_marks(wanted.statuses))
    parameters = (first, first + DESTINATIONS - 1, wanted.since or 0.0, *wanted.statuses)
    return connection.execute(query, parameters).fetchone() is not None


def _unfinished(connection: Connection, wanted: Wanted) -> list[int]:
    before = (_END if wanted.before is None else wanted.before) * DESTINATIONS
    destinations = [
        number
        for number, channel in connection.execute(
            "SELECT d.number, c.name FROM destination d JOIN channel c ON c.number = d.channel"
        )
        if wanted.channel in {None, channel}
    ]
    if set(wanted.statuses) == {Status.ERROR}:
        found = [connection.execute(PARKED, (d, before, wanted.limit)).fetchall() for d in destinations]
    else:
        query = UNFINISHED.format(statuses=_marks(wanted.statuses), destinations=_marks(destinations))
        parameters = (before, *wanted.statuses, *destinations, wanted.limit)
        found = [connection.execute(query, parameters).fetchall()]
    return sorted({row[0] for rows in found for row in rows}, reverse=True)[: wanted.limit]


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _lines(connection: Connection, numbers: Sequence[int]) -> tuple[reads.MessageLine, ...]:
    ids = [connection.execute("SELECT id FROM message WHERE number = ?", (number,)).fetchone() for number in numbers]
    lines = [reads.line(connection, row[0]) for row in ids if row]
    return tuple(line for line in lines if line is not None)


def last_received(connection: Connection) -> dict[int, float]:
    """Return when each channel (by number) received its last message; absent where it never did."""
    return {number: at for number, at in connection.execute(LAST_RECEIVED) if at is not None}


def refused_since(connection: Connection, since: float, at_most: int = 1_000) -> int:
    """Return how many arrivals the doors refused since then; counts the newest `at_most` only."""
    count: int = connection.execute(REFUSED_SINCE, (at_most, since)).fetchone()[0]
    return count


def refusals(connection: Connection, before: int | None = None, limit: int = 50) -> list[reads.RefusalLine]:
    """Return refusals, newest first; `before` is the number of the last one of the page before."""
    rows = connection.execute(REFUSED_BEFORE, (_END if before is None else before, limit))
    return [
        reads.RefusalLine(number=number, at=at, door=door, peer=peer, code=code, reason=reason)
        for number, at, door, peer, code, reason in rows
    ]
