"""A message enters the store: its row, a delivery for each destination in its lane, what it is found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from messages.identity import message_id
from messages.lifecycle import Status
from store import queries
from store.queries import DESTINATIONS
from store.writer import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A message to be, with the fingerprints of its lane's key and of what it is about."""

    arrival: int
    channel: int
    revision: str
    focus: int | None
    about: bytes | None
    key: bytes
    index: Mapping[str, str]
    #: (number, ordinal) of each destination.
    destinations: Sequence[tuple[int, int]]


def enter(tx: Transaction, entrant: Entrant) -> tuple[int, str]:
    """Write a message and its deliveries; return its number and its id."""
    identifier = message_id()
    cursor = tx.execute(
        queries.INSERT_MESSAGE,
        (identifier, entrant.arrival, entrant.channel, entrant.revision, tx.now, entrant.focus, entrant.about,
         orjson.dumps(entrant.index).decode()),
    )  # fmt: skip
    message: int = cursor.lastrowid
    for destination, ordinal in entrant.destinations:
        delivery = message * DESTINATIONS + ordinal
        lane = tx.execute(queries.ENTER_LANE, (destination, entrant.key, delivery)).fetchone()[0]
        tx.execute(queries.INSERT_DELIVERY, (delivery, destination, lane, tx.now))
        tx.count(destination, Status.RECEIVED)
    found_by = [(value, name, message) for name, value in entrant.index.items() if value]
    tx.executemany(queries.INSERT_SEARCH, found_by)
    return message, identifier
