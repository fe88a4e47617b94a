"""Alerts: opened once, counted while they last, closed once. Who tells people of them notes that he has.

A text names channels, stations and resources, never a value of a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from store.connection import Connection
from store.writer import Transaction

#: blocker: work is refused or stands still · warning: it will, or may.
Severity = Literal["blocker", "warning"]

_OPEN = """
    INSERT INTO alert (key, severity, text, opened_at, last_at, times) VALUES (?, ?, ?, ?, ?, 1)
    ON CONFLICT (key) WHERE closed_at IS NULL DO UPDATE SET
        severity = excluded.severity, text = excluded.text, last_at = excluded.last_at, times = times + 1
    RETURNING times"""

_COLUMNS = "number, key, severity, text, opened_at, last_at, times, closed_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert. Times are seconds since 1970-01-01 UTC."""

    number: int
    #: What it is about, such as `resources.blocked`: the same key is the same alert while it is open.
    key: str
    severity: Severity
    text: str
    opened_at: float
    #: When it was found last.
    last_at: float
    #: How often it was found since it was opened.
    times: int
    #: None while it is open.
    closed_at: float | None


def open(tx: Transaction, key: str, severity: Severity, text: str) -> bool:  # noqa: A001  # alerts.open, alerts.close
    """Open an alert, or note that an open one was found again, with its newest text. True when it is new."""
    times: int = tx.execute(_OPEN, (key, severity, text, tx.now, tx.now)).fetchone()[0]
    return times == 1


def close(tx: Transaction, key: str) -> bool:
    """Close an alert. True when it was open."""
    row = tx.execute(
        "UPDATE alert SET closed_at = ? WHERE key = ? AND closed_at IS NULL RETURNING number", (tx.now, key)
    ).fetchone()
    return row is not None


def open_alerts(connection: Connection) -> list[Alert]:
    """Return what is open, blockers first, the newest of them first."""
    return _read(
        connection, "WHERE closed_at IS NULL ORDER BY severity = 'blocker' DESC, opened_at DESC, number DESC", ()
    )


def history(connection: Connection, limit: int = 100) -> list[Alert]:
    """Return the newest alerts, open or closed."""
    return _read(connection, "ORDER BY number DESC LIMIT ?", (limit,))


def untold(connection: Connection) -> list[Alert]:
    """Return what people were not told yet, the oldest first: an opening, or the closing of what they were told of."""
    return _read(
        connection,
        "WHERE (told_opened_at IS NULL OR told_closed_at IS NULL) "
        "AND (told_opened_at IS NULL OR closed_at IS NOT NULL) ORDER BY number",
        (),
    )


def told(tx: Transaction, alert: Alert) -> None:
    """Note that people were told of the alert as it was read: of its opening, or of its closing, too."""
    tx.execute(
        "UPDATE alert SET told_opened_at = coalesce(told_opened_at, ?), told_closed_at = ? WHERE number = ?",
        (tx.now, None if alert.closed_at is None else tx.now, alert.number),
    )


def _read(connection: Connection, how: str, values: tuple[object, ...]) -> list[Alert]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM alert {how}", values)  # noqa: S608  # our own words
    return [
        Alert(
            number=row[0], key=row[1], severity=row[2], text=row[3], opened_at=row[4], last_at=row[5], times=row[6],
            closed_at=row[7],
        )
        for row in rows
    ]  # fmt: skip
