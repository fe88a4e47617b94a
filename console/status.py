"""How the channels stand, as the first page says it. Pure: rows of the store in, what a page shows out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from messages.lifecycle import OPEN, SHARES, Status
from store.directory import ChannelRow, DestinationRow, ProcessRow, is_alive
from store.reads import DestinationCounts


class State(StrEnum):
    """The one word for a channel; the templates have its icon."""

    NOT_RUNNING = "not running"  #: no revision was ever fit to run
    FAILED = "failed"  #: a bug stopped a worker; it begins again
    UNREACHABLE = "unreachable"  #: a destination cannot be reached; nothing has left
    RETRYING = "retrying"  #: a destination answered "not now", or not at all
    RUNNING = "running"
    PAUSED = "paused"  #: by a person: the door is closed, lanes move
    STOPPED = "stopped"  #: by a person: nothing moves


#: These need a person; PAUSED and STOPPED are a person's will.
NEEDS_ATTENTION = frozenset({State.NOT_RUNNING, State.FAILED, State.UNREACHABLE, State.RETRYING})

#: What the store says of a destination's line, and what that makes of its channel.
_LINES = {"failed": State.FAILED, "unreachable": State.UNREACHABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A destination of a channel. Times are seconds since 1970 UTC."""

    name: str
    #: host:port of the peer; None when the settings name none.
    peer: str | None
    #: idle, connected, unreachable, failed or stopped.
    connection: str
    since: float | None
    reason: str | None
    #: Deliveries waiting now.
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """The newest parked delivery."""

    message: str
    at: float
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """One row of the first page."""

    number: int
    name: str
    title: str
    state: State
    #: Started, paused or stopped, as a person last wished; who, when and why.
    wish: str
    changed_at: float
    changed_by: str | None
    change_reason: str | None
    #: Why the file on disk does not run; None when it does.
    problem: str | None
    revision: str | None
    lines: tuple[Line, ...]
    last_received_at: float | None
    #: Messages, since the start of the day.
    received: int
    #: Deliveries, since the start of the day.
    filtered: int
    sent: int
    #: Deliveries, now.
    queued: int
    errored: int
    oldest_queued_at: float | None
    #: Deliveries sent in each of the last 24 hours, oldest first.
    hours: tuple[int, ...]
    last_error: LastError | None

    @property
    def needs_attention(self) -> bool:
        """True when the channel is not as a person wished it to be."""
        return self.state in NEEDS_ATTENTION or self.problem is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The first page."""

    channels: tuple[ChannelStatus, ...]
    #: The counts "today" begin here; the start of the hour that holds local midnight.
    since: float
    #: delivered, filtered, parked, cancelled, pending: deliveries, as kept.
    shares: Mapping[str, int]
    #: Processes that have not spoken lately, with the time they last did.
    silent: tuple[ProcessRow, ...]
    #: Arrivals refused at the doors since the start of the day.
    refused: int
    #: Texts of the open alerts, blockers first.
    alerts: Sequence[str]

    @property
    def moving(self) -> int:
        """Channels that run as they should."""
        return sum(channel.state is State.RUNNING for channel in self.channels)

    @property
    def attention(self) -> tuple[ChannelStatus, ...]:
        """Channels that need a person."""
        return tuple(channel for channel in self.channels if channel.needs_attention)

    @property
    def at_rest(self) -> tuple[ChannelStatus, ...]:
        """Channels that a person paused or stopped."""
        return tuple(channel for channel in self.channels if channel.state in {State.PAUSED, State.STOPPED})

    @property
    def accepted(self) -> int:
        """Deliveries accepted, as kept."""
        return sum(self.shares.values())


def day_start(zone: ZoneInfo, now: float | None = None) -> float:
    """Return the start of the local day, as seconds since 1970 UTC.

    Counts are kept by hours of UTC: where midnight is not at a full hour, the day begins with the hour that holds it.
    """
    local = datetime.fromtimestamp(time.time() if now is None else now, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return midnight // 3600 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store says at one moment."""

    channels: Sequence[ChannelRow]
    #: By destination number.
    counts: Mapping[int, DestinationCounts]
    #: host:port by destination number; absent where the settings name none.
    peers: Mapping[int, str]
    #: By channel number.
    last_received: Mapping[int, float]
    processes: Sequence[ProcessRow]
    since: float
    refused: int
    alerts: Sequence[str]


