"""Saves what can be read of a damaged store into a new one, and says what could not be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from store.connection import Connection, DatabaseError, connect
from store.schema import migrate

#: Rows copied at once while nothing is wrong.
STRIDE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of one table."""

    table: str
    saved: int
    #: Ranges of row numbers that could not be read; the rows in them, if there were any, are lost.
    unreadable: tuple[tuple[int, int], ...]


def salvage(damaged: Path, target: Path) -> list[Saved]:
    """Copy every readable row of the store in `damaged` into a new store in `target` (a folder with the same key).

    Raises:
        UnsafeStore: the damaged store cannot be opened at all, or its key is not there.
        FileExistsError: there is a store in `target`.
    """
    if (target / "store.db").exists():
        raise FileExistsError(f"there is a store in {target}")
    source = _Source(damaged)
    new = connect(target)
    try:
        migrate(new)
        return [_copy(source, new, table) for table in _tables(new)]
    finally:
        source.close()
        new.close()


class _Source:
    """The damaged store. After a page that cannot be read the connection is of no more use: it is opened anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection = connect(folder, read_only=True)

    def rows(self, sql: str, parameters: tuple[int, ...] = ()) -> Iterator[tuple[object, ...]]:
        try:
            yield from self._connection.execute(sql, parameters)
        except DatabaseError:
            self._connection.close()
            self._connection = connect(self._folder, read_only=True)
            raise

    def close(self) -> None:
        self._connection.close()


def _tables(connection: Connection) -> list[str]:
    return [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ('writer', 'process') ORDER BY name"
        )
    ]


def _copy(source: _Source, target: Connection, table: str) -> Saved:
    saved, unreadable = 0, list[tuple[int, int]]()
    if "WITHOUT ROWID" in target.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]:
        parts: Iterator[tuple[list[tuple[object, ...]], tuple[int, int] | None]] = _in_one(source, table)
    else:
        parts = _by_rows(source, table)
    for rows, lost in parts:
        if lost is not None:
            unreadable.append(lost)
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            target.execute("BEGIN IMMEDIATE")
            target.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608  # our own tables
            target.execute("COMMIT")
            saved += len(rows)
    return Saved(table=table, saved=saved, unreadable=tuple(unreadable))


def _in_one(source: _Source, table: str) -> Iterator[tuple[list[tuple[object, ...]], tuple[int, int] | None]]:
    """Read a table without row numbers from both ends, as far as each goes."""
    keys = [row[1] for row in source.rows(f"PRAGMA table_info({table})") if row[5]]
    for order in ("ASC", "DESC"):
        by = ", ".join(f"{key} {order}" for key in keys)
        rows: list[tuple[object, ...]] = []
        try:
            for row in source.rows(f"SELECT * FROM {table} ORDER BY {by}"):  # noqa: S608  # our own tables
                rows.append(row)  # noqa: PERF402  # what was read before the error counts
        except DatabaseError:
            yield rows, (-1, -1)
        else:
            yield rows, None
            return


def _by_rows(source: _Source, table: str) -> Iterator[tuple[list[tuple[object, ...]], tuple[int, int] | None]]:
    """Read a table by row numbers; around a page that cannot be read the steps become single rows."""
    try:
        last = int(str(next(source.rows(f"SELECT coalesce(max(rowid), 0) FROM {table}"))[0]))  # noqa: S608 - constants of ours
    except DatabaseError:
        last = 1 << 40
    number, stride, misses = 0, STRIDE, 0
    while number <= last and misses < STRIDE:
        try:
            rows = list(
                source.rows(f"SELECT * FROM {table} WHERE rowid BETWEEN ? AND ?", (number, number + stride - 1))  # noqa: S608 - constants of ours
            )
        except DatabaseError:
            if stride > 1:
                stride = 1
                continue
            misses += 1
            yield [], (number, number)
            number += 1
            continue
        yield rows, None
        number += stride
        stride, misses = min(STRIDE, stride * 2), 0
