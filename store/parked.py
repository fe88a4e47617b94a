"""Parked deliveries, for people who repair them. The cost grows with what is parked, never with the store."""

from __future__ import annotations

from dataclasses import dataclass

from store.connection import Connection
from store.queries import DESTINATIONS
from store.writer import Transaction

#: Of each destination, the newest so many are looked at.
AT_MOST = 2_000

PARKED = """
    SELECT d.id, d.changed_at, d.reason, d.action, m.id, c.name, c.title, t.name
    FROM (SELECT id, changed_at, reason, action, destination FROM delivery
          WHERE destination = ? AND status = 'ERROR' ORDER BY id DESC LIMIT ?) d
    JOIN message m ON m.number = d.id / 16
    JOIN destination t ON t.number = d.destination
    JOIN channel c ON c.number = t.channel"""

assert DESTINATIONS == 16  # noqa: S101  # as the statement above has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked delivery. Time in seconds since 1970-01-01 UTC."""

    delivery: int
    at: float
    reason: str
    #: It was mapped: there are bytes to send.
    mapped: bool
    message: str
    channel: str
    title: str
    destination: str


def parked(connection: Connection, at_most: int = AT_MOST) -> list[Parked]:
    """Return the parked deliveries, newest first in each destination."""
    numbers = [row[0] for row in connection.execute("SELECT number FROM destination ORDER BY number")]
    return [
        Parked(
            delivery=delivery, at=at, reason=reason or "", mapped=action is not None, message=message,
            channel=channel, title=title, destination=destination,
        )
        for number in numbers
        for delivery, at, reason, action, message, channel, title, destination in connection.execute(
            PARKED, (number, at_most)
        )
    ]  # fmt: skip


def is_mapped(tx: Transaction, delivery: int) -> bool:
    """Tell whether there are bytes to send again."""
    return tx.execute("SELECT 1 FROM outgoing WHERE delivery = ?", (delivery,)).fetchone() is not None
