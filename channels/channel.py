"""A channel as it runs: a revision's plan, its transformer, and its destinations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from channels import registry
from channels.kind import Kind
from channels.settings import build
from connectors.base import DestinationConnector
from messages.lifecycle import Status
from store import directory
from store.connection import Connection
from transformers.base import Transformer


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A destination as the revision describes it."""

    number: int
    name: str
    ordinal: int
    connector: str
    settings: Mapping[str, object]
    policy: Policy
    #: Ordinals of the destinations it waits for, and the statuses that end the wait (`after:`).
    after: Mapping[int, frozenset[Status]] = field(default_factory=dict)
    #: Channel whose message of the same document it waits for (`after: { channel: … }`).
    after_channel: str | None = None

    def connect(self) -> DestinationConnector:
        """Return a new connector: one line to the peer."""
        connector: DestinationConnector = build(registry.load("connector", self.connector), self.settings)
        return connector


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a lane does when things do not go well. Times in seconds."""

    #: First and longest wait between attempts; it doubles in between, with jitter.
    wait: tuple[float, float] = (1.0, 300.0)
    #: Answers "not now" (AE) after which a delivery is parked.
    refused: int = 5
    #: After a send without an answer: the same bytes again, or a person decides.
    hold_unanswered: bool = False
    #: Messages under way at once, each on a line of its own.
    connections: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel in the revision that runs."""

    number: int
    name: str
    title: str
    revision: str
    state: str
    source: str
    source_settings: Mapping[str, object]
    transformer: Transformer
    destinations: tuple[Destination, ...]
    #: Name of its kind, and the rules; None for a channel without.
    kind: tuple[str, Kind] | None = None
    #: Where definitions are read that messages do not bring (`channels.definitions`); None: nowhere.
    definitions: Mapping[str, Any] | None = None
    #: Its transformer takes milliseconds of a processor where others take microseconds.
    is_heavy: bool = False


def load(connection: Connection, row: directory.ChannelRow) -> Channel | None:
    """Compile the running revision of a channel; None when it never had one."""
    plan = directory.plan(connection, row.number, row.revision) if row.revision else None
    if plan is None or row.revision is None:
        return None
    return assemble(plan, row, row.revision)


def is_heavy(plan: Mapping[str, Any]) -> bool:
    """True when the transformer is `heavy`: it runs in a process of its own, and holds up no other channel."""
    return bool(getattr(registry.load("transformer", plan["transformer"]), "heavy", False))


def in_state(channel: Channel, state: str) -> Channel:
    """Return the same channel in another state."""
    return dataclasses.replace(channel, state=state)


def assemble(plan: Mapping[str, Any], row: directory.ChannelRow, revision: str) -> Channel:
    """Make a channel of a plan and its row in the store."""
    known = {line.name: line for line in row.destinations}

    def after(part: Mapping[str, Any]) -> dict[int, frozenset[Status]]:
        return {known[name].ordinal: _ENDS[status] for name, status in (part.get("after") or {}).items()}

    transformer = registry.load("transformer", plan["transformer"])
    name = plan.get("kind")
    kind = (name, registry.load("channel", name)(plan["transformer"], plan["settings"])) if name else None
    return Channel(
        number=row.number, name=row.name, title=row.title, revision=revision, state=row.state,
        source=plan["from"]["connector"], source_settings=plan["from"]["settings"],
        transformer=transformer(plan), kind=kind, definitions=plan.get("definitions"), is_heavy=is_heavy(plan),
        destinations=tuple(
            Destination(
                number=known[name].number, name=name, ordinal=known[name].ordinal, connector=part["connector"],
                settings=part["settings"], policy=_policy(part), after=after(part),
                after_channel=part.get("after_channel"),
            )
            for name, part in plan["destinations"].items()
        ),
    )  # fmt: skip


#: A wait for SENT is also over when the other was read back.
_ENDS = {
    "SENT": frozenset({Status.SENT, Status.VERIFIED}),
    "VERIFIED": frozenset({Status.VERIFIED}),
}


def _policy(part: Mapping[str, Any]) -> Policy:
    retry = part.get("retry") or {}
    given = {"refused": retry.get("refused"), "connections": part.get("connections")}
    if "wait" in retry:
        given["wait"] = tuple(retry["wait"])
    return Policy(
        hold_unanswered=part.get("when_unanswered") == "hold",
        **{name: value for name, value in given.items() if value is not None},
    )
