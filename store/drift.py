"""What the sides of the bookable resources were read as, what differs between them since when, and repairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from messages.resource import Drift, Side
from store.connection import Connection
from store.writer import Transaction

_FIELDS = (
    "facility", "name", "category", "field", "severity", "omegaai", "powerserver", "omegaai_normal",
    "powerserver_normal", "action", "change", "omegaai_where", "powerserver_where",
)  # fmt: skip
_COLUMNS = ", ".join(_FIELDS)
_FOUND = f"""
    INSERT INTO drift ({_COLUMNS}, first_at, last_at)
    VALUES ({", ".join("?" * len(_FIELDS))}, ?, ?)
    ON CONFLICT (facility, name, category, field) WHERE cured_at IS NULL DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _FIELDS[4:])}, last_at = excluded.last_at"""  # noqa: S608 - constants of ours

#: What stops bookings: open, and of a resource that OmegaAI names so.
_BLOCKERS = f"SELECT {_COLUMNS} FROM drift WHERE cured_at IS NULL AND severity = 'blocker'"  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLine:
    """A drift with its history. Times are seconds since 1970-01-01 UTC."""

    number: int
    drift: Drift
    first_at: float
    last_at: float
    #: None while it is there.
    cured_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideLine:
    """How a side was read. Times are seconds since 1970-01-01 UTC."""

    side: str
    #: When it was read last without an error; None: never.
    read_at: float | None
    #: When all of it was read last.
    whole_at: float | None
    #: How old what was read is: the time of the newest export; None where it is read directly.
    made_at: float | None
    source: str
    count: int | None
    #: Why the last reading failed; None when it did not.
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison."""

    at: float
    omegaai: int
    powerserver: int
    pairs: int
    #: field → pairs of which both sides said something.
    looked_at: Mapping[str, int]
    opened: int
    cured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComparison:
    """What a comparison found, to be written down."""

    omegaai: int
    powerserver: int
    pairs: int
    looked_at: Mapping[str, int]
    drifts: Sequence[Drift]
    #: (facility, name) of PowerServer's resources.
    names: Sequence[tuple[str, str]] = ()


def write_comparison(tx: Transaction, new: NewComparison) -> Comparison:
    """Write what was found; what was open and is not found any more is cured."""
    known = {tuple(row) for row in tx.execute(f"SELECT {', '.join(_FIELDS[:4])} FROM drift WHERE cured_at IS NULL")}  # noqa: S608 - constants of ours
    found = {drift.key for drift in new.drifts}
    tx.executemany(_FOUND, [(*_values(drift), tx.now, tx.now) for drift in new.drifts])
    tx.executemany(
        "UPDATE drift SET cured_at = ? WHERE facility = ? AND name = ? AND category = ? AND field = ? "
        "AND cured_at IS NULL",
        [(tx.now, *key) for key in known - found],
    )
    made = Comparison(
        at=tx.now, omegaai=new.omegaai, powerserver=new.powerserver, pairs=new.pairs, looked_at=new.looked_at,
        opened=len(found - known), cured=len(known - found),
    )  # fmt: skip
    tx.execute(
        "INSERT INTO comparison (at, omegaai, powerserver, pairs, looked_at, opened, cured) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (tx.now, made.omegaai, made.powerserver, made.pairs, orjson.dumps(dict(made.looked_at)).decode(), made.opened,
         made.cured),
    )  # fmt: skip
    tx.execute("DELETE FROM resource_name")
    tx.executemany("INSERT OR IGNORE INTO resource_name VALUES (?, ?)", new.names)
    # What a comparison looked at is of use for a while; when a drift came and went is kept.
    tx.execute("DELETE FROM comparison WHERE number <= (SELECT max(number) FROM comparison) - 1000")
    return made


def _values(drift: Drift) -> tuple[Any, ...]:
    d = drift
    return (
        d.facility, d.name, d.category, d.field, d.severity, d.omegaai, d.powerserver, d.omegaai_normal,
        d.powerserver_normal, d.action, d.change, d.omegaai_where, d.powerserver_where,
    )  # fmt: skip


