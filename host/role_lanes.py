"""The lanes process: maps and delivers, checkpoints the store in the background."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Iterable

from channels import channel as channels
from channels.channel import Channel
from channels.lane import Runner
from channels.requeue import requeue
from host.needed import WORK, roles_of
from host.roles import Process, say_needed
from store import directory, job_retention
from store.checkpoint import Checkpointer
from store.retention import Pruned, prune
from store.writer import Unavailable

log = logging.getLogger(__name__)

#: Seconds that a stopping lane has to read the answer it waits for.
GRACE = 10.0
#: Times that a message may kill the process before it is parked.
CRASHES = 3
#: Seconds between looks for what is old.
FORGET_EVERY = 3600.0


async def body(process: Process) -> None:
    """Run the lanes of all channels but the heavy ones; checkpoint the store, and forget what is old."""
    forgetting = asyncio.create_task(_forget(process))
    with Checkpointer(process.store.folder):
        await deliver(process, heavy=False)
    forgetting.cancel()


async def deliver(process: Process, *, heavy: bool) -> None:
    """Run the lanes of the channels whose transformer is, or is not, heavy; follow what people change."""
    parked = process.store.count_crash(CRASHES)
    if parked is not None:
        names = {"role": process.assignment.role, "delivery": parked, "count": CRASHES}
        log.error("a message was parked that killed its process", extra=names)
    lanes = _Lanes(process, heavy=heavy)
    await lanes.follow()
    process.work = lanes.ring_some
    process.ready()
    while not process.stopping.is_set():
        process.bell.clear()
        try:
            async with asyncio.timeout(1.0):
                await process.bell.wait()
        except TimeoutError:
            process.ring.refresh()
            await lanes.follow()
            continue
        lanes.ring()
        await lanes.follow()
    await lanes.close()


async def _forget(process: Process) -> None:
    """Forget, in small steps and once an hour, what is older than the site wants to keep."""
    while True:
        await asyncio.sleep(FORGET_EVERY)
        before = time.time() - process.assignment.retention_days * 86400
        cursor: int | None = 0
        while cursor is not None:
            batch = functools.partial(prune, before=before, cursor=cursor)
            try:
                done: Pruned = await process.store.writer.run(batch)
            except Unavailable as error:
                log.warning("nothing could be forgotten", extra={"error": str(error)})
                break
            if done.arrivals:
                log.info("forgotten", extra={"count": done.arrivals})
            cursor = done.cursor
            await asyncio.sleep(0.1)  # the lanes come first
        await _forget_jobs(process, before)


async def _forget_jobs(process: Process, before: float) -> None:
    """Forget the shares and pulls that have ended."""
    forget = functools.partial(job_retention.forget, before=before)
    forgotten = job_retention.BATCH
    try:
        while forgotten == job_retention.BATCH:
            forgotten = await process.store.writer.run(forget)
            await asyncio.sleep(0.1)
    except Unavailable as error:
        log.warning("no job could be forgotten", extra={"error": str(error)})


class _Lanes:
    """The runners, by channel."""

    def __init__(self, process: Process, *, heavy: bool) -> None:
        self._process = process
        self._heavy = heavy
        #: Roles that each revision needs, by its channel's number.
        self._needs: dict[tuple[int, str], frozenset[str]] = {}
        #: Channels whose lanes were woken: nobody remembers how long they were to wait before this process began.
        self._woken: set[int] = set()
        self._seen: object = None
        self._running: dict[int, tuple[str, list[Runner], list[asyncio.Task[None]]]] = {}
        self._by_destination: dict[int, Runner] = {}

    async def follow(self) -> None:
        """Bring the runners in step with the channels of the store."""
        rows = directory.channels(self._process.store.connection)
        seen = [(row.number, row.revision, row.state) for row in rows]
        if seen == self._seen:
            return
        self._seen = seen
        needs = {row.number: self._needed(row) for row in rows if row.revision}
        if not self._heavy:
            say_needed(frozenset().union(*needs.values()))
        mine = {number for number, roles in needs.items() if (WORK in roles) is self._heavy}
        wanted = {row.number: row for row in rows if row.number in mine and row.state != "stopped"}
        for number in list(self._running):
            if number not in wanted or wanted[number].revision != self._running[number][0]:
                await self._stop(number)
        for number, row in wanted.items():
            if number not in self._running:
                channel = channels.load(self._process.store.connection, row)
                if channel is not None:
                    await self._wake(channel)
                    await self._requeue(channel)
                    self._start(channel)

    def _needed(self, row: directory.ChannelRow) -> frozenset[str]:
        """Return the roles that the running revision of a channel needs; its plan is read once."""
        key = row.number, row.revision or ""
        if key not in self._needs:
            plan = directory.plan(self._process.store.connection, *key)
            self._needs[key] = roles_of(plan) if plan is not None else frozenset()
        return self._needs[key]

    async def _wake(self, channel: Channel) -> None:
        """Make the waiting lanes of a channel ready when this process first runs it."""
        if channel.number not in self._woken:
            self._woken.add(channel.number)
            await self._process.store.wake_all([destination.number for destination in channel.destinations])

    async def _requeue(self, channel: Channel) -> None:
        """Before a revision begins: what was parked for a row that it has is mapped anew."""
        try:
            count = await requeue(self._process.store, channel.number, channel.revision, channel.transformer)
        except Unavailable as error:
            log.warning("nothing could be mapped anew", extra={"channel": channel.name, "error": str(error)})
            return
        if count:
            log.info(
                "parked deliveries have their row and are mapped anew", extra={"channel": channel.name, "count": count}
            )

    def _start(self, channel: Channel) -> None:
        mine = {
            destination.number: Runner(self._process.store, channel, destination, self.ring)
            for destination in channel.destinations
        }
        self._by_destination |= mine
        runners = list(mine.values())
        tasks = [asyncio.create_task(runner.run()) for runner in runners]
        self._running[channel.number] = channel.revision, runners, tasks

    async def _stop(self, number: int) -> None:
        _, runners, tasks = self._running.pop(number)
        for runner in runners:
            runner.stop()
        self._by_destination = {n: runner for n, runner in self._by_destination.items() if runner not in runners}
        _, late = await asyncio.wait(tasks, timeout=GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if late:
            log.warning("a lane was stopped before its answer came", extra={"count": len(late)})

    def ring_some(self, destinations: Iterable[int]) -> None:
        """Tell the runners of these destinations that there may be work."""
        for number in destinations:
            runner = self._by_destination.get(number)
            if runner is not None:
                runner.ring()

    def ring(self) -> None:
        """Tell all runners that there may be work."""
        for runner in self._by_destination.values():
            runner.ring()

    async def close(self) -> None:
        """Stop all runners."""
        for number in list(self._running):
            await self._stop(number)
