"""Jobs: begun once for each identity, moved by the table of their kind, every step in an append-only history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from messages.job_states import OPEN, Event, State, after
from store.connection import Connection
from store.writer import Transaction

_COLUMNS = (
    "number, kind, reference, channel, destination, message, request, state, created_at, changed_at, next_at, "
    "expires_at, attempts, reason_code, reason, progress, proof, told"
)
#: Events after which the tries of a job count from the beginning.
_FRESH = frozenset({Event.PASSED, Event.FOUND, Event.PROVEN, Event.RETRIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be."""

    kind: str
    #: Two requests with the same identity are one job.
    identity: bytes
    #: ULID; the only name of a job outside the store.
    reference: str
    channel: str
    destination: str
    request: Mapping[str, Any] = field(repr=False)
    #: Id of the message that asked for it; None for a person's request on the command line.
    message: str | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands. Times are seconds since 1970-01-01 UTC."""

    number: int
    kind: str
    reference: str
    channel: str
    destination: str
    message: str | None
    #: What was asked for; patient data: shown to who may see it, never in a log or an address.
    request: Mapping[str, Any] = field(repr=False)
    state: State
    created_at: float
    #: When it came to the state that it is in.
    changed_at: float
    #: When it is looked at next; None while it is at rest.
    next_at: float | None
    expires_at: float | None
    #: Tries of the part that it is in.
    attempts: int
    #: Code and words of why it waits, or ended so. They hold no value of the request.
    reason_code: str | None
    reason: str | None
    #: Instances: total, completed, failed, remaining; as last known.
    progress: Mapping[str, int]
    #: By what the arrival was proven; None: it is not.
    proof: str | None
    #: The state that was last told to who asked for the job.
    told: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One line of a job's history."""

    number: int
    at: float
    event: Event
    state: State
    code: str | None
    reason: str | None
    by: str | None


def begin(tx: Transaction, new: NewJob) -> tuple[int, bool]:
    """Write a job, due at once; return its number, and whether it is new."""
    known = tx.execute("SELECT number FROM job WHERE identity = ?", (new.identity,)).fetchone()
    if known is not None:
        return int(known[0]), False
    cursor = tx.execute(
        "INSERT INTO job (kind, identity, reference, channel, destination, message, request, state, created_at, "
        "changed_at, next_at, expires_at, attempts, progress) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '{}')",
        (new.kind, new.identity, new.reference, new.channel, new.destination, new.message,
         orjson.dumps(new.request).decode(), State.RECEIVED, tx.now, tx.now, tx.now, new.expires_at),
    )  # fmt: skip
    number = int(cursor.lastrowid)
    tx.execute("INSERT INTO job_event VALUES (?, 1, ?, 'received', ?, NULL, NULL, NULL)", (number, tx.now, "RECEIVED"))
    return number, True


def move(  # noqa: PLR0913  # what a step may bring with it
    tx: Transaction,
    job: Job,
    event: Event,
    *,
    code: str | None = None,
    reason: str | None = None,
    by: str | None = None,
    wait: float = 0.0,
    attempts: int | None = None,
    proof: str | None = None,
) -> State | None:
    """Move a job by its table; None where it no longer stands where `job` says.

    Args:
        tx: The transaction.
        job: As it was read.
        event: What happened.
        code: Stable code of the reason.
        reason: For people; holds no value of the request.
        by: Who did it; None for the host.
        wait: Seconds until it is looked at again, where it goes on.
        attempts: Tries so far; None: as before, or none where a part begins.
        proof: By what the arrival was proven.

    Raises:
        ImpossibleStep: the table has no such step.
    """
    state = after(job.kind, job.state, event)
    if attempts is None:
        attempts = 0 if event in _FRESH else job.attempts
    changed = tx.execute(
        "UPDATE job SET state = ?, changed_at = CASE state WHEN ? THEN changed_at ELSE ? END, next_at = ?, "
        "attempts = ?, reason_code = ?, reason = ?, proof = CASE ? WHEN 'retried' THEN NULL ELSE coalesce(?, proof) "
        "END WHERE number = ? AND state = ?",
        (state, state, tx.now, tx.now + wait if state in OPEN else None, attempts, code, reason, event, proof,
         job.number, job.state),
    ).rowcount  # fmt: skip
    if not changed:
        return None
    if state != job.state or reason != job.reason or by is not None:
        note(tx, job.number, event, state, code=code, reason=reason, by=by)
    return state


def note(  # noqa: PLR0913  # the columns of a line
    tx: Transaction,
    number: int,
    event: Event,
    state: State,
    *,
    code: str | None = None,
    reason: str | None = None,
    by: str | None = None,
) -> None:
    """Add a line to a job's history."""
    tx.execute(
        "INSERT INTO job_event SELECT ?, 1 + coalesce(max(number), 0), ?, ?, ?, ?, ?, ? FROM job_event WHERE job = ?",
        (number, tx.now, event, state, code, reason, by, number),
    )