def overview(facts: Facts) -> Overview:
    """Return the first page; channels that need a person come first."""
    rows = [_channel(row, facts) for row in facts.channels]
    levels = [of.levels for of in facts.counts.values()]
    return Overview(
        channels=tuple(sorted(rows, key=_order)),
        since=facts.since,
        shares={share: sum(_level(of, statuses) for of in levels) for share, statuses in SHARES.items()},
        silent=tuple(process for process in facts.processes if process.role != "console" and not is_alive(process)),
        refused=facts.refused,
        alerts=facts.alerts,
    )


def _order(channel: ChannelStatus) -> tuple[bool, bool, str]:
    return (not channel.needs_attention, not channel.errored, channel.title.casefold())


def _channel(row: ChannelRow, facts: Facts) -> ChannelStatus:
    mine = [facts.counts[line.number] for line in row.destinations]
    lines = tuple(_line(line, facts) for line in row.destinations)
    errors = [of.last_error for of in mine if of.last_error]
    newest = max(errors, key=lambda error: error[1], default=None)
    return ChannelStatus(
        number=row.number, name=row.name, title=row.title, state=_state(row, mine), wish=row.state,
        changed_at=row.changed_at, changed_by=row.changed_by, change_reason=row.reason, problem=row.problem,
        revision=row.revision, lines=lines, last_received_at=facts.last_received.get(row.number),
        # Each destination counts each message; a destination that is new today has seen fewer.
        received=max((of.flows.get(Status.RECEIVED, 0) for of in mine), default=0),
        filtered=sum(of.flows.get(Status.FILTERED, 0) for of in mine),
        sent=sum(of.flows.get(Status.SENT, 0) for of in mine),
        queued=sum(_level(of.levels, OPEN) for of in mine),
        errored=sum(of.levels.get(Status.ERROR, 0) for of in mine),
        oldest_queued_at=min((of.oldest_open_at for of in mine if of.oldest_open_at is not None), default=None),
        hours=tuple(map(sum, zip(*(of.hours for of in mine), strict=True))) or (0,) * 24,
        last_error=LastError(message=newest[0], at=newest[1], reason=newest[2]) if newest else None,
    )  # fmt: skip


def _line(row: DestinationRow, facts: Facts) -> Line:
    return Line(
        name=row.name, peer=facts.peers.get(row.number), connection=row.connection, since=row.connection_since,
        reason=row.connection_reason, queued=_level(facts.counts[row.number].levels, OPEN),
    )  # fmt: skip


def _state(row: ChannelRow, counts: Sequence[DestinationCounts]) -> State:
    if row.revision is None:
        return State.NOT_RUNNING
    if row.state in {"paused", "stopped"}:
        return State(row.state)
    lines = {_LINES.get(line.connection) for line in row.destinations}
    for state in (State.FAILED, State.UNREACHABLE):
        if state in lines:
            return state
    if any(of.levels.get(Status.QUEUED) for of in counts):
        return State.RETRYING
    return State.RUNNING


def _level(levels: Mapping[str, int], statuses: frozenset[Status]) -> int:
    return sum(levels.get(status, 0) for status in statuses)


def sparkline(hours: Sequence[int]) -> str:
    """Return the points of a polyline in a box of 92 by 24 for 24 values: one value in 4, the highest at the top.

    It begins and ends below and beside the box, so that its fill is the area and its stroke the line. A point between
    two of its height is left out.

    >>> sparkline([0, 2, 1]), sparkline([7, 7, 7, 7])
    ('-3,27 -3,22 0,22 4,2 8,12 11,12 11,27', '-3,27 -3,2 15,2 15,27')
    """
    top = max(hours, default=0) or 1
    heights = [22 - round(value / top * 20) for value in hours] or [22]
    right = 4 * len(heights) - 1
    points = [(-3, heights[0]), *((4 * i, y) for i, y in enumerate(heights)), (right, heights[-1])]
    needed = [
        (x, y) for i, (x, y) in enumerate(points)
        if i in {0, len(points) - 1} or not points[i - 1][1] == y == points[i + 1][1]
    ]  # fmt: skip
    return " ".join(f"{x},{y}" for x, y in ((-3, 27), *needed, (right, 27)))


def ago(seconds: float) -> str:
    """Return a duration as a person says it, rounded down.

    >>> ago(2.5), ago(119), ago(3 * 3600 + 5), ago(200_000)
    ('2 s', '1 min', '3 h', '2 d')
    """
    span = timedelta(seconds=max(seconds, 0))
    for unit, word in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if span >= unit:
            return f"{span // unit} {word}"
    return f"{span.seconds} s"
