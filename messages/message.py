"""A message as it was received, and what is to be delivered of it. Frozen: the store changes, these do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from messages.lifecycle import Event, Status
from messages.outcome import Issue
from messages.problem import Problem, Unmapped
from messages.subject import SubjectChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as received. Times are seconds since 1970-01-01 UTC."""

    #: Order of acceptance in the store; internal.
    number: int
    #: ULID; the only name of a message in URLs, logs and on the command line.
    id: str
    channel: str
    #: Revision of the channel that accepted it.
    revision: str
    received_at: float
    #: Label of the peer that sent it (an address, never a person).
    peer: str
    content_type: str
    body: bytes
    #: Which of several things in `body` this message is about (entry number of a Bundle); None for all of it.
    focus: int | None = None
    #: Searchable values by name, as the mapping's `index:` says. Patient data: never in logs or URLs.
    index: Mapping[str, str] = field(default_factory=dict)
    #: While it is accepted: what the sender is warned of.
    warnings: tuple[Problem, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way to one destination."""

    id: int
    message: int
    channel: str
    destination: str
    #: The lane it stands in: destination and ordering key; messages of one lane never overtake.
    lane: int
    status: Status
    #: Sends that were begun; counted and stored before the first byte leaves.
    attempts: int
    #: Our MSH-10 (or the id that the protocol uses instead); None until mapped.
    control_id: str | None
    #: The bytes to send, the same at every attempt; None until mapped.
    encoded: bytes | None
    #: Event of the mapping's `route:` that chose the rules (request, cancel, …); None until mapped.
    action: str | None
    #: Why it waits, was filtered or is parked. Never holds a value of the message.
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of a delivery, to be stored: what happened, and what it brought with it."""

    delivery: int
    #: The status the writer believes the delivery has; another one in the store means no change at all.
    status: Status
    event: Event
    reason: str | None = None
    #: With MAPPED: the outgoing bytes, their control id and the action of the route.
    encoded: bytes | None = None
    control_id: str | None = None
    action: str | None = None
    #: With MAPPED, RULED_OUT and UNMAPPABLE: the revision that said so, and what `%known` was.
    revision: str | None = None
    known: bool | None = None
    #: With UNMAPPABLE: the codes that wait for a row in a table. Of the message.
    unmapped: tuple[Unmapped, ...] = field(default=(), repr=False)
    #: With an answer: the peer's bytes as they came.
    response: bytes | None = None
    #: What was said, one thing at a time, for the channels that follow this one.
    issues: tuple[Issue, ...] = field(default=(), repr=False)
    #: With QUEUED as the outcome: seconds to wait before the next attempt.
    wait: float = 0.0
    #: Who did it, for a person's act; None for the host.
    by: str | None = None
    #: The message has other destinations, which may wait for this one (`after:`).
    siblings: bool = False
    #: What is remembered from now on of the thing that the message is about.
    subject: SubjectChange | None = field(default=None, repr=False)
