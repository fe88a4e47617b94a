"""Runs jobs: takes those that are due, a few at a time, and lets each do the step that its state asks for.

What is under way when the process dies is due again at the next start. A peer that cannot be reached costs a job no
try; a bug of a step costs that job alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from channels.backoff import wait_before
from channels.migration import Ended
from connectors.share_base import Refused
from messages.audit import Outcome
from messages.job_states import OPEN, Event
from store import audit, jobs
from store.jobs import Job
from store.store import Store
from store.writer import Unavailable

log = logging.getLogger(__name__)

#: Jobs under way at once.
AT_ONCE = 4
#: Seconds between looks when nothing rings.
LOOK = 1.0
#: First and longest wait in seconds after a peer could not be reached.
_UNREACHABLE = (2.0, 300.0)


class Work(Protocol):
    """What a kind of job does."""

    async def step(self, job: Job) -> None:
        """Do the step of the job's state and commit it. Raises OSError, Ended; then nothing was committed."""
        ...

    async def withdraw(self, job: Job) -> None:
        """Undo what a job that has ended gave. Raises OSError."""
        ...

    async def tell(self, job: Job) -> None:
        """Tell whoever asked for the job how it stands. Raises OSError."""
        ...


class NoWork(LookupError):
    """Nobody can do this job now; the text says why."""


class JobRunner:
    """Runs the jobs of one store."""

    def __init__(self, store: Store, work_of: Callable[[Job], Work]) -> None:
        """`work_of` gives who does a job; raises NoWork where its channel does not run."""
        self._store, self._work_of = store, work_of
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._failures: dict[tuple[str, int], int] = {}
        #: Not to be told or withdrawn before this time (of the monotonic clock).
        self._not_before: dict[tuple[str, int], float] = {}
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Say that there may be work."""
        self._bell.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until told to stop; what is under way then begins again at the next start."""
        while not stopping.is_set():
            self._bell.clear()
            self._take()
            try:
                async with asyncio.timeout(LOOK):
                    await self._bell.wait()
            except TimeoutError:
                continue
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _take(self) -> None:
        link, now = self._store.connection, time.time()
        for job in jobs.due(link, now):
            self._start("step", job, self._step)
        for job in jobs.expired(link, now):
            self._start("step", job, self._expire)
        for job in jobs.to_withdraw(link):
            self._start("withdraw", job, self._withdraw)
        for job in jobs.untold(link):
            self._start("tell", job, self._tell)

    def _start(self, what: str, job: Job, act: Callable[[Job], Coroutine[Any, Any, None]]) -> None:
        key = what, job.number
        busy = sum(name == what for name, _ in self._running)
        if key in self._running or busy >= AT_ONCE or time.monotonic() < self._not_before.get(key, 0.0):
            return
        task = asyncio.create_task(self._guarded(key, job, act))
        self._running[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: tuple[str, int]) -> None:
        del self._running[key]
        self._bell.set()

    async def _guarded(self, key: tuple[str, int], job: Job, act: Callable[[Job], Coroutine[Any, Any, None]]) -> None:
        try:
            await act(job)
        except Ended:
            return
        except Unavailable as error:
            log.error("the store cannot be written", extra={"job": job.number, "error": str(error)})  # noqa: TRY400 - a traceback may quote what came
        except NoWork as error:
            await self._later(key, job, "NO_CHANNEL", str(error))
            return
        except Refused as error:
            await self._later(key, job, "REFUSED_BY_PEER", str(error))
            return
        except OSError as error:
            await self._later(key, job, "UNREACHABLE", f"a peer cannot be reached ({type(error).__name__})")
            return
        except Exception as error:
            # The text of a bug may hold a value of the request: its type and place are enough.
            log.exception("a job failed", extra={"job": job.number})
            await self._later(key, job, "BUG", f"a bug: {type(error).__name__}; see the log")
            return
        self._failures.pop(key, None)
        self._not_before.pop(key, None)

    async def _later(self, key: tuple[str, int], job: Job, code: str, reason: str) -> None:
        """Try again after a wait that grows; the job says what it waits for."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = wait_before(failures, _UNREACHABLE)
        self._not_before[key] = time.monotonic() + wait
        log.warning("a job waits", extra={"job": job.number, "code": code, "seconds": round(wait, 1)})
        if key[0] == "step" and job.state in OPEN:
            await self._store.writer.run(
                lambda tx: jobs.wait_for(tx, job, code=code, reason=reason, wait=wait)
            )  # fmt: skip

    # -- what is done -----------------------------------------------------------------------------------------

    async def _step(self, job: Job) -> None:
        await self._work_of(job).step(job)

    async def _expire(self, job: Job) -> None:
        def work(tx: Any) -> None:
            if jobs.move(tx, job, Event.EXPIRED, reason="its time is over") is not None:
                audit.record(tx, "host", "share-expired", f"job:{job.number}", Outcome.SUCCESS)

        await self._store.writer.run(work)

    async def _withdraw(self, job: Job) -> None:
        await self._work_of(job).withdraw(job)

    async def _tell(self, job: Job) -> None:
        await self._work_of(job).tell(job)
        await self._store.writer.run(lambda tx: jobs.tell(tx, job.number, job.state))
