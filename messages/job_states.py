"""The lives of jobs, as tables that everything else obeys: a study share, and a pull of prior studies.

A job is work that takes longer than an answer: it rests in the store between steps and goes on after a crash.
Rule 1: every change of state goes through `after`. Rule 2: SHARING can be reached from ELIGIBLE alone, and ELIGIBLE by
`PROVEN` alone: a study is shared only when it has verifiably arrived. docs/study-share.md is drawn from these tables.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job rests."""

    RECEIVED = "RECEIVED"  #: stored; not looked at
    VALIDATED = "VALIDATED"  #: all that can be checked before a transfer holds
    QUERYING = "QUERYING"  #: prior: the stations are asked what they have
    TRANSFERRING = "TRANSFERRING"  #: instances are on their way
    VERIFYING = "VERIFYING"  #: the target is asked what has arrived
    ELIGIBLE = "ELIGIBLE"  #: arrival is proven; the proof is recorded
    SHARING = "SHARING"  #: recipients are being given access
    SHARED = "SHARED"  #: every recipient has an outcome, and at least one has access
    ARRIVED = "ARRIVED"  #: prior: all that was asked for is proven to be there
    REJECTED = "REJECTED"  #: a check said no; it is named, with its cure
    TRANSFER_FAILED = "TRANSFER_FAILED"  #: the transfer ended for good, or was tried too often
    VERIFY_FAILED = "VERIFY_FAILED"  #: arrival could not be proven within the time
    SHARE_FAILED = "SHARE_FAILED"  #: no recipient could be given access
    EXPIRED = "EXPIRED"  #: the time of the share is over
    REVOKED = "REVOKED"  #: a person ended it
    CANCELLED = "CANCELLED"  #: prior: a person ended it


class Event(StrEnum):
    """What can happen to a job."""

    RECEIVED = "received"  #: stored: the first line of every history
    PASSED = "passed"  #: the checks before the transfer hold
    REFUSED = "refused"  #: a check does not
    BEGUN = "begun"  #: the next part begins
    FOUND = "found"  #: prior: the studies to be pulled are known
    NOTHING = "nothing found"  #: prior: no station has any such study
    MOVED = "moved"  #: the transfer has ended; what has arrived is not known yet
    INTERRUPTED = "interrupted"  #: it did not end, or not now; it is tried again
    FAILED = "failed"  #: it ended for good without success
    INCOMPLETE = "incomplete"  #: the target lacks instances; they are sent again
    PROVEN = "proven"  #: the target has every instance, by the proof that the site asks for
    SHARED = "shared"  #: recipients have access
    RETRIED = "retried"  #: by a person
    REVOKED = "revoked"  #: by a person
    EXPIRED = "expired"  #: its time is over


class ImpossibleStep(Exception):
    """A step that the table does not allow: a bug, not a circumstance."""


Table = dict[tuple[State, Event], State]
S, E = State, Event

#: A study share. Source: the product's own rules (Blume Share): no share before a verified migration.
SHARE: Table = {
    (S.RECEIVED, E.PASSED): S.VALIDATED,
    (S.RECEIVED, E.REFUSED): S.REJECTED,
    (S.RECEIVED, E.INTERRUPTED): S.RECEIVED,
    (S.VALIDATED, E.BEGUN): S.TRANSFERRING,
    (S.TRANSFERRING, E.MOVED): S.VERIFYING,
    (S.TRANSFERRING, E.INTERRUPTED): S.TRANSFERRING,
    (S.TRANSFERRING, E.FAILED): S.TRANSFER_FAILED,
    (S.VERIFYING, E.PROVEN): S.ELIGIBLE,
    (S.VERIFYING, E.INCOMPLETE): S.TRANSFERRING,
    (S.VERIFYING, E.INTERRUPTED): S.VERIFYING,
    (S.VERIFYING, E.FAILED): S.VERIFY_FAILED,
    (S.ELIGIBLE, E.BEGUN): S.SHARING,
    (S.ELIGIBLE, E.REFUSED): S.REJECTED,
    (S.ELIGIBLE, E.INTERRUPTED): S.ELIGIBLE,
    (S.SHARING, E.SHARED): S.SHARED,
    (S.SHARING, E.INTERRUPTED): S.SHARING,
    (S.SHARING, E.FAILED): S.SHARE_FAILED,
    # A person tries again: from the checks, or from the transfer, in which nothing proven is sent again.
    (S.REJECTED, E.RETRIED): S.RECEIVED,
    (S.TRANSFER_FAILED, E.RETRIED): S.TRANSFERRING,
    (S.VERIFY_FAILED, E.RETRIED): S.TRANSFERRING,
    (S.SHARE_FAILED, E.RETRIED): S.TRANSFERRING,
    **{
        (state, event): ends
        for state in (
            S.RECEIVED, S.VALIDATED, S.TRANSFERRING, S.VERIFYING, S.ELIGIBLE, S.SHARING, S.SHARED, S.REJECTED,
            S.TRANSFER_FAILED, S.VERIFY_FAILED, S.SHARE_FAILED,
        )
        for event, ends in ((E.REVOKED, S.REVOKED), (E.EXPIRED, S.EXPIRED))
    },
}  # fmt: skip

