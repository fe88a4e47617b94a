"""What people look at: counts, lists, one message with its timeline. Reads only; patient values stay here."""

from __future__ import annotations

import time
from dataclasses import dataclass

import orjson

from messages.lifecycle import OPEN, SHARES, Event, Status
from store import queries
from store.connection import Connection
from store.queries import DESTINATIONS
from store.retention import PRUNED


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationCounts:
    """How one destination stands. Times are seconds since 1970 UTC."""

    destination: int
    #: Deliveries in each status now.
    levels: dict[str, int]
    #: Deliveries that came to each status since `since`.
    flows: dict[str, int]
    #: Deliveries that came to SENT in each of the last 24 hours, oldest first.
    hours: tuple[int, ...]
    #: When the oldest open delivery was received; None when none is open.
    oldest_open_at: float | None
    #: The newest parked delivery: (message id, when, reason).
    last_error: tuple[str, float, str | None] | None


def counts(connection: Connection, since: float) -> dict[int, DestinationCounts]:
    """Return the counts of all destinations; the cost does not grow with the number of stored messages."""
    levels: dict[int, dict[str, int]] = {}
    for destination, status, n in connection.execute("SELECT destination, status, n FROM level"):
        levels.setdefault(destination, {})[status] = n
    this_hour = int(time.time() // 3600)
    flows: dict[int, dict[str, int]] = {}
    hours: dict[int, list[int]] = {}
    for hour, destination, status, n in connection.execute(
        "SELECT hour, destination, status, n FROM flow WHERE hour > ?", (min(this_hour - 24, int(since // 3600) - 1),)
    ):
        if hour >= int(since // 3600):
            of = flows.setdefault(destination, {})
            of[status] = of.get(status, 0) + n
        if status == Status.SENT and hour > this_hour - 24:
            hours.setdefault(destination, [0] * 24)[hour - this_hour + 23] += n
    return {
        destination: DestinationCounts(
            destination=destination,
            levels=levels.get(destination, {}),
            flows=flows.get(destination, {}),
            hours=tuple(hours.get(destination, [0] * 24)),
            oldest_open_at=_oldest_open(connection, destination),
            last_error=_last_error(connection, destination),
        )
        for (destination,) in connection.execute("SELECT number FROM destination").fetchall()
    }


#: Oldest open delivery of a destination: of lanes that are ready, of those that wait, of those behind a parked one.
_OLDEST_OPEN = (
    "SELECT head FROM lane WHERE destination = ? AND state = 1 ORDER BY head LIMIT 1",
    "SELECT head FROM lane WHERE destination = ? AND state = 2 ORDER BY head LIMIT 1",
    """SELECT min((SELECT min(d.id) FROM delivery d WHERE d.lane = p.lane AND d.id > p.id AND d.status <> 'ERROR'
        AND d.status IN ('RECEIVED', 'TRANSFORMED', 'QUEUED', 'PENDING', 'ERROR')))
        FROM (SELECT id, lane FROM delivery WHERE destination = ? AND status = 'ERROR' ORDER BY id LIMIT 100) p""",
)


def _oldest_open(connection: Connection, destination: int) -> float | None:
    rows = [connection.execute(query, (destination,)).fetchone() for query in _OLDEST_OPEN]
    oldest = min((row[0] for row in rows if row and row[0] is not None), default=None)
    if oldest is None:
        return None
    at: tuple[float] | None = connection.execute(
        "SELECT received_at FROM message WHERE number = ?", (oldest // DESTINATIONS,)
    ).fetchone()
    return at[0] if at else None


def _last_error(connection: Connection, destination: int) -> tuple[str, float, str | None] | None:
    row = connection.execute(
        "SELECT m.id, d.changed_at, d.reason FROM delivery d JOIN message m ON m.number = d.id / ? "
        "WHERE d.destination = ? AND d.status = 'ERROR' ORDER BY d.id DESC LIMIT 1",
        (DESTINATIONS, destination),
    ).fetchone()
    return tuple(row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """A delivery in a list."""

    id: int
    destination: str
    status: str
    attempts: int
    action: str | None
    reason: str | None
    changed_at: float
    next_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """A message in a list."""

    number: int
    id: str
    channel: str
    received_at: float
    #: Searchable values by name: patient data.
    index: dict[str, str]
    deliveries: tuple[DeliveryLine, ...]


def find(connection: Connection, query: str, limit: int = 50) -> list[MessageLine]:
    """Return the messages of a searchable value, a message id or a control id (MSH-10), newest first."""
    query = query.strip()
    rows = connection.execute(queries.FIND_BY_VALUE, (query, limit)).fetchall()
    rows += connection.execute("SELECT number FROM message WHERE id = ?", (query.upper(),)).fetchall()
    rows += connection.execute(queries.FIND_BY_CONTROL_ID, (query,)).fetchall()
    lines = [_line(connection, number) for number in sorted({row[0] for row in rows}, reverse=True)]
    return [line for line in lines if line is not None]


def _line(connection: Connection, number: int) -> MessageLine | None:
    row = connection.execute(
        "SELECT m.id, c.name, m.received_at, m.searchable FROM message m JOIN channel c ON c.number = m.channel "
        "WHERE m.number = ?",
        (number,),
    ).fetchone()
    if row is None:
        return None
    return MessageLine(
        number=number, id=row[0], channel=row[1], received_at=row[2], index=orjson.loads(row[3]),
        deliveries=tuple(deliveries(connection, number)),
    )  # fmt: skip


def is_retried(connection: Connection, delivery: int) -> bool:
    """Say whether the last thing that happened to a delivery is that a person tried it again."""
    row = connection.execute(
        "SELECT event FROM event WHERE delivery = ? ORDER BY at DESC LIMIT 1", (delivery,)
    ).fetchone()
    return row is not None and row[0] == Event.RETRIED


def line(connection: Connection, message_id: str) -> MessageLine | None:
    """Return one message by its ULID, without its body."""
    row = connection.execute("SELECT number FROM message WHERE id = ?", (message_id,)).fetchone()
    return _line(connection, row[0]) if row else None


def deliveries(connection: Connection, number: int) -> list[DeliveryLine]:
    """Return the deliveries of a message."""
    return [
        DeliveryLine(
            id=row[0], destination=row[1], status=row[2], attempts=row[3], action=row[4], reason=row[5],
            changed_at=row[6], next_at=row[7],
        )
        for row in connection.execute(
            "SELECT d.id, t.name, d.status, d.attempts, d.action, d.reason, d.changed_at, d.next_at "
            "FROM delivery d JOIN destination t ON t.number = d.destination WHERE d.id BETWEEN ? AND ?",
            (number * DESTINATIONS, number * DESTINATIONS + DESTINATIONS - 1),
        )
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened to a delivery."""

    at: float
    event: str
    status: str
    reason: str | None
    by: str | None
    response: bytes | None
    #: Of a mapping: the revision that did it.
    revision: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetail:
    """All that is known of one message. Holds the body: patient data."""

    line: MessageLine
    revision: str
    peer: str
    content_type: str
    body: bytes
    answer_status: int
    answer_body: bytes
    #: delivery id → (control id, bytes as sent); absent until mapped.
    outgoing: dict[int, tuple[str, bytes]]
    #: delivery id → what happened to it, oldest first.
    timeline: dict[int, tuple[TimelineEntry, ...]]


def detail(connection: Connection, message_id: str) -> MessageDetail | None:
    """Return one message by its ULID."""
    row = connection.execute(
        "SELECT m.number, m.revision, a.peer, a.content_type, a.body, a.answer_status, a.answer_body "
        "FROM message m JOIN arrival a ON a.number = m.arrival WHERE m.id = ?",
        (message_id,),
    ).fetchone()
    line = _line(connection, row[0]) if row else None
    if line is None:
        return None
    span = (line.number * DESTINATIONS, line.number * DESTINATIONS + DESTINATIONS - 1)
    timeline: dict[int, list[TimelineEntry]] = {}
    for delivery, at, event, status, reason, by, response, revision in connection.execute(
        # Mapping and claiming share a commit and so a time.
        "SELECT delivery, at, event, status, reason, done_by, response, revision FROM event "
        "WHERE delivery BETWEEN ? AND ? ORDER BY delivery, at, event = 'claimed'",
        span,
    ):
        entry = TimelineEntry(
            at=at, event=event, status=status, reason=reason, by=by, response=response, revision=revision
        )  # fmt: skip
        timeline.setdefault(delivery, []).append(entry)
    return MessageDetail(
        line=line, revision=row[1], peer=row[2], content_type=row[3], body=row[4], answer_status=row[5],
        answer_body=row[6], timeline={key: tuple(value) for key, value in timeline.items()},
        outgoing={
            delivery: (control_id, encoded)
            for delivery, control_id, encoded in connection.execute(
                "SELECT * FROM outgoing WHERE delivery BETWEEN ? AND ?", span
            )
        },
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalLine:
    """What a door refused."""

    number: int
    at: float
    door: str
    peer: str
    code: str
    reason: str


def refusals(connection: Connection, limit: int = 50) -> list[RefusalLine]:
    """Return the newest refusals."""
    return [
        RefusalLine(number=row[0], at=row[1], door=row[2], peer=row[3], code=row[4], reason=row[5])
        for row in connection.execute(
            "SELECT number, at, door, peer, code, reason FROM refusal ORDER BY number DESC LIMIT ?", (limit,)
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """accepted = delivered + filtered + parked + cancelled + pending (+ pruned, once at rest), counted and kept."""

    accepted: int
    shares: dict[str, int]
    #: Destination numbers whose kept counts differ from the counted ones; must be empty.
    differing: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """True when nothing is unaccounted for."""
        return not self.differing and self.accepted == sum(self.shares.values())


def reconcile(connection: Connection) -> Balance:
    """Count every delivery anew and compare with the counts that were kept, all as of one moment."""
    connection.execute("BEGIN")
    try:
        return _balance(connection)
    finally:
        connection.execute("COMMIT")


def _balance(connection: Connection) -> Balance:
    counted: dict[tuple[int, str], int] = {
        (destination, status): n
        for destination, status, n in connection.execute(
            "SELECT destination, status, count(*) FROM delivery GROUP BY 1, 2"
        )
    }
    levels = connection.execute("SELECT * FROM level WHERE n <> 0").fetchall()
    kept = {(d, s): n for d, s, n in levels if s != PRUNED}
    expected = connection.execute("SELECT coalesce(sum(n), 0) FROM flow WHERE status = 'RECEIVED'").fetchone()[0]
    reprocessed = connection.execute("SELECT count(*) FROM event WHERE event = 'reprocessed'").fetchone()[0]
    shares = {
        name: sum(n for (_, status), n in counted.items() if status in statuses) for name, statuses in SHARES.items()
    }
    shares["pruned"] = sum(n for _, status, n in levels if status == PRUNED)
    differing = sorted({key[0] for key in counted.keys() ^ kept.keys()} | _unequal(counted, kept))
    return Balance(accepted=expected - reprocessed, shares=shares, differing=tuple(differing))


def _unequal(counted: dict[tuple[int, str], int], kept: dict[tuple[int, str], int]) -> set[int]:
    return {key[0] for key in counted.keys() & kept.keys() if counted[key] != kept[key]}


def open_count(levels: dict[str, int]) -> int:
    """Deliveries that are not at rest."""
    return sum(levels.get(status, 0) for status in OPEN)
