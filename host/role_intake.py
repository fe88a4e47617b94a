"""The intake process: the doors of all channels. A flood here cannot stop a lane."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from dataclasses import dataclass

import orjson

from channels import channel as channels
from channels import registry
from channels.backoff import wait_before
from channels.channel import Channel
from channels.door import Door
from channels.settings import build
from connectors.base import SourceConnector
from host.roles import Process
from store import directory
from store.follow import CONNECTOR

log = logging.getLogger(__name__)


async def body(process: Process) -> None:
    """Open the doors, and follow what people change."""
    doors = _Doors(process)
    await doors.follow()
    process.ready()
    while not process.stopping.is_set():
        process.bell.clear()
        await _first_of(process.bell.wait(), process.stopping.wait(), seconds=1.0)
        process.ring.refresh()
        await doors.follow()
    await doors.close()


#: Shortest and longest wait, in seconds, before a door that fell shut is tried again.
_WAIT = (1.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fallen:
    """A door that could not be opened, or ended by itself. Times are of the monotonic clock."""

    failures: int
    due_at: float
    reason: str
    #: When it opened again; None while it is shut.
    opened_at: float | None = None

    @property
    def is_due(self) -> bool:
        return self.opened_at is None and time.monotonic() >= self.due_at

    @property
    def held(self) -> bool:
        """It has stood open for a while since."""
        return self.opened_at is not None and time.monotonic() - self.opened_at > _WAIT[1]


class _Doors:
    """The source connectors that run, by their address."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._open: dict[str, tuple[Door, asyncio.Task[None]]] = {}
        self._fallen: dict[str, _Fallen] = {}
        self._seen: object = None
        self._compiled: dict[tuple[int, str], Channel] = {}

    async def follow(self) -> None:
        """Bring the doors in step with the channels of the store; open again what fell shut."""
        for address, (door, task) in list(self._open.items()):
            if task.done():
                del self._open[address]
                self._fell(address, door, task)
        rows = directory.channels(self._process.store.connection)
        seen = [(row.number, row.revision, row.state) for row in rows]
        if seen == self._seen and not any(fallen.is_due for fallen in self._fallen.values()):
            return
        self._seen = seen
        wanted: dict[str, list[Channel]] = {}
        for row in rows:
            channel = self._channel(row)
            if channel is not None and channel.source != CONNECTOR:
                address = orjson.dumps([channel.source, channel.source_settings], option=orjson.OPT_SORT_KEYS).decode()
                wanted.setdefault(address, []).append(channel)
        for address in self._open.keys() - wanted.keys():
            await _end(self._open.pop(address)[1])
        self._fallen = {address: fallen for address, fallen in self._fallen.items() if address in wanted}
        for address, behind in wanted.items():
            if address in self._open:
                self._open[address][0].channels = tuple(behind)
            elif address not in self._fallen or self._fallen[address].is_due:
                await self._serve(address, behind)

    def _channel(self, row: directory.ChannelRow) -> Channel | None:
        """Return the channel in its present state; the revision is compiled once."""
        if row.revision is None:
            return None
        known = self._compiled.get((row.number, row.revision))
        if known is None:
            known = channels.load(self._process.store.connection, row)
            if known is None:
                return None
            self._compiled[row.number, row.revision] = known
        return channels.in_state(known, row.state)

    async def _serve(self, address: str, behind: list[Channel]) -> None:
        first = behind[0]
        connector: SourceConnector = build(registry.load("connector", first.source), first.source_settings)
        door = Door(first.source, self._process.store, behind, self._process.ring.work)
        opened = asyncio.Event()

        def ready(where: str) -> None:
            if where not in self._process.doors:
                self._process.doors.append(where)
            opened.set()

        task = asyncio.create_task(connector.serve(door, ready))
        await _first_of(opened.wait(), asyncio.shield(task), seconds=10.0)
        if task.done():
            self._fell(address, door, task)
            return
        self._open[address] = door, task
        if address in self._fallen:
            self._fallen[address] = dataclasses.replace(self._fallen[address], opened_at=time.monotonic())
            for channel in behind:
                directory.clear_problem(self._process.store.writer, channel.name, self._fallen[address].reason)

    def _fell(self, address: str, door: Door, task: asyncio.Task[None]) -> None:
        """Say that a door is shut, at the channels behind it too, and when it is tried again."""
        error = task.exception()
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        else:
            reason = f"a bug of the connector: {type(error).__name__}; see the log" if error else "its connector ended"
        before = self._fallen.get(address)
        failures = 1 + (before.failures if before and not before.held else 0)
        wait = wait_before(failures, _WAIT)
        self._fallen[address] = _Fallen(failures=failures, due_at=time.monotonic() + wait, reason=reason)
        names = [channel.name for channel in door.channels]
        log.error(
            "a door is shut; it is tried again",
            extra={"channel": ", ".join(names), "error": reason, "seconds": round(wait, 1)},
            exc_info=None if isinstance(error, OSError) else error,
        )
        for channel in door.channels:
            directory.set_problem(self._process.store.writer, channel.name, channel.title, reason)

    async def close(self) -> None:
        """Close all doors; answers under way are given first."""
        for _, task in self._open.values():
            await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _first_of(*waits: object, seconds: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]  # coroutines and futures
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
