"""Messages as they were mapped at their time: what `plugin-host replay` compares with. Reads only; patient data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from messages.lifecycle import Event
from messages.message import Message
from messages.subject import Memory
from store import subjects
from store.connection import Connection
from store.queries import DESTINATIONS

#: Rows that one statement reads: between two of them the store may move its pages.
BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What became of one delivery when it was last mapped."""

    delivery: int
    destination: str
    #: MAPPED, RULED_OUT or UNMAPPABLE.
    event: Event
    #: Seconds since 1970-01-01 UTC.
    at: float
    #: Why, for RULED_OUT and UNMAPPABLE.
    reason: str | None
    revision: str | None
    #: `%known` at that time.
    known: bool
    action: str | None
    #: The bytes that were made, with their control id; None when there are none.
    encoded: bytes | None
    control_id: str | None
    #: What the rules of its channel's kind said of it; None where it has no kind.
    note: Memory | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A stored message and what its channel made of it."""

    message: Message
    #: The deliveries that were mapped; one that still waits for it is not among them.
    mapped: tuple[Mapped, ...]
    #: Destinations of deliveries that wait to be mapped.
    waiting: tuple[str, ...]


def numbers(
    connection: Connection,
    channel: str,
    *,
    last: int | None = None,
    since: float | None = None,
    behind: str | None = None,
) -> list[int]:
    """Return the numbers of a channel's messages, the oldest first.

    Args:
        connection: of the store.
        channel: its name.
        last: so many of the newest.
        since: received then or later; seconds since 1970-01-01 UTC.
        behind: only those behind the message of this id.
    """
    first = 0
    if behind is not None:
        row = connection.execute("SELECT number FROM message WHERE id = ?", (behind,)).fetchone()
        first = row[0] if row else 0
    found: list[int] = []
    for number, received_at in connection.execute(
        "SELECT number, received_at FROM message WHERE channel = (SELECT number FROM channel WHERE name = ?) "
        "AND number > ? ORDER BY number DESC LIMIT ?",
        (channel, first, -1 if last is None else last),
    ):
        if since is not None and received_at < since:
            break
        found.append(number)
    return found[::-1]


def has(connection: Connection, channel: str, message_id: str) -> bool:
    """Say whether a message of this id came to the channel and is kept."""
    row = connection.execute(
        "SELECT 1 FROM message WHERE id = ? AND channel = (SELECT number FROM channel WHERE name = ?)",
        (message_id, channel),
    ).fetchone()
    return row is not None


def past(connection: Connection, number: int) -> Past | None:
    """Return one message; None when it was forgotten meanwhile."""
    row = connection.execute(
        "SELECT m.id, c.name, m.revision, m.received_at, m.focus, m.searchable, a.peer, a.content_type, a.body "
        "FROM message m JOIN channel c ON c.number = m.channel JOIN arrival a ON a.number = m.arrival "
        "WHERE m.number = ?",
        (number,),
    ).fetchone()
    if row is None:
        return None
    identifier, channel, revision, received_at, focus, searchable, peer, content_type, body = row
    message = Message(
        number=number, id=identifier, channel=channel, revision=revision, received_at=received_at, peer=peer,
        content_type=content_type, body=body, focus=focus, index=orjson.loads(searchable),
    )  # fmt: skip
    lines = [(delivery, name, _mapped(connection, delivery, name)) for delivery, name in _lines(connection, number)]
    return Past(
        message=message,
        mapped=tuple(mapped for _, _, mapped in lines if mapped is not None),
        waiting=tuple(name for _, name, mapped in lines if mapped is None),
    )


def _lines(connection: Connection, number: int) -> list[tuple[int, str]]:
    rows: list[tuple[int, str]] = connection.execute(
        "SELECT d.id, t.name FROM delivery d JOIN destination t ON t.number = d.destination WHERE d.id BETWEEN ? AND ?",
        (number * DESTINATIONS, number * DESTINATIONS + DESTINATIONS - 1),
    ).fetchall()
    return rows


def _mapped(connection: Connection, delivery: int, destination: str) -> Mapped | None:
    """Return the last mapping of a delivery; None when it was never mapped, or is to be mapped anew."""
    row = connection.execute(
        "SELECT e.event, e.at, e.reason, e.revision, e.known, d.action, o.encoded, o.control_id "
        "FROM event e JOIN delivery d ON d.id = e.delivery LEFT JOIN outgoing o ON o.delivery = e.delivery "
        "WHERE e.delivery = ? AND e.event IN ('mapped', 'ruled out', 'unmappable', 'reprocessed') "
        "ORDER BY e.at DESC LIMIT 1",
        (delivery,),
    ).fetchone()
    if row is None or row[0] == Event.REPROCESSED:
        return None
    event, at, reason, revision, known, action, encoded, control_id = row
    return Mapped(
        delivery=delivery, destination=destination, event=Event(event), at=at, reason=reason, revision=revision,
        known=bool(known), action=action, encoded=encoded, control_id=control_id,
        note=subjects.note_of(connection, delivery),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What a door refused."""

    number: int
    code: str
    body: bytes


def refused(connection: Connection, door: str, since: float) -> Iterator[Refused]:
    """Return what a door refused since then, the newest first."""
    before = 1 << 58
    while True:
        rows = connection.execute(
            "SELECT number, at, code, body, door FROM refusal WHERE number < ? ORDER BY number DESC LIMIT ?",
            (before, BATCH),
        ).fetchall()
        for number, at, code, body, name in rows:
            if at < since:
                return
            before = number
            if name == door:
                yield Refused(number=number, code=code, body=body)
        if len(rows) < BATCH:
            return
