"""Lanes: one message at a time for each destination and ordering key, in the order of acceptance.

A destination's workers take the heads of ready lanes, a short run of them at a time. What the answers of one run
changed and what the next run needs are committed together, so a busy lane costs a part of a commit a message:
`… accepted(1..n) + mapped, claimed(n+1..m) … send(n+1) … send(m) …`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from channels import verdict
from channels.backoff import Breaker, wait_before
from channels.channel import Channel, Destination
from channels.definitions import Definitions
from channels.gently import gently
from channels.job_starter import JobStarter
from channels.prepare import Prepared, prepare
from connectors.base import DestinationConnector
from messages.lifecycle import Event
from messages.message import Step
from store import directory
from store.store import Store, Work
from store.writer import Unavailable

log = logging.getLogger(__name__)

#: Heads of lanes that are read ahead.
WINDOW = 64
#: Seconds between looks at the store when no bell rings.
LOOK = 1.0
#: Messages that a worker claims in one commit at most, each of another lane.
RUN = 16
#: Seconds that a run should take: a slow destination gets runs of one. Answers wait for a commit at most twice that.
RUN_WITHIN = 0.05
#: Seconds of sending below which a run is not divided among idle workers: each part would cost a commit of its own.
UNDIVIDED = 0.01
#: Sends of which the quickest tells how quick a destination is. The others may have waited for this very process, and
#: would make runs short, and commits many, just when there is most to do.
LATELY = 32


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an answer changes, to be committed with the next claims; until then its lane waits."""

    work: Work
    step: Step


@dataclass(frozen=True, slots=True)
class _Job:
    """A message that is ready to be sent."""

    work: Work
    prepared: Prepared

    def step(self, event: Event, reason: str | None = None) -> Step:
        return Step(delivery=self.work.delivery.id, status=self.prepared.status, event=event, reason=reason)


