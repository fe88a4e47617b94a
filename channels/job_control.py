"""What people may do to jobs: try again, end, look at once. Committed with who and why, before it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from messages.audit import Outcome as Ended
from messages.job_states import OPEN, State, allows
from messages.job_states import Event as JobEvent
from store import audit, job_parts, jobs
from store.store import Store
from store.writer import Transaction

JobAct = Literal["retry", "revoke", "resume"]

#: A person's act → event of the job's table. `resume` moves nothing: a job that waits is looked at at once.
ACTS: dict[JobAct, JobEvent | None] = {"retry": JobEvent.RETRIED, "revoke": JobEvent.REVOKED, "resume": None}


class NoSuchJob(LookupError):
    """There is no job of this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What became of a job that a person acted on."""

    number: int
    done: bool
    state: str
    #: Why it was not done; None when it was.
    reason: str | None = None


def allowed(job: jobs.Job) -> list[JobAct]:
    """Return what a person may do to a job now."""
    found: list[JobAct] = [
        act for act, event in ACTS.items() if event is not None and allows(job.kind, job.state, event)
    ]
    return [*found, "resume"] if job.state in OPEN and job.reason_code is not None else found


def act(  # noqa: PLR0913  # who does what to which, why, and from where
    store: Store, number: int, wish: JobAct, *, by: str, reason: str | None = None, address: str = ""
) -> JobOutcome:
    """Retry, revoke or resume a job, where its table allows it.

    Raises:
        NoSuchJob: nothing was changed.
    """
    job = jobs.get(store.connection, number)
    if job is None:
        raise NoSuchJob(str(number))
    if wish not in allowed(job):
        return JobOutcome(number=number, done=False, state=job.state, reason=f"it is {job.state}")

    def work(tx: Transaction) -> State | None:
        event = ACTS[wish]
        if event is None:
            jobs.look_now(tx, number)
            now: State | None = job.state
        else:
            now = jobs.move(tx, job, event, reason=reason, by=by)
        if now is not None:
            if wish == "retry":
                job_parts.ask_again(tx, number)
            what = "share-revoked" if wish == "revoke" and job.kind == "study-share" else "job-changed"
            detail = {"act": wish, **({"reason": reason} if reason else {})}
            audit.record(tx, by, what, f"job:{number}", Ended.SUCCESS, address=address, detail=detail)
        return now

    now = store.writer.now(work)
    if now is None:
        return JobOutcome(number=number, done=False, state=job.state, reason="it has just changed; look again")
    return JobOutcome(number=number, done=True, state=now)
