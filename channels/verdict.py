"""What an answer of the destination, or its absence, does to a delivery."""

from __future__ import annotations

from channels.backoff import wait_before
from channels.channel import Policy
from channels.prepare import HELD
from connectors.base import Reply
from messages.lifecycle import Event, Status
from messages.message import Step
from messages.outcome import Issue
from store.store import Work


def answered(policy: Policy, work: Work, reply: Reply, *, siblings: bool) -> Step:
    """Return the step of an answer: "not now" is tried again a few times, and then parked."""
    event, wait = reply.event, 0.0
    if event is Event.DEFERRED:
        if work.refusals + 1 >= policy.refused:
            event = Event.REFUSED
        else:
            wait = wait_before(work.refusals + 1, policy.wait)
    return Step(
        delivery=work.delivery.id, status=Status.PENDING, event=event, reason=reply.reason, response=reply.raw,
        wait=wait, siblings=siblings, issues=(Issue(code=reply.code, text=reply.reason or ""),) if reply.code else (),
    )  # fmt: skip


def unanswered(policy: Policy, work: Work, error: OSError) -> Step:
    """Return the step of a send without an answer that counts: the same bytes again, or a person decides."""
    if policy.hold_unanswered:
        return Step(delivery=work.delivery.id, status=Status.PENDING, event=Event.HELD, reason=HELD)
    return Step(
        delivery=work.delivery.id, status=Status.PENDING, event=Event.UNANSWERED,
        reason=f"no answer that counts ({type(error).__name__}: {error}); the same bytes go again",
        wait=wait_before(work.delivery.attempts + 1, policy.wait),
    )  # fmt: skip


def unsent(work: Work, reason: str) -> Step:
    """Return the step that gives back the claim of a message of which no byte has left."""
    return Step(delivery=work.delivery.id, status=Status.PENDING, event=Event.POSTPONED, reason=reason)
