"""The store: the only place where data rests. What it was told is on the disk before it says so."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from messages.lifecycle import Event, Status
from messages.message import Delivery, Message, Step
from store import queries
from store.connection import Connection, UnsafeStore, connect
from store.entering import Entrant, enter
from store.fingerprint import fingerprint
from store.high_water import HighWater
from store.mark import Mark
from store.queries import DESTINATIONS
from store.steps import apply_step, apply_steps
from store.writer import Transaction, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """One message to be, with the destinations it is frozen to."""

    channel: int
    channel_name: str
    revision: str
    focus: int | None
    about: str | None
    index: dict[str, str]
    key: str
    #: (number, ordinal) of each destination.
    destinations: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What the sender is, or was, told."""

    status: int
    headers: dict[str, str]
    body: bytes
    #: The messages it is about; empty for a repeated answer.
    messages: tuple[Message, ...] = ()
    repeated: bool = False


class OtherBytes(Exception):
    """The identity is known, with other bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArrival:
    """All that is committed when a message is accepted."""

    door: str
    peer: str
    identity: str
    content_type: str
    body: bytes
    messages: Sequence[NewMessage]
    #: Makes (status, headers, body) of the answer from the messages.
    compose: Callable[[Sequence[Message]], tuple[int, dict[str, str], bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a door refused, and why."""

    door: str
    peer: str
    code: str
    #: JSON: the problems as they were answered; no value of the message.
    reason: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The head of a ready lane, with all that a worker needs of it."""

    delivery: Delivery
    message: Message
    about: bytes | None
    #: The destination accepted an earlier message about the same thing.
    known: bool
    #: Answers so far that said "not now".
    refusals: int
    #: Nothing has happened to the delivery since the message was accepted.
    untouched: bool


class Store:
    """SQLite behind the promises of `docs/guarantee.md`. One instance a process."""

    def __init__(self, folder: Path, role: str, *, promises: bool = True) -> None:
        """Open the store for a role; `promises` as in `store.writer.Writer`."""
        self.folder = folder
        self.connection: Connection = connect(folder)
        high_water = HighWater(folder / f"high-water-{role}")
        row = self.connection.execute("SELECT commits FROM writer WHERE name = ?", (role,)).fetchone()
        if (row[0] if row else 0) < high_water.mark:
            raise UnsafeStore(
                f"the store has lost commits {row[0] + 1 if row else 1} to {high_water.mark} of {role}: "
                f"it is behind its high-water file in {folder}"
            )
        self.writer = Writer(self.connection, role, high_water, promises=promises)
        #: What is being mapped now: a message that kills the process is found by it.
        self.mark = Mark(folder / f"mapping-{role}")

    def close(self) -> None:
        """Close the files."""
        self.connection.close()
        self.writer.close()
        self.mark.close()

    # -- the door -------------------------------------------------------------------------------------------

    async def receive(self, arrival: NewArrival) -> StoredAnswer:
        """Commit an arrival with its messages, deliveries and answer; a known identity gets its stored answer.

        Raises:
            OtherBytes: the identity came before with other bytes.
            Unavailable: not committed.
        """
        identity = fingerprint(arrival.door, arrival.identity)
        digest = fingerprint(arrival.body)
        return await self.writer.run(lambda tx: _receive(tx, arrival, identity, digest))

    def answer_of(self, door: str, identity: str, body: bytes) -> StoredAnswer | None:
        """Return what the sender of these very bytes was told before; None when they are new."""
        known = self.connection.execute(queries.ARRIVAL_OF_IDENTITY, (fingerprint(door, identity),)).fetchone()
        if known is None or known[1] != fingerprint(body):
            return None
        return StoredAnswer(status=known[2], headers=orjson.loads(known[3]), body=known[4], repeated=True)

    async def refuse(self, refusal: Refusal) -> None:
        """Record what was refused at the door."""
        r = refusal
        await self.writer.run(
            lambda tx: tx.execute(
                queries.INSERT_REFUSAL, (tx.now, r.door, r.peer, r.code, r.reason, r.content_type, r.body)
            )
        )

    # -- the lanes ------------------------------------------------------------------------------------------

    def ready(self, channel: str, destination: tuple[int, str], limit: int, busy: Container[int] = ()) -> list[Work]:
        """Return the heads of the first `limit` ready lanes, in the order of acceptance, without those of `busy`."""
        number, name = destination
        heads = self.connection.execute(queries.READY, (number, limit)).fetchall()
        rows = (self.connection.execute(queries.HEAD, head).fetchone() for head in heads if head[0] not in busy)
        return [_work(row, channel, name) for row in rows if row is not None]

    async def apply(self, steps: Sequence[Step]) -> list[bool]:
        """Commit steps together. False where the delivery was no longer in the status that the step named."""
        return await self.writer.run(lambda tx: apply_steps(tx, steps))

    async def waits_for(self, delivery: Delivery, others: Mapping[int, frozenset[Status]]) -> str | None:
        """Return the status in which a destination is that this delivery waits for; None when it waits for nobody.

        `others` are the ordinals of destinations and the statuses that end the wait. The lane waits with it,
        and is woken by the step that brings the other delivery there.
        """
        return await self.writer.run(lambda tx: _waits_for(tx, delivery, others))

    async def postpone(self, delivery: Delivery, reason: str) -> None:
        """Let the lane wait in front of a delivery, and show why; whoever asked wakes it again."""
        await self.writer.run(lambda tx: _wait_in_lane(tx, delivery, reason))

    async def waits_for_channel(self, delivery: Delivery, channel: str) -> str | None:
        """Return the status in which a channel's message of the same arrival is, as long as it is not done.

        None: it is sent, filtered or cancelled, or the channel made no message of that arrival. The lane waits.
        """
        return await self.writer.run(lambda tx: _waits_for_channel(tx, delivery, channel))

    def count_crash(self, most: int) -> int | None:
        """At a start: park the delivery that the process before this one died of `most` times. Return its id.

        One that has killed fewer times is counted, and tried again.
        """
        delivery = self.mark.left_over()
        if not delivery:
            return None
        crashes = self.writer.now(lambda tx: tx.execute(queries.COUNT_CRASH, (delivery,)).fetchone())
        self.mark.clear()
        if crashes is None or crashes[0] < most:
            return None
        reason = f"the process died {crashes[0]} times while it was being mapped"
        step = Step(delivery=delivery, status=Status.RECEIVED, event=Event.UNMAPPABLE, reason=reason)
        return delivery if self.writer.now(lambda tx: apply_step(tx, step)) else None

    async def wake_all(self, destinations: Sequence[int]) -> None:
        """Make waiting lanes to these ready: at a start, when nobody remembers how long they were to wait."""
        await self.writer.run(lambda tx: tx.executemany(queries.WAKE_ALL, [(number,) for number in destinations]))

    async def wake(self, lanes: Sequence[int]) -> None:
        """Make waiting lanes ready."""
        await self.writer.run(lambda tx: tx.executemany(queries.WAKE_LANE, [(lane,) for lane in lanes]))


def _receive(tx: Transaction, arrival: NewArrival, identity: bytes, digest: bytes) -> StoredAnswer | OtherBytes:
    known = tx.execute(queries.ARRIVAL_OF_IDENTITY, (identity,)).fetchone()
    if known is not None:
        if known[1] != digest:
            return OtherBytes()
        return StoredAnswer(status=known[2], headers=orjson.loads(known[3]), body=known[4], repeated=True)
    number = tx.execute(queries.NEXT_ARRIVAL).fetchone()[0]
    messages = tuple(_insert_message(tx, new, arrival, number) for new in arrival.messages)
    status, headers, body = arrival.compose(messages)
    tx.execute(
        queries.INSERT_ARRIVAL,
        (number, tx.now, arrival.door, arrival.peer, identity, digest, arrival.content_type, arrival.body,
         status, orjson.dumps(headers).decode(), body, messages[0].number if messages else 0, len(messages)),
    )  # fmt: skip
    return StoredAnswer(status=status, headers=headers, body=body, messages=messages)


def _insert_message(tx: Transaction, new: NewMessage, arrival: NewArrival, number: int) -> Message:
    entrant = Entrant(
        arrival=number, channel=new.channel, revision=new.revision, focus=new.focus,
        about=None if new.about is None else fingerprint(new.about), key=fingerprint(new.key), index=new.index,
        destinations=new.destinations,
    )  # fmt: skip
    message, identifier = enter(tx, entrant)
    return Message(
        number=message, id=identifier, channel=new.channel_name, revision=new.revision, received_at=tx.now,
        peer=arrival.peer, content_type=arrival.content_type, body=arrival.body, focus=new.focus, index=new.index,
    )  # fmt: skip


def _waits_for(tx: Transaction, delivery: Delivery, others: Mapping[int, frozenset[Status]]) -> str | None:
    for ordinal, ends in others.items():
        row = tx.execute(
            "SELECT status FROM delivery WHERE id = ?", (delivery.message * DESTINATIONS + ordinal,)
        ).fetchone()
        if row is not None and row[0] not in ends:
            status: str = row[0]
            _wait_in_lane(tx, delivery, f"waits for a destination that is {status}")
            return status
    return None


#: Of another channel's delivery: there is nothing more to wait for.
_DONE = frozenset({Status.SENT, Status.VERIFIED, Status.FILTERED, Status.CANCELLED})


def _waits_for_channel(tx: Transaction, delivery: Delivery, channel: str) -> str | None:
    rows = tx.execute(queries.OF_SAME_ARRIVAL, (delivery.message, channel)).fetchall()
    status: str | None = next((row[0] for row in rows if row[0] not in _DONE), None)
    if status is not None:
        _wait_in_lane(tx, delivery, f"waits for {channel}, where this document is {status}")
    return status


def _wait_in_lane(tx: Transaction, delivery: Delivery, reason: str) -> None:
    tx.execute(queries.WAIT_IN_LANE, (delivery.lane, delivery.id))
    tx.execute("UPDATE delivery SET reason = ? WHERE id = ?", (reason, delivery.id))


def _work(row: Sequence[Any], channel: str, destination: str) -> Work:
    (delivery, status, attempts, refusals, action, reason, lane, number, identifier, revision, received_at, focus,
     about, searchable, peer, content_type, body, control_id, encoded, known, untouched) = row  # fmt: skip
    return Work(
        delivery=Delivery(
            id=delivery, message=number, channel=channel, destination=destination, lane=lane, status=Status(status),
            attempts=attempts, control_id=control_id, encoded=encoded, action=action, reason=reason,
        ),
        message=Message(
            number=number, id=identifier, channel=channel, revision=revision, received_at=received_at, peer=peer,
            content_type=content_type, body=body, focus=focus, index=orjson.loads(searchable),
        ),
        about=about, known=known is not None, refusals=refusals, untouched=bool(untouched),
    )  # fmt: skip