class Runner:
    """Delivers to one destination of one channel."""

    def __init__(
        self, store: Store, channel: Channel, destination: Destination, ring_all: Callable[[], None] = lambda: None
    ) -> None:
        """`ring_all` tells the runners of the other destinations that one of theirs may have been set free."""
        self._store = store
        self._ring_all = ring_all
        self._channel = channel
        self._destination = destination
        self._definitions = (
            Definitions(channel.definitions, channel.transformer, store) if channel.definitions else None
        )
        self._breaker = Breaker(destination.policy.wait)
        self._ahead: deque[Work] = deque()
        #: Lanes that are read ahead or in a worker's hands, with the head that each was taken for.
        self._busy: dict[int, Work] = {}
        #: Workers that have nothing to do.
        self._idle: deque[asyncio.Future[None]] = deque()
        #: Seconds that answers took lately.
        self._paces: deque[float] = deque([RUN_WITHIN], LATELY)
        self._stopping = False
        self._said: tuple[str, str | None] = ("", None)

    def ring(self) -> None:
        """Say that there may be work: one idle worker looks, and wakes the next one when there is more."""
        while self._idle:
            waiting = self._idle.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    def stop(self) -> None:
        """Take nothing new; what is under way ends with its answer or its time limit."""
        self._stopping = True
        for waiting in self._idle:
            if not waiting.done():
                waiting.set_result(None)

    async def run(self) -> None:
        """Deliver until stopped. A worker that fails says so and begins again."""
        await self._say("idle")
        async with asyncio.TaskGroup() as group:
            for _ in range(self._destination.policy.connections):
                group.create_task(self._worker())
        if self._definitions is not None:
            await self._definitions.close()
        await self._say("stopped")

    async def _worker(self) -> None:
        failures = 0
        while not self._stopping:
            line = self._destination.connect()
            if isinstance(line, JobStarter):
                line.attach(self._store, self._channel.name, self._destination.name)
            try:
                await self._deliver(line)
            except Exception as error:
                failures += 1
                self._breaker.gave_up()
                log.exception("a lane worker failed", extra=self._names())
                await self._say("failed", f"a bug: {type(error).__name__}; see the log")
                await asyncio.sleep(wait_before(failures, self._destination.policy.wait))
            finally:
                await line.close()

    async def _deliver(self, line: DestinationConnector) -> None:
        answers: list[_Answer] = []
        run: list[Work] = []
        try:
            while True:
                run = self._take()
                if run:
                    answers = await self._send_run(line, run, answers)
                elif answers:
                    await self._commit(answers)
                    answers = []
                elif not await self._wait():
                    return
        finally:
            self._release(run)
            self._release(answer.work for answer in answers)

    # -- taking work ----------------------------------------------------------------------------------------

    def _take(self) -> list[Work]:
        """Return heads of ready lanes, the oldest first: a fair share of what is ready, or nothing."""
        if self._stopping:
            return []
        if not self._ahead:
            place = (self._destination.number, self._destination.name)
            for work in self._store.ready(self._channel.name, place, WINDOW + len(self._busy), self._busy):
                self._busy[work.delivery.lane] = work
                self._ahead.append(work)
        share = -(-len(self._ahead) // self._destination.policy.connections)
        pace = min(self._paces)
        quick = min(len(self._ahead), int(UNDIVIDED / pace))
        run = [self._ahead.popleft() for _ in range(min(max(share, quick), self._longest_run(pace)))]
        if self._ahead:
            self.ring()
        return run

    def _longest_run(self, pace: float) -> int:
        if self._destination.policy.hold_unanswered or not self._breaker.is_closed:
            return 1  # what is claimed and not sent must not look as if it had left
        if self._channel.is_heavy:
            return 1  # a run of large messages would be a commit that everybody waits for
        return max(1, min(RUN, int(RUN_WITHIN / pace)))

    async def _wait(self) -> bool:
        """Wait for the bell, or for the time to look again. False when it is time to stop."""
        if not self._stopping:
            # One of the idle workers looks by the clock; the others are woken by it.
            patience = LOOK if not self._idle else 10 * LOOK
            waiting = asyncio.get_running_loop().create_future()
            self._idle.append(waiting)
            try:
                async with asyncio.timeout(patience):
                    await waiting
            except TimeoutError:
                if waiting in self._idle:
                    self._idle.remove(waiting)
        return not self._stopping

    def _release(self, works: Iterable[Work]) -> None:
        """Let go of the lanes that these still hold; another worker may have them by now."""
        for work in works:
            if self._busy.get(work.delivery.lane) is work:
                del self._busy[work.delivery.lane]

    # -- a run of messages ----------------------------------------------------------------------------------

    async def _send_run(self, line: DestinationConnector, run: list[Work], answers: list[_Answer]) -> list[_Answer]:
        """Map, claim and send a run, and commit the answers before it on the way; return its own answers."""
        if self._channel.is_heavy:
            await self._commit(answers)  # they do not wait for the end of a rest
            answers = []
            await gently().turn()
        jobs, steps = await self._prepare(run)
        if not jobs or not self._breaker.is_closed:
            await self._commit(answers, [*steps, *(step for job in jobs for step in job.prepared.steps)])
            answers, steps = [], []
            jobs = [_Job(job.work, _committed(job.prepared)) for job in jobs]
            if not jobs or not await self._may_try():
                self._release(run)
                return []
        try:
            await line.open()
        except OSError as error:
            await self._unreachable(jobs, answers, steps, error)
            self._release(run)
            return []
        claims = [step for job in jobs for step in (*job.prepared.steps, job.step(Event.CLAIMED))]
        held = await self._commit(answers, [*steps, *claims])
        claimed = {step.delivery for step, good in zip(claims, held[len(steps) :], strict=True) if good}
        self._release(work for work in run if work.delivery.id not in claimed)
        jobs = [job for job in jobs if job.work.delivery.id in claimed]
        if not jobs:
            self._breaker.gave_up()
        return await self._send(line, jobs)

    async def _prepare(self, run: list[Work]) -> tuple[list[_Job], list[Step]]:
        """Return what can be sent, and the steps of what is filtered or parked instead."""
        jobs: list[_Job] = []
        steps: list[Step] = []
        for work in run:
            if await self._waits(work):
                self._release([work])
                continue
            prepared = self._prepared(work)
            if prepared.wait is not None:
                await self._store.postpone(work.delivery, prepared.wait.reason)
                self._release([work])
                self._wake_in(prepared.wait.seconds, work.delivery.lane)
            elif prepared.encoded is None or prepared.control_id is None:
                steps += prepared.steps
            else:
                jobs.append(_Job(work, prepared))
        return jobs, steps

    def _prepared(self, work: Work) -> Prepared:
        wait = self._definitions.wait(work) if self._definitions is not None else None
        if wait is not None:
            return Prepared(steps=(), status=work.delivery.status, wait=wait)
        return prepare(self._channel, self._destination, work, self._store)

    async def _waits(self, work: Work) -> bool:
        """Say whether a delivery waits for another one; its lane sleeps until that is done."""
        after, channel = self._destination.after, self._destination.after_channel
        if after and await self._store.waits_for(work.delivery, after):
            return True
        if channel is None or not await self._store.waits_for_channel(work.delivery, channel):
            return False
        # The other channel's lanes do not know of this one: it looks again by the clock.
        asyncio.get_running_loop().call_later(LOOK, self._wake, work.delivery.lane)
        return True

    async def _send(self, line: DestinationConnector, jobs: list[_Job]) -> list[_Answer]:
        policy, siblings = self._destination.policy, len(self._channel.destinations) > 1
        answers: list[_Answer] = []
        since = time.monotonic()
        for position, job in enumerate(jobs):
            if position and self._stopping:
                await self._give_back(answers, jobs[position:], "the channel was stopped before it was sent")
                return []
            began = time.monotonic()
            try:
                reply = await line.send(job.prepared.encoded or b"", job.prepared.control_id or "")
            except OSError as error:
                self._breaker.failed()
                answers.append(_Answer(job.work, verdict.unanswered(policy, job.work, error)))
                await self._give_back(answers, jobs[position + 1 :], "the line broke before it was sent")
                return []
            except Exception:
                # A bug of the connector: the answers before it were read, and what is behind it has not left.
                await self._give_back(answers, jobs[position + 1 :], "the connector failed before it was sent")
                raise
            self._breaker.worked()
            await self._say("connected")
            step = verdict.answered(policy, job.work, reply, siblings=siblings)
            answers.append(_Answer(job.work, job.prepared.settle(self._channel, job.work, step, reply)))
            ended = time.monotonic()
            self._paces.append(max(ended - began, UNDIVIDED / RUN))
            if ended - since > 2 * RUN_WITHIN:
                await self._commit(answers)
                answers, since = [], ended
        return answers

    async def _give_back(self, answers: list[_Answer], jobs: list[_Job], reason: str) -> None:
        """Commit the answers so far; what was claimed and has not left goes back to its lane."""
        await self._commit(answers, [verdict.unsent(job.work, reason) for job in jobs])
        self._release(job.work for job in jobs)

    async def _may_try(self) -> bool:
        """Wait for this worker's turn to try a destination that failed. False when it is time to stop."""
        while (wait := self._breaker.pause()) > 0:
            if self._stopping:
                return False
            await asyncio.sleep(min(wait, LOOK))
        return True

    async def _unreachable(self, jobs: list[_Job], answers: list[_Answer], steps: list[Step], error: OSError) -> None:
        wait = self._breaker.failed()
        reason = f"the destination cannot be reached ({type(error).__name__})"
        await self._say("unreachable", f"{type(error).__name__}; next try in {wait:.0f} s")
        for job in jobs:
            steps += job.prepared.steps
            if job.work.delivery.reason != reason:
                steps.append(job.step(Event.POSTPONED, reason))
        await self._commit(answers, steps)

    # -- committing -----------------------------------------------------------------------------------------

    async def _commit(self, answers: Sequence[_Answer], steps: Sequence[Step] = ()) -> list[bool]:
        """Commit answers and steps together; say of each of the steps whether it held.

        While the store cannot be written (disk full) it waits: an answer that was read must not be lost.
        """
        together = [*(answer.step for answer in answers), *steps]
        if not together:
            return []
        attempt = 0
        while True:
            try:
                held = await self._store.apply(together)
                break
            except Unavailable as error:
                attempt += 1
                log.error("the store cannot be written", extra={**self._names(), "error": str(error)})  # noqa: TRY400 - it is tried again
                await asyncio.sleep(wait_before(attempt, (0.2, 5.0)))
        self._release(answer.work for answer in answers)
        for answer in answers:
            if answer.step.wait:
                self._wake_in(answer.step.wait, answer.work.delivery.lane)
        if any(answer.step.siblings for answer in answers):
            self._ring_all()
        return held[len(answers) :]

    def _wake_in(self, seconds: float, lane: int) -> None:
        asyncio.get_running_loop().call_later(seconds, self._wake, lane)

    def _wake(self, lane: int) -> None:
        task = asyncio.ensure_future(self._store.wake([lane]))
        task.add_done_callback(lambda done: self._woken(done, lane))

    def _woken(self, task: asyncio.Future[None], lane: int) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("a lane could not be woken; it is tried again", extra=self._names())
            asyncio.get_running_loop().call_later(LOOK, self._wake, lane)
        self.ring()

    async def _say(self, state: str, reason: str | None = None) -> None:
        """Show how the line stands, when that has changed."""
        if self._said != (state, reason):
            self._said = (state, reason)
            await directory.set_connection(self._store.writer, self._destination.number, state, reason)

    def _names(self) -> dict[str, object]:
        return {"channel": self._channel.name, "destination": self._destination.name}


def _committed(prepared: Prepared) -> Prepared:
    return replace(prepared, steps=())
