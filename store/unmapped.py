"""Codes of messages that a table has no row for, as a work list. Codes are of messages: they stay in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from messages.problem import Unmapped
from store.connection import Connection
from store.queries import DESTINATIONS
from store.writer import Transaction

_NOTE = """
    INSERT INTO unmapped (channel, table_name, code, times, first_at, last_at)
    SELECT channel, ?, ?, 1, ?, ? FROM destination WHERE number = ?
    ON CONFLICT (channel, table_name, code) DO UPDATE SET times = times + 1, last_at = excluded.last_at
    RETURNING number"""

_WORK_LIST = """
    SELECT u.number, c.name, u.table_name, u.code, u.times, u.first_at, u.last_at
    FROM unmapped u JOIN channel c ON c.number = u.channel
    WHERE EXISTS (SELECT 1 FROM unmapped_delivery w WHERE w.unmapped = u.number) OR ?
    ORDER BY c.name, u.table_name, u.last_at DESC"""

_WAITING = """
    SELECT w.delivery, u.table_name, u.code FROM unmapped u JOIN unmapped_delivery w ON w.unmapped = u.number
    WHERE u.channel = ? ORDER BY w.delivery"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRow:
    """A code without a row. Times are seconds since 1970-01-01 UTC."""

    channel: str
    table: str
    code: str = field(repr=False)
    #: How often a delivery was parked for it.
    times: int
    first_at: float
    last_at: float
    #: Ids of the messages that are parked for it now, the oldest first.
    waiting: tuple[str, ...]


def note(tx: Transaction, delivery: int, destination: int, codes: Iterable[Unmapped]) -> None:
    """Write down, with the step that parks a delivery, what it waits for."""
    for code in dict.fromkeys(codes):
        row = tx.execute(_NOTE, (code.table, code.code, tx.now, tx.now, destination)).fetchone()
        tx.execute("INSERT OR IGNORE INTO unmapped_delivery VALUES (?, ?)", (delivery, row[0]))


def release(tx: Transaction, delivery: int) -> None:
    """A parked delivery moves on: it waits for no row any more."""
    tx.execute("DELETE FROM unmapped_delivery WHERE delivery = ?", (delivery,))


def forget(tx: Transaction, before: float) -> None:
    """Forget codes that nobody waits for and that were not seen since then."""
    tx.execute(
        "DELETE FROM unmapped WHERE last_at < ? "
        "AND NOT EXISTS (SELECT 1 FROM unmapped_delivery w WHERE w.unmapped = number)",
        (before,),
    )


def work_list(connection: Connection, *, settled: bool = False) -> list[MissingRow]:
    """Return the codes that deliveries wait for; with `settled` also those that nobody waits for any more."""
    return [
        MissingRow(
            channel=channel, table=table, code=code, times=times, first_at=first_at, last_at=last_at,
            waiting=_messages(connection, number),
        )
        for number, channel, table, code, times, first_at, last_at in connection.execute(
            _WORK_LIST, (settled,)
        ).fetchall()
    ]  # fmt: skip


def _messages(connection: Connection, number: int) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT DISTINCT m.id FROM unmapped_delivery w JOIN message m ON m.number = w.delivery / ? "
        "WHERE w.unmapped = ? ORDER BY m.number",
        (DESTINATIONS, number),
    )
    return tuple(row[0] for row in rows)


def waiting(connection: Connection, channel: int) -> dict[int, list[Unmapped]]:
    """Return the parked deliveries of a channel that wait for rows, the oldest first, each with its codes."""
    found: dict[int, list[Unmapped]] = {}
    for delivery, table, code in connection.execute(_WAITING, (channel,)):
        found.setdefault(delivery, []).append(Unmapped(table=table, code=code))
    return found
