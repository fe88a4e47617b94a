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

    def release(self) -> None:
        """Let go."""
        self._connection.close()
