"""Parked deliveries whose code has its row in a table now: they are mapped anew, and only they."""

from __future__ import annotations

from messages.lifecycle import Event, Status
from messages.message import Step
from store import unmapped
from store.connection import Connection
from store.store import Store
from transformers.base import HasTables, Transformer

#: Steps that are committed together.
BATCH = 200


def cured(connection: Connection, channel: int, transformer: Transformer) -> list[int]:
    """Return the parked deliveries of a channel for all of whose missing codes the transformer has rows."""
    if not isinstance(transformer, HasTables):
        return []
    return [
        delivery
        for delivery, codes in unmapped.waiting(connection, channel).items()
        if all(transformer.has_row(code.table, code.code) for code in codes)
    ]


async def requeue(store: Store, channel: int, revision: str, transformer: Transformer) -> int:
    """Let a revision that begins to run map them anew; return how many. No lane of the channel may run meanwhile."""
    reason = f"its code has a row since revision {revision}"
    steps = [
        Step(delivery=delivery, status=Status.ERROR, event=Event.REPROCESSED, reason=reason)
        for delivery in cured(store.connection, channel, transformer)
    ]
    done = 0
    for first in range(0, len(steps), BATCH):
        done += sum(await store.apply(steps[first : first + BATCH]))
    return done
