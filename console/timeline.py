"""What happened to one message, in order, and what a person may do with it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from channels.control import ACTS, Act
from console.panes import Describe, Origin, Pane, pane
from messages.lifecycle import TRANSITIONS, Event, Status
from store.reads import DeliveryLine, MessageDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One step of one delivery. Times are seconds since 1970 UTC."""

    at: float
    destination: str
    event: Event
    status: Status
    reason: str | None
    by: str | None
    #: Number of the send that it belongs to, from 1; 0 before the first.
    attempt: int
    response: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The bytes for one destination: the same at every attempt."""

    destination: str
    control_id: str
    pane: Pane


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer of a peer."""

    destination: str
    at: float
    event: Event
    pane: Pane


def happenings(detail: MessageDetail) -> list[Happening]:
    """Return all steps of all deliveries, oldest first."""
    found = [step for line in detail.line.deliveries for step in _steps(line, detail)]
    return sorted(found, key=lambda step: step.at)


def _steps(line: DeliveryLine, detail: MessageDetail) -> list[Happening]:
    steps, attempt = [], 0
    for entry in detail.timeline.get(line.id, ()):
        attempt += entry.event == Event.CLAIMED
        steps.append(
            Happening(
                at=entry.at, destination=line.destination, event=Event(entry.event), status=Status(entry.status),
                reason=entry.reason, by=entry.by, attempt=attempt, response=entry.response,
            )
        )  # fmt: skip
    return steps


def sent(
    detail: MessageDetail, describe: Describe, origins: Mapping[str, Sequence[Origin]] | None = None
) -> list[Sent]:
    """Return what was or will be sent, by destination; with where it came from, by destination too."""
    by_destination = origins or {}
    return [
        Sent(
            destination=line.destination,
            control_id=control_id,
            pane=pane(encoded, describe, by_destination.get(line.destination, ())),
        )
        for line in detail.line.deliveries
        if line.id in detail.outgoing
        for control_id, encoded in [detail.outgoing[line.id]]
    ]


def responses(steps: Sequence[Happening], describe: Describe) -> list[Response]:
    """Return the peers' answers, oldest first."""
    return [
        Response(destination=step.destination, at=step.at, event=step.event, pane=pane(step.response, describe))
        for step in steps
        if step.response is not None
    ]


def allowed(detail: MessageDetail) -> list[Act]:
    """Return what a person may do: what the lifecycle allows for at least one delivery."""
    return [act for act in ACTS if any(_is_allowed(act, line, detail) for line in detail.line.deliveries)]


def _is_allowed(act: Act, line: DeliveryLine, detail: MessageDetail) -> bool:
    if act == "retry" and line.id not in detail.outgoing:
        return False  # never mapped: there are no bytes to send again
    return (Status(line.status), ACTS[act]) in TRANSITIONS