def open_drifts(connection: Connection) -> list[DriftLine]:
    """Return what differs now, blockers first, then warnings, each by facility and name."""
    return _lines(
        connection,
        "WHERE cured_at IS NULL ORDER BY severity = 'blocker' DESC, severity = 'warning' DESC, "
        "facility, name, category, field",
    )


def history(connection: Connection, limit: int = 200) -> list[DriftLine]:
    """Return what was cured, the newest cure first."""
    return _lines(connection, "WHERE cured_at IS NOT NULL ORDER BY cured_at DESC, number LIMIT ?", limit)


def _lines(connection: Connection, how: str, *values: object) -> list[DriftLine]:
    rows = connection.execute(f"SELECT number, first_at, last_at, cured_at, {_COLUMNS} FROM drift {how}", values)  # noqa: S608 - constants of ours
    return [
        DriftLine(number=row[0], first_at=row[1], last_at=row[2], cured_at=row[3], drift=_drift(row[4:]))
        for row in rows
    ]


def _drift(row: Sequence[Any]) -> Drift:
    return Drift(**dict(zip(_FIELDS, row, strict=True)))


def blockers(connection: Connection, facility: str, name: str) -> list[Drift]:
    """Return the open blockers of a resource that bookings name so, in Unicode NFC."""
    rows = connection.execute(f"{_BLOCKERS} AND facility = ? AND name = ?", (facility, name))
    return [_drift(row) for row in rows]


def blocker_count(connection: Connection) -> int:
    """Return how many resources have a blocker."""
    row = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM drift WHERE cured_at IS NULL AND severity = 'blocker' "
        "GROUP BY facility, name)"
    ).fetchone()
    return int(row[0])


def known_resources(connection: Connection) -> list[tuple[str, str]]:
    """Return (facility, name) of PowerServer's resources as they were compared last."""
    return [(row[0], row[1]) for row in connection.execute("SELECT facility, name FROM resource_name")]


def last_comparison(connection: Connection) -> Comparison | None:
    """Return the newest comparison; None: there never was one."""
    row = connection.execute(
        "SELECT at, omegaai, powerserver, pairs, looked_at, opened, cured FROM comparison ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    return Comparison(
        at=row[0], omegaai=row[1], powerserver=row[2], pairs=row[3], looked_at=orjson.loads(row[4]), opened=row[5],
        cured=row[6],
    )  # fmt: skip


# -- how the sides were read --------------------------------------------------------------------------------


def write_side(tx: Transaction, line: SideLine) -> None:
    """Write down that a side was read."""
    tx.execute(
        "INSERT OR REPLACE INTO resource_side (side, read_at, whole_at, made_at, source, count) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (line.side, line.read_at, line.whole_at, line.made_at, line.source, line.count),
    )


def write_failure(tx: Transaction, side: Side, source: str, problem: str) -> None:
    """Write down that a side could not be read; what was read before stays."""
    tx.execute(
        "INSERT INTO resource_side (side, source, failed_at, problem) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (side) DO UPDATE SET failed_at = excluded.failed_at, problem = excluded.problem",
        (side, source, tx.now, problem),
    )


def sides(connection: Connection) -> dict[str, SideLine]:
    """Return how each side was read last."""
    rows = connection.execute("SELECT side, read_at, whole_at, made_at, source, count, problem FROM resource_side")
    return {
        row[0]: SideLine(
            side=row[0], read_at=row[1], whole_at=row[2], made_at=row[3], source=row[4], count=row[5], problem=row[6]
        )
        for row in rows
    }  # fmt: skip


def copies(connection: Connection) -> list[dict[str, Any]]:
    """Return OmegaAI's resources as they were read."""
    return [orjson.loads(row[0]) for row in connection.execute("SELECT body FROM resource_copy ORDER BY kind, id")]


