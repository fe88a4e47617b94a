"""The life of a delivery, as one table that everything else obeys.

Rule 1: every change of status goes through `after`. Rule 2: what is not in the table cannot happen;
it is a bug, and it stops the worker that tried it. docs/lifecycle.md is drawn from this table.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a delivery (one message to one destination) rests."""

    RECEIVED = "RECEIVED"  #: stored, not mapped
    FILTERED = "FILTERED"  #: a rule said no; the rule is named
    TRANSFORMED = "TRANSFORMED"  #: mapped; the outgoing bytes are stored
    QUEUED = "QUEUED"  #: waits for the destination; next attempt time and reason known
    PENDING = "PENDING"  #: bytes may have left; no answer stored
    SENT = "SENT"  #: the peer's acceptance is stored
    VERIFIED = "VERIFIED"  #: read back from the peer
    ERROR = "ERROR"  #: parked with a reason and what to do
    CANCELLED = "CANCELLED"  #: by whom and why is in the timeline


class Event(StrEnum):
    """What can happen to a delivery."""

    MAPPED = "mapped"  #: the transformer gave bytes
    RULED_OUT = "ruled out"  #: a rule of the mapping filtered it
    UNMAPPABLE = "unmappable"  #: the transformer raised Problems
    CLAIMED = "claimed"  #: the lane is about to send
    POSTPONED = "postponed"  #: the destination cannot be reached, or not now; nothing has left
    ACCEPTED = "accepted"  #: the peer's acceptance was read
    REFUSED = "refused"  #: the peer said no for good
    DEFERRED = "deferred"  #: the peer said not now
    UNANSWERED = "unanswered"  #: sent, and no answer that counts: it may have arrived
    HELD = "held"  #: as UNANSWERED, where the mapping says `when_unanswered: hold`
    PROVEN = "proven"  #: read back from the peer
    OVERDUE = "overdue"  #: tried again by a person, and the rules of the door say no by now: nothing left
    RETRIED = "retried"  #: by a person: the same bytes again
    REPROCESSED = "reprocessed"  #: by a person: mapped anew
    CANCELLED = "cancelled"  #: by a person


class ImpossibleTransition(Exception):
    """A step that the table does not allow: a bug, not a circumstance."""


TRANSITIONS: dict[tuple[Status, Event], Status] = {
    (Status.RECEIVED, Event.MAPPED): Status.TRANSFORMED,
    (Status.RECEIVED, Event.RULED_OUT): Status.FILTERED,
    (Status.RECEIVED, Event.UNMAPPABLE): Status.ERROR,
    (Status.RECEIVED, Event.CANCELLED): Status.CANCELLED,
    (Status.TRANSFORMED, Event.CLAIMED): Status.PENDING,
    (Status.TRANSFORMED, Event.POSTPONED): Status.QUEUED,
    (Status.TRANSFORMED, Event.CANCELLED): Status.CANCELLED,
    (Status.QUEUED, Event.CLAIMED): Status.PENDING,
    (Status.QUEUED, Event.POSTPONED): Status.QUEUED,
    (Status.QUEUED, Event.OVERDUE): Status.ERROR,
    (Status.QUEUED, Event.CANCELLED): Status.CANCELLED,
    (Status.PENDING, Event.ACCEPTED): Status.SENT,
    (Status.PENDING, Event.REFUSED): Status.ERROR,
    (Status.PENDING, Event.DEFERRED): Status.QUEUED,
    (Status.PENDING, Event.UNANSWERED): Status.QUEUED,
    (Status.PENDING, Event.HELD): Status.ERROR,
    (Status.PENDING, Event.POSTPONED): Status.QUEUED,
    (Status.SENT, Event.PROVEN): Status.VERIFIED,
    (Status.ERROR, Event.RETRIED): Status.QUEUED,
    (Status.ERROR, Event.REPROCESSED): Status.RECEIVED,
    (Status.ERROR, Event.CANCELLED): Status.CANCELLED,
}

#: A lane works on these; the others are at rest for good or until a person acts.
OPEN = frozenset({Status.RECEIVED, Status.TRANSFORMED, Status.QUEUED, Status.PENDING})

#: conservation: accepted = delivered + filtered + parked + cancelled + pending
SHARES: dict[str, frozenset[Status]] = {
    "delivered": frozenset({Status.SENT, Status.VERIFIED}),
    "filtered": frozenset({Status.FILTERED}),
    "parked": frozenset({Status.ERROR}),
    "cancelled": frozenset({Status.CANCELLED}),
    "pending": OPEN,
}


def after(status: Status, event: Event) -> Status:
    """Return the status that follows `event`.

    Raises:
        ImpossibleTransition: the table has no such step.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise ImpossibleTransition(f"a {status} delivery cannot be {event}") from None
