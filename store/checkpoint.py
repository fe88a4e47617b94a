"""Moves committed pages from the write-ahead log into the file, in the background.

One process does it, on a connection and a thread of its own: a checkpoint inside a commit would hold up an
answer for tens of milliseconds.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType

from store.connection import STORE_FILE, Connection, DatabaseError, connect

log = logging.getLogger(__name__)

#: Seconds between looks at the size of the log.
EVERY = 0.5
#: Bytes of the log that make a checkpoint worth its reads and writes.
WORTH = 4 << 20
#: Bytes of a page of the store.
PAGE = 4096
#: Bytes of the log at which it begins anew: under a steady load nobody else ever finds it all moved, and it would grow.
LARGE = 128 << 20
#: Milliseconds that beginning anew may wait for those who read, while those who write wait for it.
PATIENCE = 50


class Checkpointer:
    """A thread that checkpoints while the context lasts, and once at its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(30)

    def _run(self) -> None:
        connection = connect(self._folder)
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE}")
        wal = self._folder / f"{STORE_FILE}-wal"
        while not self._end.wait(EVERY):
            if wal.exists() and wal.stat().st_size > WORTH:
                self._checkpoint(connection)
        self._checkpoint(connection)
        connection.close()

    def _checkpoint(self, connection: Connection) -> None:
        try:
            _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages * PAGE > LARGE:  # what is left to move is little now, so that writers wait only a moment
                connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except DatabaseError as error:
            log.warning("a checkpoint failed; the next one may not", extra={"error": type(error).__name__})
