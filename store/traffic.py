"""Stored messages of the last days, for who looks at what they need: a table's rows, a day's bytes."""

from __future__ import annotations

from collections.abc import Iterator

from store.connection import Connection

_LAST = """
    SELECT a.body, m.focus FROM message m JOIN arrival a ON a.number = m.arrival
    WHERE m.channel = (SELECT number FROM channel WHERE name = ?) AND m.received_at >= ?
    ORDER BY m.number DESC LIMIT ?"""


def last_bodies(connection: Connection, channel: str, since: float, limit: int) -> Iterator[tuple[bytes, int | None]]:
    """Yield (body, focus) of the newest messages of a channel: patient data."""
    yield from connection.execute(_LAST, (channel, since, limit))


def bytes_since(connection: Connection, since: float) -> tuple[int, int]:
    """Return how many arrivals there were, and their bytes."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(length(body)), 0) FROM arrival WHERE at >= ?", (since,)
    ).fetchone()
    return int(row[0]), int(row[1])


def last_answer(connection: Connection) -> tuple[float, bytes] | None:
    """Return when the newest answer of a peer was stored, and the answer; None: none was."""
    row = connection.execute(
        "SELECT at, response FROM event WHERE response IS NOT NULL AND delivery >= "
        "(SELECT coalesce(max(id), 0) - 16000 FROM delivery) ORDER BY delivery DESC, at DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else None
