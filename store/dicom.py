"""What came to our DICOM listener: instances, committed before the sender is told that we have them; and strangers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from store.connection import Connection
from store.writer import Transaction

_COLUMNS = (
    "sop_class_uid, sop_instance_uid, study_uid, series_uid, transfer_syntax_uid, digest, file, offset, bytes, "
    "ae_title, peer"
)
_INSERT = (
    f"INSERT INTO dicom_instance (at, {_COLUMNS}) VALUES ({', '.join('?' * 12)}) "  # noqa: S608  # constants
    "ON CONFLICT DO NOTHING RETURNING number"
)
_OF_STUDY = f"SELECT {_COLUMNS} FROM dicom_instance WHERE study_uid = ? ORDER BY number"  # noqa: S608  # a constant
_OLD = "SELECT number FROM dicom_instance WHERE at < ? ORDER BY at LIMIT ?"
_FORGET = f"DELETE FROM dicom_instance WHERE number IN ({_OLD}) RETURNING file"  # noqa: S608  # a constant
_TURNED_AWAY = """
    INSERT INTO dicom_turned_away VALUES (?, ?, ?, ?)
    ON CONFLICT (why) DO UPDATE SET times = times + excluded.times, last_at = excluded.last_at,
        last_peer = excluded.last_peer"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """An instance as it rests. The UIDs identify a person's study: shown to who may see it, never logged."""

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax_uid: str
    #: SHA-256 of the data set.
    digest: bytes
    #: Name in the folder of received instances.
    file: str
    #: Bytes of the file before its data set, and in all.
    offset: int
    bytes: int
    ae_title: str
    peer: str


def add(tx: Transaction, row: InstanceRow) -> bool:
    """Note an instance; False: the same data set is there already, with a file of its own."""
    values = (
        tx.now, row.sop_class_uid, row.sop_instance_uid, row.study_uid, row.series_uid, row.transfer_syntax_uid,
        row.digest, row.file, row.offset, row.bytes, row.ae_title, row.peer,
    )  # fmt: skip
    done = tx.execute(_INSERT, values)
    return done.fetchone() is not None


def of_study(connection: Connection, study_uid: str) -> list[InstanceRow]:
    """Return the instances of a study, oldest first."""
    rows = connection.execute(_OF_STUDY, (study_uid,))
    names = _COLUMNS.split(", ")
    return [InstanceRow(**dict(zip(names, row, strict=True))) for row in rows]


def files(connection: Connection) -> set[str]:
    """Return the names of the files that rows speak of."""
    return {row[0] for row in connection.execute("SELECT file FROM dicom_instance")}


def forget(tx: Transaction, before: float, most: int = 1000) -> list[str]:
    """Forget instances from before a time (seconds since 1970 UTC); return the names of their files, now nobody's."""
    rows = tx.execute(_FORGET, (before, most)).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAwayRow:
    """Callers that were not let in for one reason, since the store began."""

    #: A `messages.turned_away.TurnedAway`.
    why: str
    times: int
    last_at: float
    #: Address of the last one.
    last_peer: str


def turn_away(tx: Transaction, callers: Mapping[str, tuple[int, str]]) -> None:
    """Count callers that were not let in: reason → how many, and the address of the last."""
    tx.executemany(_TURNED_AWAY, [(why, times, tx.now, peer) for why, (times, peer) in callers.items()])


def turned_away(connection: Connection) -> list[TurnedAwayRow]:
    """Return what was counted, the newest first."""
    rows = connection.execute("SELECT why, times, last_at, last_peer FROM dicom_turned_away ORDER BY last_at DESC")
    return [TurnedAwayRow(why=why, times=times, last_at=at, last_peer=peer) for why, times, at, peer in rows]
