"""What people may do to channels and messages: the one small interface for the console and the command line."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from channels import job_control, job_starter
from channels.job_control import JobAct, NoSuchJob
from channels.job_control import allowed as allowed_acts
from messages.lifecycle import Event, Status
from messages.message import Step
from store import audit, directory, parked, pauses, reads
from store.jobs import NewJob
from store.steps import apply_step
from store.store import Store
from store.writer import Transaction, Work

__all__ = [
    "ACTS",
    "Act",
    "Control",
    "JobAct",
    "NoSuchChannel",
    "NoSuchJob",
    "NoSuchMessage",
    "Outcome",
    "Person",
    "allowed_acts",
]

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

    def set_state(  # noqa: PLR0913  # who, why, from where and until when
        self,
        channel: str,
        state: str,
        *,
        by: str,
        reason: str | None = None,
        address: str = "",
        until: float | None = None,
    ) -> None:
        """Start, pause or stop a channel (`started`, `paused`, `stopped`).

        Args:
            channel: its name.
            state: as it is to be.
            by: who wants it.
            reason: why.
            address: network address of who; "" for this machine.
            until: when a pause ends by itself; seconds since 1970-01-01 UTC.

        Raises:
            NoSuchChannel: nothing was changed.
        """
        detail = {"state": state, **({"reason": reason} if reason else {}), **({"until": until} if until else {})}

        def work(tx: Transaction) -> NoSuchChannel | None:
            if not directory.change_state(tx, channel, state, by, reason):
                return NoSuchChannel(channel)
            pauses.set_end(tx, channel, until if state == "paused" else None)
            audit.record(tx, by, "configuration-changed", f"channel:{channel}", address=address, detail=detail)
            return None

        self._store.writer.now(work)
        self._ring()

    def end_pauses(self) -> list[str]:
        """Start the channels whose pause is over; return their names."""
        over = pauses.over(self._store.connection, time.time())
        for channel in over:
            self.set_state(channel, "started", by="the end of the pause", reason=None)
        return over

    def act(self, message_id: str, act: Act, *, by: str, reason: str | None = None, address: str = "") -> list[Outcome]:
        """Retry, reprocess or cancel the deliveries of a message, where the lifecycle allows it.

        Raises:
            NoSuchMessage: nothing was changed.
        """
        detail = reads.detail(self._store.connection, message_id)
        if detail is None:
            raise NoSuchMessage(message_id)
        outcomes = [self._act(line, message_id, Person(by, reason, address), act) for line in detail.line.deliveries]
        self._ring()
        return outcomes

    def act_on_parked(
        self, deliveries: Sequence[tuple[str, int]], *, by: str, reason: str | None = None, address: str = ""
    ) -> int:
        """Try parked deliveries (message id, delivery) again, those that were mapped with the same bytes.

        Returns:
            how many; the others have changed meanwhile.
        """
        done = 0
        for first in range(0, len(deliveries), TOGETHER):
            batch = deliveries[first : first + TOGETHER]
            done += self._store.writer.now(functools.partial(_again, batch, Person(by, reason, address)))
            self._ring()
        return done

    def start_job(self, new: NewJob, *, by: str) -> tuple[int, bool]:
        """Write a job that a person asks for; return its number, and whether it is new."""
        number, is_new = self._store.writer.now(lambda tx: job_starter.begin(tx, new, by=by))
        self._ring()
        return number, is_new

    def act_on_job(
        self, number: int, wish: JobAct, *, by: str, reason: str | None = None, address: str = ""
    ) -> job_control.JobOutcome:
        """Retry, revoke or resume a job.

        Raises:
            NoSuchJob: nothing was changed.
        """
        outcome = job_control.act(self._store, number, wish, by=by, reason=reason, address=address)
        self._ring()
        return outcome

    def _act(self, line: reads.DeliveryLine, message_id: str, person: Person, act: Act) -> Outcome:
        status, event = Status(line.status), ACTS[act]
        refusal = _refusal(status, act, mapped=line.action is not None)
        if refusal:
            return Outcome(destination=line.destination, done=False, status=status, reason=refusal)
        step = Step(delivery=line.id, status=status, event=event, by=person.name, reason=person.reason)
        done = self._store.writer.now(functools.partial(_step, step, message_id, person))
        now = next(d for d in reads.deliveries(self._store.connection, line.id >> 4) if d.id == line.id)
        reason = None if done else "it has just changed; look again"
        return Outcome(destination=line.destination, done=done, status=now.status, reason=reason)


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts, why, and from where."""

    name: str
    reason: str | None
    address: str


#: Deliveries that one transaction tries again: nobody waits long behind it.
TOGETHER = 100


def _step(step: Step, message_id: str, person: Person, tx: Transaction) -> bool:
    """Make a person's step, with its line in the audit trail."""
    done = apply_step(tx, step)
    if done:
        detail = {"did": step.event, **({"reason": person.reason} if person.reason else {})}
        audit.record(tx, person.name, "message-changed", f"message:{message_id}", address=person.address, detail=detail)
    return done


def _again(batch: Sequence[tuple[str, int]], person: Person, tx: Transaction) -> int:
    done = 0
    for message_id, delivery in batch:
        event = Event.RETRIED if parked.is_mapped(tx, delivery) else Event.REPROCESSED
        step = Step(delivery=delivery, status=Status.ERROR, event=event, by=person.name, reason=person.reason)
        done += _step(step, message_id, person, tx)
    return done


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
