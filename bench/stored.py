"""Fills a host's store with messages that were delivered long ago, by copying a few real ones inside SQLite.

Ids are moved, and what must be unique or is spread at random in a real store (identities, keys of lanes, searched
values) is made anew, so that the indexes have their real size and shape. Columns that are not named here are copied as
they are, whichever they may be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from store.connection import connect
from store.queries import DESTINATIONS

#: Table → (column that selects the rows to copy, column → SQL of the copy). `:m`, `:l`: what is added to numbers of
#: messages and lanes; `:d` the same for deliveries.
_RANDOM_ID = "substr(hex(randomblob(13)), 1, 26)"
_COPIES: dict[str, dict[str, str]] = {
    "arrival": {"number": "number + :m", "identity": "randomblob(16)", "digest": "randomblob(16)"},
    "message": {"number": "number + :m", "id": _RANDOM_ID, "arrival": "arrival + :m", "about": "randomblob(16)"},
    "lane": {"id": "id + :l", "key": "randomblob(16)", "state": "0", "head": "NULL"},
    "delivery": {"id": "id + :d", "lane": "lane + :l"},
    "outgoing": {"delivery": "delivery + :d", "control_id": "substr(hex(randomblob(10)), 1, 20)"},
    "event": {"delivery": "delivery + :d"},
    "known": {"about": "randomblob(16)", "delivery": "delivery + :d"},
    "search": {"message": "message + :m", "value": "value || hex(randomblob(4))"},
}


def multiply(folder: Path, wanted: int) -> int:
    """Copy the messages of a store at rest until there are at least so many; return how many there are.

    Raises:
        ValueError: the store has none to copy.
    """
    connection = connect(folder)
    try:
        # Nobody else is here, and a store that breaks now is thrown away.
        for setting in ("journal_mode = off", "synchronous = off", "cache_size = -1048576", "locking_mode = exclusive"):
            connection.execute(f"PRAGMA {setting}")
        messages = int(connection.execute("SELECT max(number) FROM message").fetchone()[0] or 0)
        lanes = int(connection.execute("SELECT max(id) FROM lane").fetchone()[0] or 0)
        if not messages:
            raise ValueError("the store has no messages")
        times = -(-wanted // messages) - 1
        _copy(connection, messages, lanes, times)
        connection.execute("PRAGMA journal_mode = wal")
    finally:
        connection.close()
    return messages * (times + 1)


def _copy(connection: Any, messages: int, lanes: int, times: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TEMP TABLE copy (n INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO copy VALUES (?)", [(n,) for n in range(1, times + 1)])
    moved = {":m": f"n * {messages}", ":d": f"n * {messages * DESTINATIONS}", ":l": f"n * {lanes}"}
    for table, changes in _COPIES.items():
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})").fetchall()]
        values = [changes.get(column, column) for column in columns]
        if table == "known":
            # `about` is that of the message, as the host would have remembered it.
            values = [value.replace("randomblob(16)", _ABOUT.format(messages=messages)) for value in values]
        for mark, amount in moved.items():
            values = [value.replace(mark, amount) for value in values]
        first = f"SELECT * FROM {table}"  # the copies are added to the table that is read
        connection.execute(f"CREATE TEMP TABLE first AS {first}")
        connection.execute(
            f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM temp.copy, temp.first"
        )
        connection.execute("DROP TABLE temp.first")
    for table in ("level", "flow"):
        connection.execute(f"UPDATE {table} SET n = n * {times + 1}")
    connection.execute("DROP TABLE temp.copy")
    connection.execute("COMMIT")


_ABOUT = f"(SELECT m.about FROM main.message m WHERE m.number = first.delivery / {DESTINATIONS} + n * {{messages}})"