#: A pull of prior studies.
PRIOR: Table = {
    (S.RECEIVED, E.PASSED): S.QUERYING,
    (S.RECEIVED, E.REFUSED): S.REJECTED,
    (S.QUERYING, E.FOUND): S.TRANSFERRING,
    (S.QUERYING, E.NOTHING): S.ARRIVED,
    (S.QUERYING, E.INTERRUPTED): S.QUERYING,
    (S.QUERYING, E.REFUSED): S.REJECTED,
    (S.QUERYING, E.FAILED): S.TRANSFER_FAILED,
    (S.TRANSFERRING, E.MOVED): S.VERIFYING,
    (S.TRANSFERRING, E.INTERRUPTED): S.TRANSFERRING,
    (S.TRANSFERRING, E.FAILED): S.TRANSFER_FAILED,
    (S.VERIFYING, E.PROVEN): S.ARRIVED,
    (S.VERIFYING, E.INCOMPLETE): S.TRANSFERRING,
    (S.VERIFYING, E.INTERRUPTED): S.VERIFYING,
    (S.VERIFYING, E.FAILED): S.VERIFY_FAILED,
    (S.REJECTED, E.RETRIED): S.RECEIVED,
    (S.TRANSFER_FAILED, E.RETRIED): S.QUERYING,
    (S.VERIFY_FAILED, E.RETRIED): S.TRANSFERRING,
    **{
        (state, E.REVOKED): S.CANCELLED
        for state in (
            S.RECEIVED, S.QUERYING, S.TRANSFERRING, S.VERIFYING, S.REJECTED, S.TRANSFER_FAILED, S.VERIFY_FAILED,
        )
    },
}  # fmt: skip

#: Kind of job → its table.
TABLES: dict[str, Table] = {"study-share": SHARE, "pull-prior": PRIOR}

#: A runner works on these; the others are at rest until a person acts, or for good.
OPEN = frozenset({S.RECEIVED, S.VALIDATED, S.QUERYING, S.TRANSFERRING, S.VERIFYING, S.ELIGIBLE, S.SHARING})
#: Ended without what was asked for; a person may try again.
FAILED = frozenset({S.REJECTED, S.TRANSFER_FAILED, S.VERIFY_FAILED, S.SHARE_FAILED})

#: State → status of the FHIR Task that started it (http://hl7.org/fhir/R4/valueset-task-status.html).
TASK_STATUS: dict[State, str] = {
    S.RECEIVED: "requested",
    S.VALIDATED: "accepted",
    S.QUERYING: "in-progress",
    S.TRANSFERRING: "in-progress",
    S.VERIFYING: "in-progress",
    S.ELIGIBLE: "in-progress",
    S.SHARING: "in-progress",
    S.SHARED: "completed",
    S.ARRIVED: "completed",
    S.REJECTED: "rejected",
    S.TRANSFER_FAILED: "failed",
    S.VERIFY_FAILED: "failed",
    S.SHARE_FAILED: "failed",
    S.EXPIRED: "completed",
    S.REVOKED: "cancelled",
    S.CANCELLED: "cancelled",
}


def after(kind: str, state: State, event: Event) -> State:
    """Return the state that follows `event`.

    Raises:
        ImpossibleStep: the table has no such step.
    """
    try:
        return TABLES[kind][state, event]
    except KeyError:
        raise ImpossibleStep(f"a {kind} that is {state} cannot be {event}") from None


def allows(kind: str, state: State, event: Event) -> bool:
    """Say whether the table has the step: what a person may be offered."""
    return (state, event) in TABLES[kind]
