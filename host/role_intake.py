"""The intake process: the doors of all channels. A flood here cannot stop a lane."""

from __future__ import annotations

import asyncio
import logging

import orjson

from channels import channel as channels
from channels import registry
from channels.channel import Channel
from channels.door import Door
from channels.settings import build
from connectors.base import SourceConnector
from host.roles import Process
from store import directory

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


class _Doors:
    """The source connectors that run, by their address."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._open: dict[str, tuple[Door, asyncio.Task[None]]] = {}
        self._seen: object = None
        self._compiled: dict[tuple[int, str], Channel] = {}

    async def follow(self) -> None:
        """Bring the doors in step with the channels of the store."""
        rows = directory.channels(self._process.store.connection)
        seen = [(row.number, row.revision, row.state) for row in rows]
        if seen == self._seen:
            return
        self._seen = seen
        wanted: dict[str, list[Channel]] = {}
        for row in rows:
            channel = self._channel(row)
            if channel is not None:
                address = orjson.dumps([channel.source, channel.source_settings], option=orjson.OPT_SORT_KEYS).decode()
                wanted.setdefault(address, []).append(channel)
        for address in self._open.keys() - wanted.keys():
            await _end(self._open.pop(address)[1])
        for address, behind in wanted.items():
            if address in self._open and not self._open[address][1].done():
                self._open[address][0].channels = tuple(behind)
            else:
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
            self._process.doors.append(where)
            opened.set()

        task = asyncio.create_task(connector.serve(door, ready))
        self._open[address] = door, task
        await _first_of(opened.wait(), asyncio.shield(task), seconds=10.0)
        if task.done() and (error := task.exception()) is not None:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            log.error("a door could not be opened", extra={"channel": first.name, "error": reason})
            for channel in behind:
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
