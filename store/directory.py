"""What is not traffic: channels, their revisions and states, the processes that are alive."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from store import follow
from store.connection import Connection
from store.queries import DESTINATIONS
from store.revisions import Choice, record
from store.writer import Transaction, Writer

STATES = ("started", "paused", "stopped")

#: A revision runs because the host was started with its file.
STARTED = Choice()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """A channel as the store knows it."""

    number: int
    name: str
    title: str
    #: The revision that runs; None when none was ever fit to run.
    revision: str | None
    #: started: all moves · paused: its door is closed, its lanes move · stopped: nothing moves.
    state: str
    changed_at: float
    changed_by: str | None
    reason: str | None
    #: Why the file on disk does not run; None when it does.
    problem: str | None
    destinations: tuple[DestinationRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationRow:
    """A destination of a channel, and how its line stands."""

    number: int
    name: str
    ordinal: int
    connection: str
    connection_since: float | None
    connection_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevision:
    """A checked mapping file, ready to run."""

    channel: str
    title: str
    revision: str
    #: The file as it was read.
    source: str
    #: JSON: all that the workers need.
    plan: Mapping[str, object]
    #: destination → whether a parked delivery blocks its lane.
    destinations: Mapping[str, bool] = field(default_factory=dict)


class TooManyDestinations(ValueError):
    """A channel may have 16 destinations in all its life."""


def channels(connection: Connection) -> list[ChannelRow]:
    """Return all channels with their destinations, by name."""
    lines: dict[int, list[DestinationRow]] = {}
    for number, channel, name, ordinal, line, since, reason in connection.execute(
        "SELECT number, channel, name, ordinal, connection, connection_since, connection_reason "
        "FROM destination ORDER BY ordinal"
    ):
        row = DestinationRow(
            number=number,
            name=name,
            ordinal=ordinal,
            connection=line,
            connection_since=since,
            connection_reason=reason,
        )
        lines.setdefault(channel, []).append(row)
    return [
        ChannelRow(
            number=number, name=name, title=title, revision=revision, state=state, changed_at=at, changed_by=by,
            reason=reason, problem=problem, destinations=tuple(lines.get(number, ())),
        )
        for number, name, title, revision, state, at, by, reason, problem in connection.execute(
            "SELECT number, name, title, revision, state, changed_at, changed_by, reason, problem "
            "FROM channel ORDER BY name"
        )
    ]  # fmt: skip


def plan(connection: Connection, channel: int, revision: str) -> dict[str, object] | None:
    """Return the plan of a revision."""
    row = connection.execute(
        "SELECT plan FROM revision WHERE channel = ? AND revision = ?", (channel, revision)
    ).fetchone()
    return orjson.loads(row[0]) if row else None


def deploy(writer: Writer, new: NewRevision, choice: Choice = STARTED) -> None:
    """Make a revision the one that runs, in one transaction; an older one stays in the store."""
    writer.now(lambda tx: _deploy(tx, new, choice))


def _deploy(tx: Transaction, new: NewRevision, choice: Choice) -> None:
    tx.execute(
        "INSERT INTO channel (name, title, state, changed_at) VALUES (?, ?, 'started', ?) "
        "ON CONFLICT (name) DO NOTHING",
        (new.channel, new.title, tx.now),
    )
    number, before = tx.execute("SELECT number, revision FROM channel WHERE name = ?", (new.channel,)).fetchone()
    tx.execute(
        "INSERT OR IGNORE INTO revision VALUES (?, ?, ?, ?, ?)",
        (number, new.revision, tx.now, new.source, orjson.dumps(new.plan).decode()),
    )
    tx.execute(
        "UPDATE channel SET revision = ?, title = ?, problem = NULL WHERE number = ?",
        (new.revision, new.title, number),
    )
    if before != new.revision or choice.how != "start":
        record(tx, number, new.revision, choice)
    for name, blocks in new.destinations.items():
        ordinal = tx.execute("SELECT count(*) FROM destination WHERE channel = ?", (number,)).fetchone()[0]
        if ordinal >= DESTINATIONS:
            raise TooManyDestinations(f"channel {new.channel} has had {ordinal} destinations, the most there can be")
        tx.execute(
            "INSERT INTO destination (channel, name, ordinal, blocks) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (channel, name) DO UPDATE SET blocks = excluded.blocks",
            (number, name, ordinal, blocks),
        )
    follow.set_up(tx, number, new.plan)


def set_problem(writer: Writer, channel: str, title: str, problem: str) -> None:
    """Note why a channel's file on disk is not fit to run; what runs stays."""
    writer.now(
        lambda tx: tx.execute(
            "INSERT INTO channel (name, title, state, changed_at, problem) VALUES (?, ?, 'started', ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET problem = excluded.problem",
            (channel, title, tx.now, problem),
        )
    )


