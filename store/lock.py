"""One host a store, one process a role: a lock that the operating system lets go of when its holder dies.

It is an exclusive transaction on an empty SQLite file of its own, which is the same on every platform.
"""

from __future__ import annotations

from pathlib import Path

from sqlcipher3 import dbapi2 as sqlite


class HeldElsewhere(RuntimeError):
    """Another process holds the lock."""


class Lock:
    """Held from its making until `release`, or the end of the process."""

    def __init__(self, folder: Path, name: str, *, wait: float = 0.0) -> None:
        """Take the lock `name` in a store's folder, waiting so many seconds for its holder to end.

        Raises:
            HeldElsewhere: it did not end.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite.connect(
            folder / f"lock-{name}", isolation_level=None, timeout=wait, check_same_thread=False
        )
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite.OperationalError as error:
            self._connection.close()
            raise HeldElsewhere(f"another process is the {name} of the store in {folder}") from error

    @staticmethod
    def is_held(folder: Path, name: str) -> bool:
        """Say whether somebody holds the lock `name`; for a moment nobody else can take it."""
        path = folder / f"lock-{name}"
        if not path.exists():
            return False
        connection = sqlite.connect(path.absolute().as_uri() + "?mode=ro", uri=True, timeout=0.0)
        try:
            connection.execute("SELECT 1 FROM sqlite_master")
        except sqlite.OperationalError:
            return True
        finally:
            connection.close()
        return False

    def release(self) -> None:
        """Let go."""
        self._connection.close()
