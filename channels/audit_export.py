"""Tells the audit trail to receivers outside, line by line and in order; where one is down, the trail is its spool.

A line that was sent and not noted is sent again: at least once, as everything here. Nothing waits for a receiver.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from channels import registry
from channels.backoff import wait_before
from channels.settings import build
from messages.audit import Entry
from store import audit, directory
from store.store import Store
from store.writer import Unavailable

log = logging.getLogger(__name__)

#: Seconds between looks for new lines.
LOOK = 2.0
#: First and longest wait in seconds after a receiver could not be reached.
_WAIT = (5.0, 300.0)
_BATCH = 100


class Receiver(Protocol):
    """Who is told: `connectors.syslog_sender`."""

    async def send(self, message: bytes, at: str, hostname: str) -> None:
        """Send one line. Raises OSError: it may not have arrived."""
        ...

    async def close(self) -> None:
        """Hang up; never raises."""
        ...


class Exporter:
    """Tells the receivers that the deployed channels name (`audit:` of a study share)."""

    def __init__(self, store: Store, encode: Callable[[Entry], bytes], hostname: str) -> None:
        self._store, self._encode, self._hostname = store, encode, hostname
        self._failures: dict[str, int] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell until told to stop."""
        while not stopping.is_set():
            wait = LOOK
            for sink, settings in self._receivers().items():
                receiver: Receiver = build(registry.load("connector", "syslog-sender"), settings)
                try:
                    await self.tell(sink, receiver)
                    self._failures.pop(sink, None)
                except (OSError, Unavailable) as error:
                    failures = self._failures[sink] = self._failures.get(sink, 0) + 1
                    wait = max(wait, wait_before(failures, _WAIT))
                    log.warning("the audit receiver cannot be reached", extra={"error": type(error).__name__})
                finally:
                    await receiver.close()
            try:
                async with asyncio.timeout(wait):
                    await stopping.wait()
            except TimeoutError:
                continue

    def _receivers(self) -> dict[str, Mapping[str, object]]:
        """Return sink → settings; channels that name the same receiver are one sink."""
        found: dict[str, Mapping[str, object]] = {}
        for row in directory.channels(self._store.connection):
            plan = directory.plan(self._store.connection, row.number, row.revision) if row.revision else None
            parts = plan.get("destinations") if plan else None
            for part in parts.values() if isinstance(parts, dict) else ():
                settings = part["settings"].get("audit")
                if settings:
                    found[f"syslog {settings['host']}:{settings.get('port', '')}"] = settings
        return found

    async def tell(self, sink: str, receiver: Receiver) -> int:
        """Send the lines that a receiver has not got yet; return how many. Raises OSError, Unavailable."""
        sent = 0
        while lines := audit.after(self._store.connection, audit.told(self._store.connection, sink), _BATCH):
            for entry in lines:
                at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
                await receiver.send(self._encode(entry), at, self._hostname)
            last = lines[-1].number
            await self._store.writer.run(lambda tx, last=last: audit.note_told(tx, sink, last))  # type: ignore[misc]
            sent += len(lines)
        return sent
