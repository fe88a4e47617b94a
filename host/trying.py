"""What would become of parked messages if they were tried now, and an edited copy of one: for people who repair."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from channels import channel as channels
from channels.replay import Replay, Verdict
from messages.identity import message_id
from messages.lifecycle import Status
from messages.problem import Problems
from store import directory, history, reads
from store.store import NewArrival, NewMessage, Store
from transformers import differences
from transformers.base import HasDoorRules


def would(store: Store, messages: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield, for each parked delivery of the messages, what the revision that runs would make of it.

    Yields:
        message, destination, becomes (`mapped`, `sent again`, `parked`), cause.
    """
    tried: dict[str, Replay | None] = {}
    for identifier in messages:
        line = reads.line(store.connection, identifier)
        past = history.past(store.connection, line.number) if line else None
        if line is None or past is None:
            continue
        if line.channel not in tried:
            tried[line.channel] = _replay(store, line.channel)
        replay = tried[line.channel]
        parked = {d.destination for d in line.deliveries if d.status == Status.ERROR}
        if replay is None:
            yield from ({"message": identifier, "destination": d, "becomes": "parked", "cause": _NONE} for d in parked)
            continue
        sent = {mapped.destination for mapped in past.mapped if mapped.encoded is not None}
        for found in replay.run(past):
            if found.destination in parked:
                yield {"message": identifier, "destination": found.destination, **_becomes(found, sent)}


_NONE = "no revision of the channel runs"


def _becomes(found: Any, sent: set[str]) -> dict[str, Any]:
    if found.verdict in {Verdict.SENT, Verdict.DIFFERENT} or (
        found.verdict is Verdict.SAME and found.destination in sent
    ):
        return {"becomes": "sent again" if found.destination in sent else "mapped", "cause": None}
    return {"becomes": "parked", "cause": (found.cause or "").partition("\n")[0]}


def _replay(store: Store, name: str) -> Replay | None:
    running = _channel(store, name)
    if running is None:
        return None
    names = [destination.name for destination in running.destinations]
    return Replay(running.transformer, names, differences.differences, differences.moment, store.connection)


def _channel(store: Store, name: str) -> channels.Channel | None:
    row = next(row for row in directory.channels(store.connection) if row.name == name)
    return channels.load(store.connection, row)


class NotTaken(ValueError):
    """The channel does not take what was edited."""


def resend(store: Store, original: reads.MessageDetail, body: bytes, by: str) -> tuple[str, list[int]]:
    """Accept an edited copy of a message for its channel alone, with an identity of its own.

    Returns:
        the id of the copy, and the numbers of the destinations that have work.

    Raises:
        Problems: the copy is not valid, or breaks rules that are answered at the door.
        NotTaken: the channel does not run, or would not take it.
    """
    running = _channel(store, original.line.channel)
    if running is None:
        raise NotTaken(_NONE)
    document = running.transformer.check(body)
    admissions = running.transformer.admit(document)
    if not admissions:
        raise NotTaken(f"channel {running.name} does not take this message")
    if isinstance(running.transformer, HasDoorRules):
        now = datetime.now(UTC)
        broken = [found for a in admissions for found in running.transformer.refusals(document, a.focus, now)]
        if broken:
            raise Problems(broken)
    messages = [
        NewMessage(
            channel=running.number, channel_name=running.name, revision=running.revision, focus=admission.focus,
            about=admission.about, index=dict(admission.index), key=admission.key,
            destinations=[(d.number, d.ordinal) for d in running.destinations],
        )
        for admission in admissions
    ]  # fmt: skip
    arrival = NewArrival(
        door="edited", peer=f"{by}, an edited copy of {original.line.id}", identity=message_id(),
        content_type=original.content_type, body=body, messages=messages, compose=lambda _: (202, {}, b"{}"),
    )  # fmt: skip
    stored = asyncio.run(store.receive(arrival))
    return stored.messages[0].id, sorted({number for message in messages for number, _ in message.destinations})
