"""Is the store what it was? What a start must know, and the longer look that reads every page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from store.connection import Connection, DatabaseError, UnsafeStore, connect
from store.high_water import DamagedHighWater, HighWater


def missing_commits(folder: Path, connection: Connection) -> Iterator[str]:
    """Say which writers' commits the store has lost: it is behind their high-water files."""
    commits = dict(connection.execute("SELECT name, commits FROM writer").fetchall())
    for path in sorted(folder.glob("high-water-*")):
        role = path.name.removeprefix("high-water-")
        try:
            mark = HighWater(path)
        except DamagedHighWater as error:
            yield str(error)
            continue
        mark.close()
        if commits.get(role, 0) < mark.mark:
            yield f"the store has lost commits {commits.get(role, 0) + 1} to {mark.mark} of {role}"


def refuse_if_damaged(folder: Path, connection: Connection) -> None:
    """Refuse to start on a store that has lost something.

    Raises:
        UnsafeStore: what was lost, and what to do.
    """
    found = list(missing_commits(folder, connection))
    if found:
        raise UnsafeStore(
            "; ".join(found) + f". Nothing was changed. Restore a backup of {folder}, or save what can be read: "
            "plugin-host salvage"
        )


def verify(folder: Path) -> list[str]:
    """Read every page and check its authentication code and the tables' structure; return what is wrong.

    Takes about a second for each gigabyte; the host may run.
    """
    try:
        connection = connect(folder, read_only=True)
    except UnsafeStore as error:
        return [str(error)]
    try:
        found = list(missing_commits(folder, connection))
        found += [str(row[0]) for row in connection.execute("PRAGMA cipher_integrity_check")]
        found += [str(row[0]) for row in connection.execute("PRAGMA quick_check(20)") if row[0] != "ok"]
    except DatabaseError as error:
        found = [str(error)]
    finally:
        connection.close()
    return found
