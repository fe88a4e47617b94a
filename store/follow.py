"""Follow-up channels: the outcome of a delivery becomes a message of theirs, in the transaction that brings it about.

Such a message is ordinary in all that comes after. It stands in the same ordering key as the one it tells of, is about
the same thing and is found by the same values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from messages.message import Step
from messages.outcome import CONTENT_TYPE, OUTCOMES, Issue, Outcome, document
from store import queries
from store.entering import Entrant, enter
from store.fingerprint import fingerprint
from store.writer import Transaction

#: Name of the source connector in a mapping, and of the door that its messages came by.
CONNECTOR = "outcomes"

# The few rows of `follow` first: most hosts have none.
FOLLOWERS = """
    SELECT f.channel, own.revision, f.destinations, c.name, d.name
    FROM follow f CROSS JOIN channel c ON c.name = f.followed
        CROSS JOIN destination d ON d.number = ? AND d.channel = c.number
        CROSS JOIN channel own ON own.number = f.channel
    WHERE f.outcome = ?"""

_TOLD = """
    SELECT m.id, m.focus, m.about, m.searchable, a.content_type, a.body, l.key, d.action
    FROM delivery d JOIN message m ON m.number = d.id >> 4 JOIN arrival a ON a.number = m.arrival
        JOIN lane l ON l.id = d.lane
    WHERE d.id = ?"""


def set_up(tx: Transaction, channel: int, plan: Mapping[str, Any]) -> None:
    """Note whose outcomes a channel receives, as the revision that begins to run says."""
    tx.execute("DELETE FROM follow WHERE channel = ?", (channel,))
    source = plan.get("from") or {}
    if source.get("connector") != CONNECTOR:
        return
    settings, destinations = source["settings"], orjson.dumps(list(plan["destinations"])).decode()
    for word in settings["when"]:
        tx.execute("INSERT INTO follow VALUES (?, ?, ?, ?)", (word, settings["of"], channel, destinations))


def tell(tx: Transaction, step: Step, destination: int) -> None:
    """Make the messages that an outcome is for the channels that follow; most steps are no outcome."""
    word = OUTCOMES.get(step.event)
    if word is None:
        return
    followers = tx.execute(FOLLOWERS, (destination, word)).fetchall()
    if not followers:
        return
    told = tx.execute(_TOLD, (step.delivery,)).fetchone()
    for follower in followers:
        _tell(tx, step, word, follower, told)


def _tell(tx: Transaction, step: Step, word: str, follower: Sequence[Any], told: Sequence[Any]) -> None:
    channel, revision, destinations, followed, destination = follower
    identifier, focus, about, searchable, content_type, body, key, action = told
    index = orjson.loads(searchable)
    outcome = Outcome(
        outcome=word, channel=followed, destination=destination, message=identifier, delivery=step.delivery,
        action=action, at=tx.now, issues=step.issues or _words(step), answer=step.response, index=index,
    )  # fmt: skip
    text, focus = document(body, content_type, focus, outcome)
    number = tx.execute(queries.NEXT_ARRIVAL).fetchone()[0]
    entrant = Entrant(
        arrival=number, channel=channel, revision=revision, focus=focus, about=about, key=key, index=index,
        destinations=_destinations(tx, channel, orjson.loads(destinations)),
    )  # fmt: skip
    message, _ = enter(tx, entrant)
    # As unique as the event of the timeline that it tells of.
    identity = fingerprint(CONNECTOR, str(channel), str(step.delivery), repr(tx.now), step.event)
    tx.execute(
        queries.INSERT_ARRIVAL,
        (number, tx.now, CONNECTOR, followed, identity, fingerprint(text), CONTENT_TYPE, text, 202, "{}", b"",
         message, 1),
    )  # fmt: skip


def _words(step: Step) -> tuple[Issue, ...]:
    return (Issue(code=step.event.name, text=step.reason or ""),)


def _destinations(tx: Transaction, channel: int, names: Sequence[str]) -> list[tuple[int, int]]:
    rows = tx.execute("SELECT name, number, ordinal FROM destination WHERE channel = ?", (channel,)).fetchall()
    found = {name: (number, ordinal) for name, number, ordinal in rows}
    return [found[name] for name in names]
