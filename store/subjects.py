"""What the rules of a kind of channel remember: read by anybody, changed only by the steps of messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from messages.lifecycle import OPEN
from messages.message import Step
from messages.subject import Memory, Remembered, SubjectChange
from store.connection import Connection
from store.fingerprint import fingerprint
from store.writer import Transaction

FIND = """
    SELECT s.number, s.version, s.memory FROM subject_key k CROSS JOIN subject s ON s.number = k.subject
    WHERE k.kind = ? AND k.key = ?"""

_HISTORY = """
    SELECT h.number, h.at, h.event, h.note, h.delivery, m.id, c.name
    FROM subject_history h LEFT JOIN message m ON m.number = h.delivery >> 4 LEFT JOIN channel c ON c.number = m.channel
    WHERE h.subject = ? ORDER BY h.number"""

_LAST_NOTE = """
    SELECT note FROM subject_history WHERE delivery = ? AND event IN ('mapped', 'ruled out', 'unmappable')
    ORDER BY at DESC, number DESC LIMIT 1"""

#: Subjects that are forgotten in one go.
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of a subject's history."""

    number: int
    at: float
    #: Of the delivery (`messages.lifecycle.Event`).
    event: str
    #: In the words of the kind.
    note: Memory = field(repr=False)
    delivery: int
    #: Id and channel of the message; None once it is forgotten.
    message: str | None
    channel: str | None


def find(connection: Connection, kind: str, keys: Sequence[str]) -> Remembered:
    """Return what is remembered of the subject that is known by one of the keys, the first that leads anywhere."""
    for key in keys:
        row = connection.execute(FIND, (kind, fingerprint(key))).fetchone()
        if row is not None:
            return Remembered(number=row[0], version=row[1], memory=orjson.loads(row[2]))
    return Remembered()


def get(connection: Connection, kind: str, number: int) -> Remembered | None:
    """Return what is remembered of a subject by its number in the store; None when there is none of the kind."""
    row = connection.execute(
        "SELECT number, version, memory FROM subject WHERE number = ? AND kind = ?", (number, kind)
    ).fetchone()
    return None if row is None else Remembered(number=row[0], version=row[1], memory=orjson.loads(row[2]))


def all_with(connection: Connection, kind: str, keys: Sequence[str]) -> list[Remembered]:
    """Return the subjects that any of the keys leads to, each once."""
    found: dict[int, Remembered] = {}
    for key in keys:
        one = find(connection, kind, [key])
        if one.number is not None:
            found[one.number] = one
    return list(found.values())


def of_messages(connection: Connection, kind: str, messages: Sequence[int]) -> list[int]:
    """Return the numbers of the subjects that messages, by their numbers, were about; the latest first."""
    found: dict[int, None] = {}
    for message in messages:
        rows = connection.execute(
            "SELECT DISTINCT h.subject FROM subject_history h JOIN subject s ON s.number = h.subject"
            " WHERE h.delivery BETWEEN ? AND ? AND s.kind = ?",
            (message << 4, (message << 4) + 15, kind),
        ).fetchall()
        found |= dict.fromkeys(row[0] for row in rows)
    return list(found)


def history(connection: Connection, number: int) -> list[Happening]:
    """Return what happened to a subject, the oldest first."""
    return [
        Happening(
            number=row[0], at=row[1], event=row[2], note=orjson.loads(row[3]), delivery=row[4], message=row[5],
            channel=row[6],
        )
        for row in connection.execute(_HISTORY, (number,)).fetchall()
    ]  # fmt: skip


def note_of(connection: Connection, delivery: int) -> Memory | None:
    """Return what was noted when a delivery was last mapped; None where its channel has no kind."""
    row = connection.execute(_LAST_NOTE, (delivery,)).fetchone()
    return None if row is None else orjson.loads(row[0])


def is_open(connection: Connection, delivery: int) -> bool:
    """Say whether a delivery is still on its way: neither at rest nor parked."""
    row = connection.execute("SELECT status FROM delivery WHERE id = ?", (delivery,)).fetchone()
    return row is not None and row[0] in OPEN


def is_as_believed(tx: Transaction, change: SubjectChange) -> bool:
    """Say whether the subject is in the version that a step was decided by."""
    return change.version is None or _found(tx, change)[1] == change.version


def change(tx: Transaction, wanted: SubjectChange, step: Step) -> None:
    """Write what is remembered after a step, and a line of the history."""
    number, version, memory = _found(tx, wanted)
    after = orjson.dumps(wanted.change(None if memory is None else orjson.loads(memory))).decode()
    if number is None:
        row = (wanted.kind, tx.now, wanted.keep_until, after)
        number = tx.execute("INSERT INTO subject VALUES (NULL, ?, 1, ?, ?, ?)", row).lastrowid
    else:
        tx.execute(
            "UPDATE subject SET version = version + 1, changed_at = ?, keep_until = max(keep_until, ?), memory = ?"
            " WHERE number = ?",
            (tx.now, wanted.keep_until, after, number),
        )
    _lead_to(tx, wanted, number)
    tx.execute(
        "INSERT INTO subject_history VALUES (?, ?, ?, ?, ?, ?)",
        (number, version + 1, tx.now, step.delivery, step.event, orjson.dumps(wanted.note).decode()),
    )


def forget(tx: Transaction, before: float) -> None:
    """Forget a batch of subjects that nothing happened to since, and that need not be kept any longer."""
    rows = tx.execute(
        "SELECT number FROM subject WHERE changed_at < ? AND keep_until < ? LIMIT ?", (before, tx.now, _BATCH)
    ).fetchall()
    tx.executemany("DELETE FROM subject_history WHERE subject = ?", rows)
    tx.executemany("DELETE FROM subject_key WHERE subject = ?", rows)
    tx.executemany("DELETE FROM subject WHERE number = ?", rows)


def _found(tx: Transaction, wanted: SubjectChange) -> tuple[int | None, int, Any]:
    for key in wanted.keys:
        row = tx.execute(FIND, (wanted.kind, fingerprint(key))).fetchone()
        if row is not None:
            return row[0], row[1], row[2]
    return None, 0, None


def _lead_to(tx: Transaction, wanted: SubjectChange, number: int) -> None:
    """Let all keys lead to the subject; those that did before are not written again."""
    for key in (*wanted.keys, *wanted.also):
        tx.execute(
            "INSERT INTO subject_key VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET subject = excluded.subject"
            " WHERE subject <> excluded.subject",
            (wanted.kind, fingerprint(key), number),
        )
