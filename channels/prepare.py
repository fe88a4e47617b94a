"""Brings a delivery from where it rests to bytes that may be sent, or to where it is parked or filtered."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from channels.channel import Channel, Destination
from messages.identity import control_id
from messages.lifecycle import Event, Status, after
from messages.message import Step
from messages.outcome import Issue
from messages.problem import Problems
from store.mark import Mark
from store.store import Work
from transformers.base import Filtered, Given

log = logging.getLogger(__name__)

RESENT = "sent before without an answer; the same bytes go again"
BUG = "a bug of the transformer"
HELD = "sent without an answer: look whether it arrived, then retry or cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Steps to be committed before anything is sent, the status after them, and the bytes."""

    steps: tuple[Step, ...]
    status: Status
    #: None: nothing is to be sent.
    encoded: bytes | None = None
    control_id: str | None = None


def prepare(channel: Channel, destination: Destination, work: Work, mark: Mark) -> Prepared:
    """Map what is not mapped yet; rule on what was interrupted while it was being sent."""
    delivery = work.delivery
    if delivery.status is Status.RECEIVED:
        mark.set(delivery.id)
        prepared = _mapped(channel, destination, work)
        mark.clear()
        return prepared
    if delivery.status is not Status.PENDING:
        return Prepared(
            steps=(), status=delivery.status, encoded=delivery.encoded, control_id=delivery.control_id
        )  # fmt: skip
    # This process has just begun with the lane: the one before it ended between the claim and the answer.
    if destination.policy.hold_unanswered:
        return _ended(delivery.id, Status.PENDING, Event.HELD, HELD)
    step = Step(delivery=delivery.id, status=Status.PENDING, event=Event.UNANSWERED, reason=RESENT)
    return Prepared(
        steps=(step,), status=Status.QUEUED, encoded=delivery.encoded, control_id=delivery.control_id
    )  # fmt: skip


def _mapped(channel: Channel, destination: Destination, work: Work) -> Prepared:
    step = _mapping(channel, destination, work)
    return Prepared(
        steps=(step,), status=after(step.status, step.event), encoded=step.encoded, control_id=step.control_id
    )  # fmt: skip


def _mapping(channel: Channel, destination: Destination, work: Work) -> Step:
    """Map by the revision that runs, whichever accepted the message; the step says which it was."""
    message = work.message
    outcome = functools.partial(
        Step, delivery=work.delivery.id, status=Status.RECEIVED, revision=channel.revision, known=work.known
    )
    given = Given(
        now=datetime.now(UTC), control_id=control_id(), destination=destination.name, focus=message.focus,
        known=work.known,
    )  # fmt: skip
    try:
        result = channel.transformer.transform(channel.transformer.load(message.body), given)
    except Problems as problems:
        codes = tuple(code for problem in problems.problems for code in problem.unmapped)
        issues = tuple(Issue(code=problem.code, text=problem.text) for problem in problems.problems)
        return outcome(event=Event.UNMAPPABLE, reason=str(problems), unmapped=codes, issues=issues)
    except Exception as error:
        # A bug of the transformer concerns this message; the others must not wait for it.
        log.exception("a transformer failed", extra={"channel": channel.name, "message_id": message.id})
        return outcome(event=Event.UNMAPPABLE, reason=f"{BUG}: {type(error).__name__}")
    if isinstance(result, Filtered):
        return outcome(event=Event.RULED_OUT, reason=result.reason)
    return outcome(
        event=Event.MAPPED, encoded=result.encoded, control_id=result.control_id, action=result.action
    )  # fmt: skip


def _ended(delivery: int, status: Status, event: Event, reason: str) -> Prepared:
    step = Step(delivery=delivery, status=status, event=event, reason=reason)
    return Prepared(steps=(step,), status=after(status, event))
