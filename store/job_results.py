"""The laboratory results that a job is about: each accounted for, from OmegaAI's list to PowerServer's acceptance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from store.connection import Connection
from store.writer import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """A result that a job is about."""

    #: OmegaAI's technical name of it, such as DiagnosticReport/12.
    name: str
    #: expected; handed over: a channel of ours has it; delivered; ignored: a rule of the channel says no; refused.
    state: str = "expected"
    #: Id of the channel's message.
    message: str | None = None
    #: Why it is ignored or refused; no value of the result.
    reason: str | None = None


def expect(tx: Transaction, job: int, names: Iterable[str]) -> None:
    """Write the results that a job is about; those that it has already keep what is known of them."""
    tx.executemany(
        "INSERT INTO job_result (job, name, state) VALUES (?, ?, 'expected') ON CONFLICT (job, name) DO NOTHING",
        [(job, name) for name in names],
    )


def note(tx: Transaction, job: int, result: JobResult) -> None:
    """Note how far a result is."""
    tx.execute(
        "UPDATE job_result SET state = ?, message = ?, reason = ? WHERE job = ? AND name = ?",
        (result.state, result.message, result.reason, job, result.name),
    )


def results(connection: Connection, job: int) -> list[JobResult]:
    """Return the results of a job, by name."""
    rows = connection.execute("SELECT name, state, message, reason FROM job_result WHERE job = ? ORDER BY name", (job,))
    return [JobResult(name=name, state=state, message=message, reason=reason) for name, state, message, reason in rows]


def tally(connection: Connection, job: int) -> dict[str, int]:
    """Return how many results of a job are how far."""
    rows = connection.execute("SELECT state, count(*) FROM job_result WHERE job = ? GROUP BY state", (job,))
    return dict(rows.fetchall())
