"""The console's view of the store: one read connection, and one snapshot a page."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from console.status import Facts
from store import alerts, directory, lists, reads
from store.connection import Connection, connect
from store.metrics import Totals


class Reader:
    """One read connection that the threads of the console take turns with.

    One, not one a thread: each has 16 MB of decrypted pages, and the reads of a page take milliseconds. What is
    slow (making HTML of it) happens outside.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = connect(folder, read_only=True)
        self._turn = threading.Lock()
        #: What was added up already; to be read in a snapshot.
        self.totals = Totals()
        #: (channel number, revision) → the peers of its destinations: a revision never changes.
        self._peers: dict[tuple[int, str], dict[str, str]] = {}

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give the connection in a read transaction, so that all figures of a page are of one moment."""
        with self._turn:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def facts(self, since: float) -> Facts:
        """Return what the first page says; `since` is the start of its day, in seconds since 1970 UTC."""
        with self.snapshot() as connection:
            channels = directory.channels(connection)
            return Facts(
                channels=channels,
                counts=reads.counts(connection, since),
                peers={number: peer for row in channels for number, peer in self._peers_of(connection, row).items()},
                last_received=lists.last_received(connection),
                processes=directory.processes(connection),
                since=since,
                refused=lists.refused_since(connection, since),
                alerts=[alert.text for alert in alerts.open_alerts(connection)],
            )

    def _peers_of(self, connection: Connection, row: directory.ChannelRow) -> dict[int, str]:
        if row.revision is None:
            return {}
        key = (row.number, row.revision)
        if key not in self._peers:
            self._peers[key] = peers(directory.plan(connection, *key) or {})
        return {line.number: self._peers[key][line.name] for line in row.destinations if line.name in self._peers[key]}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def peers(plan: Mapping[str, object]) -> dict[str, str]:
    """Return host:port (or the URL) of each destination of a plan; of its settings, these alone are shown.

    >>> peers({"destinations": {"powerserver": {"settings": {"host": "ps01", "port": 6661, "key": "…"}}}})
    {'powerserver': 'ps01:6661'}
    """
    found = {}
    parts = plan.get("destinations")
    for name, part in parts.items() if isinstance(parts, Mapping) else ():
        settings = part.get("settings") or {}
        if "host" in settings:
            found[name] = ":".join(str(settings[key]) for key in ("host", "port") if key in settings)
        elif "url" in settings:
            found[name] = str(settings["url"])
    return found
