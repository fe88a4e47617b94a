"""Lanes: one message at a time for each destination and ordering key, in the order of acceptance.

A destination's workers take the heads of ready lanes. What an answer changed and what the next send needs are
committed together, so a message costs about one commit: `… accepted(n) + mapped, claimed(n+1) … send(n+1) …`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from channels.backoff import Breaker, wait_before
from channels.channel import Channel, Destination
from channels.prepare import HELD, Prepared, prepare
from connectors.base import DestinationConnector, Reply
from messages.lifecycle import Event, Status
from messages.message import Step
from store import directory
from store.store import Store, Work
from store.writer import Unavailable

log = logging.getLogger(__name__)

#: Heads of lanes that are read ahead.
WINDOW = 32
#: Seconds between looks at the store when no bell rings.
LOOK = 1.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an answer changes, to be committed with the next claim; until then its lane waits."""

    work: Work
    step: Step


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
        self._breaker = Breaker(destination.policy.wait)
        self._ahead: deque[Work] = deque()
        #: Lanes that are read ahead or in a worker's hands, and the work that holds each.
        self._busy: dict[int, Work] = {}
        self._bell = asyncio.Event()
        self._stopping = False
        self._said: tuple[str, str | None] = ("", None)

    def ring(self) -> None:
        """Say that there may be work."""
        self._bell.set()

    def stop(self) -> None:
        """Take nothing new; what is under way ends with its answer or its time limit."""
        self._stopping = True
        self._bell.set()

    async def run(self) -> None:
        """Deliver until stopped. A worker that fails says so and begins again."""
        await self._say("idle")
        async with asyncio.TaskGroup() as group:
            for _ in range(self._destination.policy.connections):
                group.create_task(self._worker())
        await self._say("stopped")

    async def _worker(self) -> None:
        failures = 0
        while not self._stopping:
            line = self._destination.connect()
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
        answer: _Answer | None = None
        work: Work | None = None
        try:
            while True:
                work = self._next()
                if work is not None:
                    answer = await self._one(line, work, answer)
                elif answer is not None:
                    await self._commit(answer)
                    answer = None
                elif not await self._wait():
                    return
        finally:
            self._release(work, answer.work if answer else None)

    # -- taking work ----------------------------------------------------------------------------------------

    def _next(self) -> Work | None:
        """Return the head of the ready lane whose head is oldest."""
        if self._stopping:
            return None
        if not self._ahead:
            self._bell.clear()
            place = (self._destination.number, self._destination.name)
            for work in self._store.ready(self._channel.name, place, WINDOW + len(self._busy)):
                if work.delivery.lane not in self._busy:
                    self._busy[work.delivery.lane] = work
                    self._ahead.append(work)
            if len(self._ahead) > 1:
                self._bell.set()  # the other workers need not wait for the next message
        return self._ahead.popleft() if self._ahead else None

    async def _wait(self) -> bool:
        """Wait for the bell, or for the time to look again. False when it is time to stop."""
        if not self._stopping:
            try:
                async with asyncio.timeout(LOOK):
                    await self._bell.wait()
            except TimeoutError:
                self._bell.set()
        return not self._stopping

    def _release(self, *works: Work | None) -> None:
        """Let go of the lanes that these still hold; another worker may have them by now."""
        for work in works:
            if work is not None and self._busy.get(work.delivery.lane) is work:
                del self._busy[work.delivery.lane]

    # -- one message ----------------------------------------------------------------------------------------

    async def _one(self, line: DestinationConnector, work: Work, answer: _Answer | None) -> _Answer | None:
        """Map, claim and send one message, and commit the answer before it on the way; return its own answer."""
        if self._destination.after and await self._store.waits_for(work.delivery, self._destination.after):
            await self._commit(answer)
            self._release(work)
            return None
        prepared = prepare(self._channel, self._destination, work, self._store.mark)
        if prepared.encoded is None or prepared.control_id is None:
            await self._commit(answer, prepared.steps)
            self._release(work)
            return None
        if not self._breaker.is_closed:
            await self._commit(answer, prepared.steps)
            answer, prepared = None, _committed(prepared)
            if not await self._may_try():
                self._release(work)
                return None
        try:
            await line.open()
        except OSError as error:
            await self._unreachable(work, prepared, answer, error)
            return None
        claim = Step(delivery=work.delivery.id, status=prepared.status, event=Event.CLAIMED)
        if not await self._commit(answer, (*prepared.steps, claim)):
            self._breaker.gave_up()
            self._release(work)
            return None
        return await self._send(line, work, prepared)

    async def _send(self, line: DestinationConnector, work: Work, prepared: Prepared) -> _Answer | None:
        try:
            reply = await line.send(prepared.encoded or b"", prepared.control_id or "")
        except OSError as error:
            self._breaker.failed()
            await self._commit(_Answer(work, self._unanswered(work, error)))
            return None
        self._breaker.worked()
        await self._say("connected")
        step = self._answered(work, reply)
        if step.wait:
            await self._commit(_Answer(work, step))
            return None
        return _Answer(work, step)

    async def _may_try(self) -> bool:
        """Wait for this worker's turn to try a destination that failed. False when it is time to stop."""
        while (wait := self._breaker.pause()) > 0:
            if self._stopping:
                return False
            await asyncio.sleep(min(wait, LOOK))
        return True

    async def _unreachable(self, work: Work, prepared: Prepared, answer: _Answer | None, error: OSError) -> None:
        wait = self._breaker.failed()
        reason = f"the destination cannot be reached ({type(error).__name__})"
        await self._say("unreachable", f"{type(error).__name__}; next try in {wait:.0f} s")
        steps = prepared.steps
        if work.delivery.reason != reason:
            steps = (
                *steps,
                Step(delivery=work.delivery.id, status=prepared.status, event=Event.POSTPONED, reason=reason),
            )
        await self._commit(answer, steps)
        self._release(work)

    def _answered(self, work: Work, reply: Reply) -> Step:
        event, wait = reply.event, 0.0
        if event is Event.DEFERRED:
            if work.refusals + 1 >= self._destination.policy.refused:
                event = Event.REFUSED
            else:
                wait = wait_before(work.refusals + 1, self._destination.policy.wait)
        return Step(
            delivery=work.delivery.id, status=Status.PENDING, event=event, reason=reply.reason, response=reply.raw,
            wait=wait, siblings=len(self._channel.destinations) > 1,
        )  # fmt: skip

    def _unanswered(self, work: Work, error: OSError) -> Step:
        if self._destination.policy.hold_unanswered:
            return Step(delivery=work.delivery.id, status=Status.PENDING, event=Event.HELD, reason=HELD)
        return Step(
            delivery=work.delivery.id, status=Status.PENDING, event=Event.UNANSWERED,
            reason=f"no answer that counts ({type(error).__name__}: {error}); the same bytes go again",
            wait=wait_before(work.delivery.attempts + 1, self._destination.policy.wait),
        )  # fmt: skip

    # -- committing -----------------------------------------------------------------------------------------

    async def _commit(self, answer: _Answer | None, steps: Sequence[Step] = ()) -> bool:
        """Commit an answer and steps together; True when the last of the steps held.

        While the store cannot be written (disk full) it waits: an answer that was read must not be lost.
        """
        together = (answer.step, *steps) if answer else tuple(steps)
        if not together:
            return True
        attempt = 0
        while True:
            try:
                held = await self._store.apply(together)
                break
            except Unavailable as error:
                attempt += 1
                log.error("the store cannot be written", extra={**self._names(), "error": str(error)})  # noqa: TRY400
                await asyncio.sleep(wait_before(attempt, (0.2, 5.0)))
        if answer is not None:
            self._release(answer.work)
            if answer.step.siblings:
                self._ring_all()
            if answer.step.wait:
                asyncio.get_running_loop().call_later(answer.step.wait, self._wake, answer.work.delivery.lane)
        return held[-1]

    def _wake(self, lane: int) -> None:
        task = asyncio.ensure_future(self._store.wake([lane]))
        task.add_done_callback(lambda done: self._woken(done, lane))

    def _woken(self, task: asyncio.Future[None], lane: int) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("a lane could not be woken; it is tried again", extra=self._names())
            asyncio.get_running_loop().call_later(LOOK, self._wake, lane)
        self._bell.set()

    async def _say(self, state: str, reason: str | None = None) -> None:
        """Show how the line stands, when that has changed."""
        if self._said != (state, reason):
            self._said = (state, reason)
            await directory.set_connection(self._store.writer, self._destination.number, state, reason)

    def _names(self) -> dict[str, object]:
        return {"channel": self._channel.name, "destination": self._destination.name}


def _committed(prepared: Prepared) -> Prepared:
    return Prepared(steps=(), status=prepared.status, encoded=prepared.encoded, control_id=prepared.control_id)