def newest_copy(connection: Connection, kind: str) -> str | None:
    """Return the newest `meta.lastUpdated` of a type; None: none was read."""
    row = connection.execute("SELECT max(updated) FROM resource_copy WHERE kind = ?", (kind,)).fetchone()
    newest: str | None = row[0]
    return newest


def write_copies(tx: Transaction, resources: Iterable[Mapping[str, Any]], *, whole: bool) -> None:
    """Keep resources that were read; `whole`: there are no others any more."""
    if whole:
        tx.execute("DELETE FROM resource_copy")
    tx.executemany(
        "INSERT OR REPLACE INTO resource_copy VALUES (?, ?, ?, ?)",
        [
            (one["resourceType"], one["id"], one.get("meta", {}).get("lastUpdated", ""), orjson.dumps(one))
            for one in resources
        ],
    )


# -- PowerServer's messages ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MasterFile:
    """An MFN message that a channel received. Of resources, not of patients."""

    number: int
    received_at: float
    body: bytes


def master_files(connection: Connection, channel: str) -> list[MasterFile]:
    """Return what is kept of a channel's messages and what has come since, the oldest first."""
    rows = connection.execute(
        "SELECT number, received_at, body FROM resource_message WHERE channel = :channel UNION ALL "
        "SELECT m.number, m.received_at, a.body FROM message m JOIN arrival a ON a.number = m.arrival "
        "WHERE m.channel = (SELECT number FROM channel WHERE name = :channel) "
        "AND m.number > (SELECT coalesce(max(number), 0) FROM resource_message WHERE channel = :channel) "
        "ORDER BY 1",
        {"channel": channel},
    )
    return [MasterFile(*row) for row in rows]


def keep_master_files(tx: Transaction, channel: str, files: Sequence[MasterFile]) -> None:
    """Keep these, and no others: a whole file replaces all that came before it."""
    tx.execute("DELETE FROM resource_message WHERE channel <> ? OR number < ?", (channel, files[0].number))
    tx.executemany(
        "INSERT OR IGNORE INTO resource_message (number, channel, received_at, body) VALUES (?, ?, ?, ?)",
        [(one.number, channel, one.received_at, one.body) for one in files],
    )


# -- repairs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """A plan of repairs, applied or not."""

    id: str
    made_at: float
    made_by: str
    changes: list[dict[str, Any]]
    applied_at: float | None
    applied_by: str | None
    results: list[dict[str, Any]] | None


def write_plan(tx: Transaction, id_: str, by: str, changes: Sequence[Mapping[str, Any]]) -> None:
    """Keep a plan that is shown to a person; the same plan is the same row."""
    tx.execute(
        "INSERT OR IGNORE INTO repair_plan (id, made_at, made_by, changes) VALUES (?, ?, ?, ?)",
        (id_, tx.now, by, orjson.dumps([dict(change) for change in changes]).decode()),
    )


def claim_plan(tx: Transaction, id_: str, by: str) -> bool:
    """Note that a plan is being applied. False: it was before; it is applied once."""
    row = tx.execute(
        "UPDATE repair_plan SET applied_at = ?, applied_by = ? WHERE id = ? AND applied_at IS NULL RETURNING id",
        (tx.now, by, id_),
    ).fetchone()
    return row is not None


def write_results(tx: Transaction, id_: str, results: Sequence[Mapping[str, Any]]) -> None:
    """Keep what came of each change."""
    text = orjson.dumps([dict(result) for result in results]).decode()
    tx.execute("UPDATE repair_plan SET results = ? WHERE id = ?", (text, id_))


def plans(connection: Connection, limit: int = 20) -> list[PlanLine]:
    """Return the newest plans."""
    return [
        PlanLine(
            id=row[0], made_at=row[1], made_by=row[2], changes=orjson.loads(row[3]), applied_at=row[4],
            applied_by=row[5], results=orjson.loads(row[6]) if row[6] else None,
        )
        for row in connection.execute(
            "SELECT id, made_at, made_by, changes, applied_at, applied_by, results FROM repair_plan "
            "ORDER BY made_at DESC LIMIT ?",
            (limit,),
        )
    ]  # fmt: skip