def clear_problem(writer: Writer, channel: str, problem: str) -> None:
    """Forget a problem that is over, if it is still the one that is told."""
    writer.now(
        lambda tx: tx.execute("UPDATE channel SET problem = NULL WHERE name = ? AND problem = ?", (channel, problem))
    )


def set_state(writer: Writer, channel: str, state: str, by: str, reason: str | None) -> bool:
    """Start, pause or stop a channel. False when there is no such channel."""
    return writer.now(lambda tx: change_state(tx, channel, state, by, reason))


def change_state(tx: Transaction, channel: str, state: str, by: str, reason: str | None) -> bool:
    """Do so in a transaction that does more."""
    if state not in STATES:
        raise ValueError(f"{state} is not one of {', '.join(STATES)}")
    cursor = tx.execute(
        "UPDATE channel SET state = ?, changed_at = ?, changed_by = ?, reason = ? WHERE name = ?",
        (state, tx.now, by, reason, channel),
    )
    return bool(cursor.rowcount)


async def set_connection(writer: Writer, destination: int, state: str, reason: str | None) -> None:
    """Note how the line to a destination stands; the time is kept when only the reason changes."""
    await writer.run(
        lambda tx: tx.execute(
            "UPDATE destination SET connection_since = CASE connection WHEN ? THEN connection_since ELSE ? END, "
            "connection = ?, connection_reason = ? WHERE number = ?",
            (state, tx.now, state, reason, destination),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """A process of the host, as it last said of itself."""

    role: str
    pid: int
    #: UDP port on the loopback that wakes it; None when it has no bell.
    bell: int | None
    #: Addresses it listens on.
    doors: tuple[str, ...]
    started_at: float
    beat_at: float


def announce(writer: Writer, role: str, pid: int, bell: int | None, doors: Sequence[str]) -> None:
    """Say that a process has started."""
    writer.now(
        lambda tx: tx.execute(
            "INSERT OR REPLACE INTO process VALUES (?, ?, ?, ?, ?, ?)",
            (role, pid, bell, orjson.dumps(list(doors)).decode(), tx.now, tx.now),
        )
    )


async def beat(writer: Writer, role: str) -> None:
    """Say that a process is alive."""
    await writer.run(lambda tx: tx.execute("UPDATE process SET beat_at = ? WHERE role = ?", (tx.now, role)))


def processes(connection: Connection) -> list[ProcessRow]:
    """Return what the processes of the host last said of themselves."""
    return [
        ProcessRow(
            role=role, pid=pid, bell=bell, doors=tuple(orjson.loads(doors)), started_at=started_at, beat_at=beat_at
        )
        for role, pid, bell, doors, started_at, beat_at in connection.execute("SELECT * FROM process ORDER BY role")
    ]  # fmt: skip


def forget_processes(writer: Writer) -> None:
    """At the start of the host: nobody is alive yet."""
    writer.now(lambda tx: tx.execute("DELETE FROM process"))


def is_alive(process: ProcessRow, within: float = 15.0) -> bool:
    """True when the process has spoken within so many seconds."""
    return time.time() - process.beat_at < within
