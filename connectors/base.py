"""What a connector is. This file is the whole contract; connectors know nothing of channels or stores.

A connector's settings are its dataclass fields: `field(metadata={"help": "…"})` gives the help, the check
and the documentation. Where an error is raised says what it means; the standard library's are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from messages.lifecycle import Event
from messages.message import Message
from messages.problem import Problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message at the door, complete and within its size limit, not yet looked into."""

    body: bytes
    content_type: str
    #: Label of the peer: an address, never a person.
    peer: str
    #: Identity that the sender gave it (Idempotency-Key, or MSH-3/4/10); None: the content says, or its SHA-256.
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender is told; stored with the message, so that a resend is told the same."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class IdentityConflict(Exception):
    """The same identity came before with other bytes. Nothing was stored but the fact."""


class StoreUnavailable(Exception):
    """The message could not be committed: the sender must keep it and try again."""


#: Makes the answer from the messages that are being accepted; called inside the commit.
Compose = Callable[[Sequence[Message]], Answer]


class Intake(Protocol):
    """The door of the channels behind one source connector."""

    async def accept(self, arrival: Arrival, compose: Compose) -> Answer:
        """Check, commit, and only then return the answer to give; a resend gets the stored one.

        Raises:
            Problems: refused; recorded. `problem.issue_type` and `expression` say why and where.
            IdentityConflict: same identity, other bytes.
            StoreUnavailable: not committed.
        """
        ...

    async def refuse(self, arrival: Arrival, problems: Problems) -> None:
        """Record what the connector itself had to refuse (too large, wrong media type, broken frame)."""
        ...

    def state(self, message_id: str) -> Sequence[Mapping[str, object]] | None:
        """Return the deliveries of a message: destination, status, reason, at; None when unknown."""
        ...


@runtime_checkable
class SourceConnector(Protocol):
    """Receives messages. One instance serves all channels that name the same address."""

    async def serve(self, intake: Intake, ready: Callable[[str], None]) -> None:
        """Listen until cancelled. Call `ready("host:port")` once the door is open.

        Raises:
            OSError: the address cannot be had; the host says which and goes on with the others.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The peer's answer, and what it means for the delivery."""

    raw: bytes
    #: ACCEPTED, DEFERRED or REFUSED.
    event: Event
    #: For a person: the peer's code and words. May hold patient data: shown, never logged.
    reason: str | None = None
    #: The peer's own code of what is wrong (ERR-5, OperationOutcome.issue.details); None where it gives none.
    code: str | None = None
    #: When the peer says that it answered (MSH-7 of an acknowledgement): seconds since 1970-01-01 UTC, by its clock.
    said_at: float | None = None


@runtime_checkable
class DestinationConnector(Protocol):
    """Delivers messages over one line; a lane never uses it for two messages at a time."""

    async def open(self) -> None:
        """Make sure that the line stands; cheap when it does.

        Raises:
            OSError: cannot be reached. Nothing has left; the delivery is not touched.
        """
        ...

    async def send(self, encoded: bytes, control_id: str) -> Reply:
        """Send and wait for the answer.

        Raises:
            OSError: it may have left and no answer counts (TimeoutError included). The line is closed.
        """
        ...

    async def close(self) -> None:
        """Hang up; never raises."""
        ...


__all__: Sequence[str] = [
    "Answer",
    "Arrival",
    "Compose",
    "DestinationConnector",
    "IdentityConflict",
    "Intake",
    "Reply",
    "SourceConnector",
    "StoreUnavailable",
]
