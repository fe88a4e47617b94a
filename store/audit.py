"""The audit trail: written in the transaction of what it tells of, never changed, each line chained to the one before.

A changed, removed or inserted line breaks the chain from there on, and `verify` says where. A trail that was cut short
at its end is whole in itself: give `verify` the head that was noted elsewhere (`head`; receivers outside have it too).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from messages.audit import EVENTS, Entry, Outcome
from store.connection import Connection
from store.writer import Transaction

_COLUMNS = "number, at, who, address, what, entity, outcome, detail, chain"
#: The chain before the first line.
_START = b"\0" * 32
#: Lines that are looked through at a time.
_BATCH = 1000


def record(  # noqa: PLR0913  # the five questions of an audit trail
    tx: Transaction,
    who: str,
    what: str,
    entity: str,
    outcome: Outcome = Outcome.SUCCESS,
    *,
    address: str = "",
    detail: Mapping[str, object] | None = None,
) -> int:
    """Add a line in the transaction of what it tells of; return its number.

    Args:
        tx: The transaction.
        who: Account, or `host`.
        what: A word of `messages.audit.EVENTS`.
        entity: By the host's own names, such as `message:01H…` or `job:12`.
        outcome: How it ended.
        address: Network address of who.
        detail: Small facts, as JSON has them. Never a document, an image or a secret.

    Raises:
        KeyError: the word is not in the table.
    """
    EVENTS[what]  # a word that nobody can translate is a bug
    before = tx.execute("SELECT number, chain FROM audit ORDER BY number DESC LIMIT 1").fetchone() or (0, _START)
    line = (before[0] + 1, tx.now, who, address, what, entity, int(outcome), orjson.dumps(detail or {}).decode())
    tx.execute(f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*line, _link(before[1], line)))  # noqa: S608  # our own column names
    return before[0] + 1


def entries(  # noqa: PLR0913  # each is a filter of the page
    connection: Connection,
    *,
    entity: str | None = None,
    who: str | None = None,
    what: Sequence[str] = (),
    before: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Return lines, newest first: of an object, a person, some words; older than a number."""
    wanted: list[tuple[str, object]] = []
    if entity is not None:
        wanted.append(("entity = ?", entity))
    if who is not None:
        wanted.append(("who = ?", who))
    if before is not None:
        wanted.append(("number < ?", before))
    conditions = [condition for condition, _ in wanted]
    if what:
        conditions.append(f"what IN ({', '.join('?' * len(what))})")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM audit {where} ORDER BY number DESC LIMIT ?",  # noqa: S608  # values are bound
        (*(value for _, value in wanted), *what, limit),
    )
    return [_entry(row) for row in rows]


def after(connection: Connection, number: int, limit: int = 100) -> list[Entry]:
    """Return the lines that follow a number, oldest first: for whoever tells them on."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM audit WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608 - constants of ours
        (number, limit),
    )
    return [_entry(row) for row in rows]


def head(connection: Connection) -> tuple[int, bytes]:
    """Return number and chain of the newest line; 0 and zeros when there is none."""
    row = connection.execute("SELECT number, chain FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, _START)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look through the chain found."""

    lines: int
    #: Chain of the last line that holds.
    chain: bytes = field(repr=False)
    #: Number of the first line that is not what was written; None when the chain holds.
    broken_at: int | None = None


def verify(connection: Connection, noted: tuple[int, bytes] | None = None) -> Verdict:
    """Look through the whole chain; `noted` is a head that was noted before, which must still be in it."""
    chain, number = _START, 0
    found_noted = noted is None or noted[0] == 0
    while rows := connection.execute(
        f"SELECT {_COLUMNS} FROM audit WHERE number > ? ORDER BY number LIMIT {_BATCH}",  # noqa: S608 - constants of ours
        (number,),
    ).fetchall():
        for row in rows:
            if row[0] != number + 1 or row[-1] != _link(chain, row[:-1]):
                return Verdict(lines=number, chain=chain, broken_at=number + 1)
            number, chain = row[0], row[-1]
            if noted is not None and noted[0] == number:
                if noted[1] != chain:
                    return Verdict(lines=number, chain=chain, broken_at=number)
                found_noted = True
    return Verdict(lines=number, chain=chain, broken_at=None if found_noted else number + 1)


def told(connection: Connection, sink: str) -> int:
    """Return the number of the last line that a receiver outside has got."""
    row = connection.execute("SELECT number FROM audit_sink WHERE name = ?", (sink,)).fetchone()
    return int(row[0]) if row else 0


def note_told(tx: Transaction, sink: str, number: int) -> None:
    """Note that a receiver outside has got all lines up to a number."""
    tx.execute(
        "INSERT INTO audit_sink VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET number = excluded.number", (sink, number)
    )


def _link(before: bytes, line: Sequence[Any]) -> bytes:
    """Return SHA-256 over the chain before a line and the line's columns, each with its length."""
    digest = hashlib.sha256(before)
    for part in line:
        data = str(part).encode()
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.digest()


def _entry(row: Sequence[Any]) -> Entry:
    number, at, who, address, what, entity, outcome, detail, chain = row
    return Entry(
        number=number, at=at, who=who, address=address, what=what, entity=entity, outcome=Outcome(outcome),
        detail=orjson.loads(detail), chain=chain,
    )  # fmt: skip
