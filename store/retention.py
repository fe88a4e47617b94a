"""Forgetting, by policy: whole arrivals that are old and at rest. What is pending or parked is never pruned."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from store import subjects, unmapped
from store.queries import DESTINATIONS
from store.writer import Transaction

#: Arrivals that one transaction forgets, so that nobody waits long behind it.
BATCH = 200

_OLD = """
    SELECT number, first_message, messages FROM arrival a
    WHERE number > ? AND at < ? AND NOT EXISTS (
        SELECT 1 FROM delivery d
        WHERE d.id BETWEEN a.first_message * 16 AND (a.first_message + a.messages) * 16 - 1
            AND d.status IN ('RECEIVED', 'TRANSFORMED', 'QUEUED', 'PENDING', 'ERROR'))
    ORDER BY number LIMIT ?"""

#: Not a status: how many deliveries were forgotten, so that what was accepted stays accounted for.
PRUNED = "PRUNED"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one batch did."""

    arrivals: int
    #: Where the next batch begins; None when nothing old is left.
    cursor: int | None


def prune(tx: Transaction, before: float, cursor: int = 0) -> Pruned:
    """Forget a batch of arrivals from before a time (seconds since 1970 UTC), the oldest first."""
    rows = tx.execute(_OLD, (cursor, before, BATCH)).fetchall()
    for number, first, messages in rows:
        for message in range(first, first + messages):
            _forget(tx, message)
        tx.execute("DELETE FROM arrival WHERE number = ?", (number,))
    if len(rows) < BATCH:
        tx.execute("DELETE FROM refusal WHERE at < ?", (before,))
        unmapped.forget(tx, before)
        subjects.forget(tx, before)
        return Pruned(len(rows), None)
    return Pruned(len(rows), rows[-1][0])


def _forget(tx: Transaction, message: int) -> None:
    span = (message * DESTINATIONS, message * DESTINATIONS + DESTINATIONS - 1)
    for destination, status in tx.execute(
        "SELECT destination, status FROM delivery WHERE id BETWEEN ? AND ?", span
    ).fetchall():
        tx.forget(destination, status, PRUNED)
    searchable = tx.execute("SELECT searchable FROM message WHERE number = ?", (message,)).fetchone()
    values = orjson.loads(searchable[0]) if searchable else {}
    tx.executemany(
        "DELETE FROM search WHERE value = ? AND message = ? AND name = ?",
        [(value, message, name) for name, value in values.items()],
    )
    for statement in (
        "DELETE FROM event WHERE delivery BETWEEN ? AND ?",
        "DELETE FROM outgoing WHERE delivery BETWEEN ? AND ?",
        "DELETE FROM delivery WHERE id BETWEEN ? AND ?",
    ):
        tx.execute(statement, span)
    tx.execute("DELETE FROM message WHERE number = ?", (message,))
