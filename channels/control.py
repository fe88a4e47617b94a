"""What people may do to channels and messages: the one small interface for the console and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from channels import job_control, job_starter
from channels.job_control import JobAct, NoSuchJob
from channels.job_control import allowed as allowed_acts
from messages.lifecycle import Event, Status
from messages.message import Step
from store import directory, reads
from store.jobs import NewJob
from store.steps import apply_step
from store.store import Store
from store.writer import Work

__all__ = ["ACTS", "Act", "Control", "JobAct", "NoSuchChannel", "NoSuchJob", "NoSuchMessage", "Outcome", "allowed_acts"]

T = TypeVar("T")
Act = Literal["retry", "reprocess", "cancel"]

#: A person's act, as the event of the lifecycle. `retry` sends the same bytes again, `reprocess` maps anew.
ACTS: dict[Act, Event] = {"retry": Event.RETRIED, "reprocess": Event.REPROCESSED, "cancel": Event.CANCELLED}


class NoSuchChannel(LookupError):
    """There is no channel of this name."""


class NoSuchMessage(LookupError):
    """There is no message of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one delivery that a person acted on."""

    destination: str
    done: bool
    #: The status now.
    status: str
    #: Why it was not done; None when it was.
    reason: str | None = None


class Control:
    """Acts are committed before they return, with who and why, and then the processes are woken."""

    def __init__(self, store: Store, ring: Callable[[], None]) -> None:
        self._store = store
        self._ring = ring

    def write(self, work: Work[T]) -> T:
        """Run a write that is about people, not channels (accounts, the audit trail) in a transaction of its own."""
        return self._store.writer.now(work)

    def set_state(self, channel: str, state: str, *, by: str, reason: str | None = None) -> None:
        """Start, pause or stop a channel (`started`, `paused`, `stopped`).

        Raises:
            NoSuchChannel: nothing was changed.
        """
        if not directory.set_state(self._store.writer, channel, state, by, reason):
            raise NoSuchChannel(channel)
        self._ring()

    def act(self, message_id: str, act: Act, *, by: str, reason: str | None = None) -> list[Outcome]:
        """Retry, reprocess or cancel the deliveries of a message, where the lifecycle allows it.

        Raises:
            NoSuchMessage: nothing was changed.
        """
        detail = reads.detail(self._store.connection, message_id)
        if detail is None:
            raise NoSuchMessage(message_id)
        outcomes = [self._act(line, act, by, reason) for line in detail.line.deliveries]
        self._ring()
        return outcomes

    def start_job(self, new: NewJob, *, by: str) -> tuple[int, bool]:
        """Write a job that a person asks for; return its number, and whether it is new."""
        number, is_new = self._store.writer.now(lambda tx: job_starter.begin(tx, new, by=by))
        self._ring()
        return number, is_new

    def act_on_job(
        self, number: int, wish: job_control.JobAct, *, by: str, reason: str | None = None, address: str = ""
    ) -> job_control.JobOutcome:
        """Retry, revoke or resume a job.

        Raises:
            NoSuchJob: nothing was changed.
        """
        outcome = job_control.act(self._store, number, wish, by=by, reason=reason, address=address)
        self._ring()
        return outcome

    def _act(self, line: reads.DeliveryLine, act: Act, by: str, reason: str | None) -> Outcome:
        status, event = Status(line.status), ACTS[act]
        refusal = _refusal(status, act, mapped=line.action is not None)
        if refusal:
            return Outcome(destination=line.destination, done=False, status=status, reason=refusal)
        step = Step(delivery=line.id, status=status, event=event, by=by, reason=reason)
        done = self._store.writer.now(lambda tx: apply_step(tx, step))
        now = next(d for d in reads.deliveries(self._store.connection, line.id >> 4) if d.id == line.id)
        reason = None if done else "it has just changed; look again"
        return Outcome(destination=line.destination, done=done, status=now.status, reason=reason)


def _refusal(status: Status, act: Act, *, mapped: bool) -> str | None:
    if act == "cancel":
        if status is Status.PENDING:
            return "its bytes may have left: wait for the answer"
        if status in {Status.RECEIVED, Status.TRANSFORMED, Status.QUEUED, Status.ERROR}:
            return None
        return f"it is {status}"
    if status is not Status.ERROR:
        return f"only parked deliveries (ERROR) can be tried again; it is {status}"
    if act == "retry" and not mapped:
        return "it was never mapped: reprocess it"
    return None
