"""Which revisions of a channel there are, which ran since when, and who chose them. Nothing is ever taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from store import follow
from store.connection import Connection
from store.writer import Transaction, Writer

#: How a revision came to run: by the start of the host, or because a person said so.
How = Literal["start", "deploy", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Why a revision runs."""

    how: How = "start"
    by: str | None = None
    reason: str | None = None
    #: The revision that the file on disk gave at that moment; None when it was not fit to run, or not there.
    on_disk: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A revision that began to run. Time in seconds since 1970-01-01 UTC."""

    at: float
    revision: str
    choice: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A checked mapping file as it was kept."""

    revision: str
    #: When it was first deployed; seconds since 1970-01-01 UTC.
    made_at: float
    #: The mapping file, letter by letter.
    source: str
    #: What the workers were given: tables, site values and settings are in it.
    plan: Mapping[str, Any]


class NoSuchRevision(LookupError):
    """The channel never had this revision."""


def names(connection: Connection, channel: str) -> list[str]:
    """Return the revisions of a channel, the newest first."""
    rows = connection.execute(
        "SELECT revision FROM revision WHERE channel = (SELECT number FROM channel WHERE name = ?) "
        "ORDER BY made_at DESC",
        (channel,),
    )
    return [row[0] for row in rows]


def revision(connection: Connection, channel: str, name: str) -> Revision:
    """Return one revision.

    Raises:
        NoSuchRevision: by this name.
    """
    row = connection.execute(
        "SELECT revision, made_at, source, plan FROM revision "
        "WHERE channel = (SELECT number FROM channel WHERE name = ?) AND revision = ?",
        (channel, name),
    ).fetchone()
    if row is None:
        raise NoSuchRevision(f"channel {channel} has no revision {name}")
    return Revision(revision=row[0], made_at=row[1], source=row[2], plan=orjson.loads(row[3]))


def deployments(connection: Connection, channel: str) -> list[Deployment]:
    """Return which revisions ran since when, the newest first."""
    rows = connection.execute(
        "SELECT at, revision, how, done_by, reason, on_disk FROM deployment "
        "WHERE channel = (SELECT number FROM channel WHERE name = ?) ORDER BY number DESC",
        (channel,),
    )
    return [
        Deployment(at=at, revision=revision, choice=Choice(how=how, by=by, reason=reason, on_disk=on_disk))
        for at, revision, how, by, reason, on_disk in rows
    ]


def record(tx: Transaction, channel: int, revision: str, choice: Choice) -> None:
    """Write down, inside the transaction that does it, that a revision begins to run."""
    tx.execute(
        "INSERT INTO deployment (channel, at, revision, how, done_by, reason, on_disk) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (channel, tx.now, revision, choice.how, choice.by, choice.reason, choice.on_disk),
    )


def switch(writer: Writer, channel: str, to: Revision, choice: Choice) -> None:
    """Let a revision that was kept run again, in one transaction."""
    writer.now(lambda tx: _switch(tx, channel, to, choice))


def _switch(tx: Transaction, channel: str, to: Revision, choice: Choice) -> None:
    number = tx.execute("SELECT number FROM channel WHERE name = ?", (channel,)).fetchone()[0]
    tx.execute(
        "UPDATE channel SET revision = ?, title = ?, problem = NULL WHERE number = ?",
        (to.revision, to.plan["title"], number),
    )
    for name, part in to.plan["destinations"].items():
        tx.execute(
            "UPDATE destination SET blocks = ? WHERE channel = ? AND name = ?",
            (part.get("parked") != "pass", number, name),
        )
    follow.set_up(tx, number, to.plan)
    record(tx, number, to.revision, choice)