def wait_for(tx: Transaction, job: Job, *, code: str, reason: str, wait: float) -> None:
    """Look at a job again after so many seconds, and say what it waits for; its state and tries stay."""
    changed = tx.execute(
        "UPDATE job SET next_at = ?, reason_code = ?, reason = ? WHERE number = ? AND state = ?",
        (tx.now + wait, code, reason, job.number, job.state),
    ).rowcount
    if changed and job.reason != reason:
        note(tx, job.number, Event.INTERRUPTED, job.state, code=code, reason=reason)


def look_now(tx: Transaction, number: int) -> None:
    """Look at a job that waits at once."""
    tx.execute("UPDATE job SET next_at = ? WHERE number = ? AND next_at IS NOT NULL", (tx.now, number))


def progress(tx: Transaction, number: int, counts: Mapping[str, int]) -> None:
    """Note how far a job is."""
    tx.execute("UPDATE job SET progress = ? WHERE number = ?", (orjson.dumps(dict(counts)).decode(), number))


def tell(tx: Transaction, number: int, state: State) -> None:
    """Note that who asked for a job was told of a state."""
    tx.execute("UPDATE job SET told = ? WHERE number = ?", (state, number))


def expire_at(tx: Transaction, number: int, at: float) -> None:
    """Set when a share ends."""
    tx.execute("UPDATE job SET expires_at = ? WHERE number = ?", (at, number))


# -- reads ----------------------------------------------------------------------------------------------------


def due(connection: Connection, now: float, limit: int = 100) -> list[Job]:
    """Return the jobs that are to be looked at now, those that wait longest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM job WHERE next_at <= ? ORDER BY next_at LIMIT ?",  # noqa: S608  # our own columns
        (now, limit),
    )
    return [_job(row) for row in rows]


def expired(connection: Connection, now: float, limit: int = 100) -> list[Job]:
    """Return the shares whose time is over."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM job WHERE state = 'SHARED' AND expires_at <= ? LIMIT ?",  # noqa: S608 - constants of ours
        (now, limit),
    )
    return [_job(row) for row in rows]


def to_withdraw(connection: Connection, limit: int = 100) -> list[Job]:
    """Return the shares that have ended, and of which somebody may still have access."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM job WHERE state IN ('EXPIRED', 'REVOKED') AND number IN "  # noqa: S608 - constants of ours
        "(SELECT job FROM job_recipient WHERE state IN ('asked', 'shared')) LIMIT ?",
        (limit,),
    )
    return [_job(row) for row in rows]


def untold(connection: Connection, limit: int = 100) -> list[Job]:
    """Return the jobs whose state is not known yet to who asked for them."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM job WHERE told IS NOT state ORDER BY number DESC LIMIT ?",  # noqa: S608 - constants of ours
        (limit,),
    )
    return [_job(row) for row in rows]


def get(connection: Connection, number: int) -> Job | None:
    """Return a job by its number."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM job WHERE number = ?", (number,)).fetchone()  # noqa: S608 - constants of ours
    return None if row is None else _job(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs a list is to show."""

    kind: str | None = None
    states: frozenset[State] = frozenset()
    #: Only those before this number.
    before: int | None = None
    limit: int = 50


def find(connection: Connection, wanted: Wanted) -> list[Job]:
    """Return jobs, newest first."""
    conditions, values = ["number < ?"], [wanted.before or 2**62]
    given: list[Any] = list(values)
    if wanted.kind is not None:
        conditions.append("kind = ?")
        given.append(wanted.kind)
    if wanted.states:
        conditions.append(f"state IN ({', '.join('?' * len(wanted.states))})")
        given += sorted(wanted.states)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM job WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?",  # noqa: S608 - constants of ours
        (*given, wanted.limit),
    )
    return [_job(row) for row in rows]


def counts(connection: Connection, kind: str | None = None) -> dict[State, int]:
    """Return how many jobs stand in each state."""
    rows = connection.execute("SELECT state, count(*) FROM job WHERE ?1 IS NULL OR kind = ?1 GROUP BY state", (kind,))
    return {State(state): count for state, count in rows}


def history(connection: Connection, number: int) -> list[JobEvent]:
    """Return what happened to a job, oldest first."""
    rows = connection.execute(
        "SELECT number, at, event, state, code, reason, done_by FROM job_event WHERE job = ? ORDER BY number", (number,)
    )
    return [
        JobEvent(number=n, at=at, event=Event(event), state=State(state), code=code, reason=reason, by=by)
        for n, at, event, state, code, reason, by in rows
    ]


def _job(row: Sequence[Any]) -> Job:
    (number, kind, reference, channel, destination, message, request, state, created_at, changed_at, next_at,
     expires_at, attempts, reason_code, reason, counted, proof, told) = row  # fmt: skip
    return Job(
        number=number, kind=kind, reference=reference, channel=channel, destination=destination, message=message,
        request=orjson.loads(request), state=State(state), created_at=created_at, changed_at=changed_at,
        next_at=next_at, expires_at=expires_at, attempts=attempts, reason_code=reason_code, reason=reason,
        progress=orjson.loads(counted), proof=proof, told=told,
    )  # fmt: skip
