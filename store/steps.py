"""Changes of deliveries, by the table of the lifecycle, and what they do to lanes and counts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from messages.lifecycle import OPEN, Event, Status, after
from messages.message import Step
from store import follow, queries, subjects, unmapped
from store.queries import DESTINATIONS
from store.writer import Transaction

IDLE, READY, WAITING, BLOCKED = range(4)  # lane.state


def apply_steps(tx: Transaction, steps: Sequence[Step]) -> list[bool]:
    """Make changes in their order; False where the delivery, or its subject, no longer stood where the step believed.

    Steps of one delivery that follow each other are one change of its row: they hold or fail together.
    """
    held: list[bool] = []
    for _, together in itertools.groupby(steps, key=_delivery):
        group = list(together)
        held += [_apply(tx, group)] * len(group)
    return held


def apply_step(tx: Transaction, step: Step) -> bool:
    """Make one change, by the table, if the delivery still stands where the step believes."""
    return _apply(tx, [step])


def _delivery(step: Step) -> int:
    return step.delivery


def _apply(tx: Transaction, steps: list[Step]) -> bool:
    first, last = steps[0], steps[-1]
    statuses = [after(step.status, step.event) for step in steps]
    if not all(subjects.is_as_believed(tx, step.subject) for step in steps if step.subject is not None):
        return False
    row = tx.execute(
        queries.MOVE,
        (statuses[-1], tx.now, last.reason, tx.now + last.wait if last.wait else None,
         sum(_attempts(step) for step in steps), sum(step.event is Event.DEFERRED for step in steps),
         next((step.action for step in steps if step.action), None), first.delivery, first.status),
    ).fetchone()  # fmt: skip
    if row is None:
        return False
    destination, lane = row
    for step, status in zip(steps, statuses, strict=True):
        tx.event(
            (step.delivery, tx.now, step.event, status, step.reason, step.by, step.response, step.revision, step.known)
        )
        if step.encoded is not None:
            tx.execute(queries.INSERT_OUTGOING, (step.delivery, step.control_id, step.encoded))
        _note(tx, step, status, destination)
        if step.subject is not None:
            subjects.change(tx, step.subject, step)
        follow.tell(tx, step, destination)
    tx.count(destination, statuses[-1], first.status)
    if (statuses[-1] in OPEN) != (first.status in OPEN) or first.status is Status.ERROR:
        settle_lane(tx, destination, lane)
    elif last.wait:
        tx.execute(queries.SET_LANE, (WAITING, last.delivery, lane))
    return True


def _attempts(step: Step) -> int:
    """Return what a step adds to the attempts: a claim is one, and giving back what was not sent takes it away."""
    if step.event is Event.POSTPONED:
        return -1 if step.status is Status.PENDING else 0
    return int(step.event is Event.CLAIMED)


def _note(tx: Transaction, step: Step, status: Status, destination: int) -> None:
    """Do what some events mean beside the change of status."""
    if step.event is Event.REPROCESSED:
        tx.execute("DELETE FROM outgoing WHERE delivery = ?", (step.delivery,))
    if step.unmapped:
        unmapped.note(tx, step.delivery, destination, step.unmapped)
    elif step.status is Status.ERROR:
        unmapped.release(tx, step.delivery)
    if step.event is Event.ACCEPTED:
        tx.execute(queries.REMEMBER, (destination, step.delivery, step.delivery // DESTINATIONS))
    if step.siblings and status in {Status.SENT, Status.VERIFIED}:
        first = step.delivery // DESTINATIONS * DESTINATIONS
        tx.execute(queries.WAKE_SIBLINGS, (first, first + DESTINATIONS - 1))


def settle_lane(tx: Transaction, destination: int, lane: int) -> None:
    """Find the lane's new head: the oldest open delivery, unless a parked one in front of it blocks the lane."""
    first = tx.execute(queries.FIRST_UNFINISHED, (lane,)).fetchone()
    if first is not None and first[1] == Status.ERROR:
        blocks = tx.execute("SELECT blocks FROM destination WHERE number = ?", (destination,)).fetchone()[0]
        if blocks:
            tx.execute(queries.SET_LANE, (BLOCKED, first[0], lane))
            return
        first = tx.execute(queries.FIRST_OPEN, (lane,)).fetchone()
    tx.execute(queries.SET_LANE, (READY, first[0], lane) if first else (IDLE, None, lane))
