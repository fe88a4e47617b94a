"""Brings a delivery from where it rests to bytes that may be sent, or to where it is parked or filtered."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from channels import kind as kinds
from channels.channel import Channel, Destination
from channels.gently import gently
from connectors.base import Reply
from messages.identity import control_id
from messages.lifecycle import Event, Status, after
from messages.message import Step
from messages.outcome import Issue
from messages.problem import Problems
from store import follow, reads
from store.store import Store, Work
from transformers.base import Facts, Filtered, Given, HasDoorRules, HasFacts

log = logging.getLogger(__name__)

RESENT = "sent before without an answer; the same bytes go again"
BUG = "a bug of the transformer"
LATE = "not sent again, for today it would not be taken"
HELD = "sent without an answer: look whether it arrived, then retry or cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Steps to be committed before anything is sent, the status after them, and the bytes."""

    steps: tuple[Step, ...]
    status: Status
    #: None: nothing is to be sent.
    encoded: bytes | None = None
    control_id: str | None = None
    #: What the message's subject is known by; empty where its channel has no kind.
    keys: tuple[str, ...] = field(default=(), repr=False)
    #: The rules of the channel's kind want the message to wait.
    wait: kinds.Wait | None = None

    def settle(self, channel: Channel, work: Work, step: Step, reply: Reply) -> Step:
        """Return the step of an answer together with what it does to the subject, if it ends the delivery."""
        if channel.kind is None or not self.keys or step.event not in _ENDS:
            return step
        outcome = kinds.Outcome(
            event=step.event, delivery=work.delivery.id, now=time.time(), code=reply.code, said_at=reply.said_at
        )
        return replace(step, subject=kinds.settle(*channel.kind, self.keys, outcome))


_ENDS = frozenset({Event.ACCEPTED, Event.REFUSED})


def prepare(channel: Channel, destination: Destination, work: Work, store: Store) -> Prepared:
    """Map what is not mapped yet; rule on what was interrupted while it was being sent."""
    delivery = work.delivery
    if delivery.status is Status.RECEIVED:
        store.mark.set(delivery.id)
        prepared = _mapped(channel, destination, work, store)
        store.mark.clear()
        return prepared
    prepared = _overdue(channel, work, store) or _resumed(destination, work)
    return prepared if channel.kind is None else replace(prepared, keys=_keys(channel, *channel.kind, work))


def _keys(channel: Channel, name: str, kind: kinds.Kind, work: Work) -> tuple[str, ...]:
    """Return what the subject of a message is known by that was mapped before this process began."""
    try:
        document = channel.transformer.load(work.message.body)
        return kind.keys(_facts(channel, document, work))
    except Problems:
        # The mapping that runs now cannot read them: the message goes out all the same, and nothing is remembered.
        log.warning("a message has no facts any more", extra={"channel": channel.name, "kind": name})
        return ()


def _facts(channel: Channel, document: Any, work: Work) -> Facts:
    assert isinstance(channel.transformer, HasFacts)  # noqa: S101 - the check let no other transformer have a kind
    return channel.transformer.facts(document, work.message.focus)


def _overdue(channel: Channel, work: Work, store: Store) -> Prepared | None:
    """Return the step of a message that a person tries again and that the door would not take any more today."""
    if work.delivery.status is not Status.QUEUED or not isinstance(channel.transformer, HasDoorRules):
        return None
    if not reads.is_retried(store.connection, work.delivery.id):
        return None
    document = channel.transformer.load(work.message.body)
    broken = channel.transformer.refusals(document, work.message.focus, datetime.now(UTC))
    if not broken:
        return None
    step = Step(
        delivery=work.delivery.id, status=Status.QUEUED, event=Event.OVERDUE,
        reason=f"{LATE}: {'; '.join(f'{problem.code}: {problem.text}' for problem in broken)}",
        issues=tuple(Issue(code=problem.code, text=problem.text) for problem in broken),
    )  # fmt: skip
    return Prepared(steps=(step,), status=Status.ERROR)


def _resumed(destination: Destination, work: Work) -> Prepared:
    delivery = work.delivery
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


def _mapped(channel: Channel, destination: Destination, work: Work, store: Store) -> Prepared:
    step = _mapping(channel, destination, work, store)
    if isinstance(step, kinds.Wait):
        return Prepared(steps=(), status=Status.RECEIVED, wait=step)
    return Prepared(
        steps=(step,), status=after(step.status, step.event), encoded=step.encoded, control_id=step.control_id,
        keys=step.subject.keys if step.subject else (),
    )  # fmt: skip


def _mapping(channel: Channel, destination: Destination, work: Work, store: Store) -> Step | kinds.Wait:
    """Map by the revision that runs, whichever accepted the message; the step says which it was."""
    message = work.message
    decision: kinds.Decision | None = None
    outcome = functools.partial(
        Step, delivery=work.delivery.id, status=Status.RECEIVED, revision=channel.revision, known=work.known
    )
    now = datetime.now(UTC)
    try:
        document = channel.transformer.load(message.body)
        if channel.kind is not None:
            facts = _facts(channel, document, work)
            several = len(channel.destinations) > 1
            decision = kinds.decide(channel.kind, facts, store.connection, work, now=now.timestamp(), several=several)
            outcome = functools.partial(_with_subject, outcome, decision)
            if isinstance(decision.said, kinds.Wait):
                return decision.said
            if isinstance(decision.said, kinds.Hold):
                return outcome(event=Event.RULED_OUT, reason=decision.said.reason)
            if isinstance(decision.said, Problems):
                raise decision.said
        given = Given(
            now=now, control_id=control_id(), destination=destination.name, focus=message.focus, known=work.known,
            values=decision.values if decision is not None else {}, asked=_asked(channel, work),
        )  # fmt: skip
        transform = functools.partial(channel.transformer.transform, document, given)
        result = gently().do(transform) if channel.is_heavy else transform()
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
    warning = decision.said.warning if decision is not None and isinstance(decision.said, kinds.Go) else None
    return outcome(
        event=Event.MAPPED, encoded=result.encoded, control_id=result.control_id, action=result.action, reason=warning
    )  # fmt: skip


def _asked(channel: Channel, work: Work) -> bool:
    """Return whether the door asked its rules of a message by the revision that runs; mapped anew, it is asked anew."""
    return work.untouched and work.message.revision == channel.revision and channel.source != follow.CONNECTOR


def _with_subject(outcome: Callable[..., Step], decision: kinds.Decision, *, event: Event, **rest: Any) -> Step:
    """Return a step together with what it does to the message's subject."""
    return outcome(event=event, subject=decision.change(event), **rest)


def _ended(delivery: int, status: Status, event: Event, reason: str) -> Prepared:
    step = Step(delivery=delivery, status=status, event=event, reason=reason)
    return Prepared(steps=(step,), status=after(status, event))
