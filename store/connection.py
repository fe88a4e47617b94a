"""Opens the encrypted SQLite file: the only place that knows its settings and its key."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlite

# Below 3.51.3 two connections, one of them checkpointing, can corrupt a WAL database.
# Source: https://sqlite.org/wal.html#walresetbug
SQLITE_FLOOR = (3, 51, 3)

KEY_VARIABLE = "PLUGIN_HOST_STORE_KEY"
STORE_FILE = "store.db"
KEY_FILE = "store.key"

DatabaseError = sqlite.DatabaseError
Connection = Any


class UnsafeStore(RuntimeError):
    """The store must not be used: too old a library, a wrong key, or a file that is not what it was."""


def store_key(folder: Path) -> tuple[str, bool]:
    """Return the key as 64 hexadecimal digits, and whether it was made just now.

    The key comes from the environment, or from a file beside the store that only its owner can read.
    """
    given = os.environ.get(KEY_VARIABLE)
    if given is not None:
        return _checked(given.strip(), f"the environment variable {KEY_VARIABLE}"), False
    path = folder / KEY_FILE
    if path.exists():
        return _checked(path.read_text("ascii").strip(), str(path)), False
    if (folder / STORE_FILE).exists():
        raise UnsafeStore(f"{folder / STORE_FILE} is there, its key is not: set {KEY_VARIABLE} or restore {path}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = secrets.token_hex(32)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(key + "\n")
    return key, True


def _checked(key: str, origin: str) -> str:
    if len(key) != 64 or set(key) - set("0123456789abcdefABCDEF"):
        raise UnsafeStore(f"the key in {origin} must be 64 hexadecimal digits (32 bytes)")
    return key


def connect(folder: Path, *, read_only: bool = False) -> Connection:
    """Open the store in `folder`, with its settings set and read back.

    Raises:
        UnsafeStore: the SQLite library is too old, the key is wrong, or a setting did not hold.
    """
    if sqlite.sqlite_version_info < SQLITE_FLOOR:
        raise UnsafeStore(f"SQLite {sqlite.sqlite_version} can corrupt a WAL database; 3.51.3 is the oldest allowed")
    key, _ = store_key(folder)
    # A connection belongs to one process; threads of the console take turns under a lock of their own.
    connection = sqlite.connect(folder / STORE_FILE, isolation_level=None, timeout=10, check_same_thread=False)
    # A raw key: 32 random bytes need no key derivation, which would cost a fifth of a second at every start.
    connection.execute(f"PRAGMA key = \"x'{key}'\"")
    # SHA-256 instead of SHA-512: as strong for a page of 4 KiB, and a third of a commit's CPU less.
    connection.execute("PRAGMA cipher_hmac_algorithm = HMAC_SHA256")
    # What is wrong comes as an error; the library need not write lines of its own on standard error.
    connection.execute("PRAGMA cipher_log_level = NONE")
    try:
        # FULL, not NORMAL: in WAL mode NORMAL may forget a committed row after a power cut,
        # and by then we have told the sender that we have it.
        wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 0, "mmap_size": 0}
        for name, value in wanted.items():
            connection.execute(f"PRAGMA {name} = {value}")
            row = connection.execute(f"PRAGMA {name}").fetchone()
            if row is not None and row[0] != value:
                raise UnsafeStore(f"SQLite did not take {name} = {value}, it says {row[0]}")
        # Checkpoints are run in the background by one process; an automatic one would hold up an answer.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA temp_store = memory")
        if read_only:
            connection.execute("PRAGMA query_only = 1")
    except sqlite.DatabaseError as error:
        connection.close()
        raise UnsafeStore(f"{folder / STORE_FILE} cannot be read with this key, or is damaged: {error}") from error
    return connection
