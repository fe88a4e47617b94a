"""The floor's storage: one encrypted SQLite file a process, one commit for many rows, as durable as the host's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from store.connection import connect
from store.high_water import HighWater

#: A statement and its rows.
Change = tuple[str, Sequence[tuple[Any, ...]]]


class Ledger:
    """Commits rows; each commit is fsynced in the write-ahead log and noted, synced, in the high-water file."""

    def __init__(self, folder: Path, *tables: str) -> None:
        self._connection = connect(folder)
        for table in tables:
            self._connection.execute(table)
        self._high_water = HighWater(folder / "high-water")

    def commit(self, *changes: Change) -> None:
        """Write all rows in one transaction and return when they are on the disk."""
        self._connection.execute("BEGIN IMMEDIATE")
        for statement, rows in changes:
            if rows:
                self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")
        self._high_water.raise_to(self._high_water.mark + 1)

    def close(self) -> None:
        """Close the files."""
        self._connection.close()
        self._high_water.close()
