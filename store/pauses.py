"""When a pause ends by itself."""

from __future__ import annotations

from store.connection import Connection
from store.writer import Transaction


def set_end(tx: Transaction, channel: str, at: float | None) -> None:
    """Let the pause of a channel end then; None: when a person ends it. Times are seconds since 1970-01-01 UTC."""
    tx.execute("DELETE FROM pause_end WHERE channel = ?", (channel,))
    if at is not None:
        tx.execute("INSERT INTO pause_end (channel, at) VALUES (?, ?)", (channel, at))


def ends(connection: Connection) -> dict[str, float]:
    """Return when which pauses end, by channel."""
    return dict(connection.execute("SELECT channel, at FROM pause_end").fetchall())


def over(connection: Connection, now: float) -> list[str]:
    """Return the channels whose pause is over; one that a person has stopped meanwhile is not among them."""
    rows = connection.execute(
        "SELECT p.channel FROM pause_end p JOIN channel c ON c.name = p.channel WHERE p.at <= ? AND c.state = 'paused'",
        (now,),
    )
    return [row[0] for row in rows]
