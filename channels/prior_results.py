"""Laboratory results of a pull: found at OmegaAI, handed to a channel of this host, followed until it has delivered.

PowerServer has no public interface for them (A-60): the channel's mapping decides in what form it gets them.
"""

from __future__ import annotations

import dataclasses
import time

from channels.job_peers import Peers
from channels.migration import Step
from channels.prior_request import PriorRequest
from channels.prior_settings import PullPrior
from connectors.share_base import Refused, Result, WantedResults
from messages.job_states import Event
from store import job_results
from store.job_results import JobResult
from store.jobs import Job
from store.store import Store

#: By what the arrival of results is proven: the channel's delivery was accepted.
PROOF = "accepted"
#: First and longest wait between two looks at the channel's deliveries; as long as it has lasted so far. Seconds.
_LOOK = (2.0, 60.0)
#: Status of the door's Task → state of the result. Whatever else it says: it is not over.
_ENDS = {
    "completed": ("delivered", None),
    "rejected": ("ignored", "a rule of the channel says no"),
    "cancelled": ("refused", "a person cancelled its delivery"),
}


class Results:
    """Looks for the results of one job, and has them delivered."""

    def __init__(self, store: Store, settings: PullPrior, peers: Peers, job: Job) -> None:
        self._store, self._settings, self._peers, self._job = store, settings, peers, job

    def known(self) -> list[JobResult]:
        """Return the results that the job is about."""
        return job_results.results(self._store.connection, self._job.number)

    async def choose(self, request: PriorRequest) -> int:
        """Find the most recent results that are asked for; return how many the job has. Raises OSError, Refused."""
        names = [result.name for result in (await self._found(request))[: request.most]]
        await self._store.writer.run(lambda tx: job_results.expect(tx, self._job.number, names))
        return len(self.known())

    async def hand_over(self, request: PriorRequest) -> None:
        """Give the door every result that it does not have yet.

        Raises:
            OSError: OmegaAI or the door cannot be reached; what was handed over stays so.
        """
        lacking = [one for one in self.known() if one.state in {"expected", "refused"}]
        found = {result.name: result for result in await self._found(request)} if lacking else {}
        for one in lacking:
            await self._note(await self._given(one, found.get(one.name)))

    async def _given(self, one: JobResult, result: Result | None) -> JobResult:
        if result is None or result.bundle is None:
            reason = "OmegaAI does not have it any more" if result is None else "a part of it cannot be read"
            return dataclasses.replace(one, state="refused", reason=reason)
        try:
            message = await self._peers.results_door().hand_over(result.bundle)
        except Refused as refused:
            return dataclasses.replace(one, state="refused", reason=str(refused))
        return dataclasses.replace(one, state="handed over", message=message, reason=None)

    async def delivered(self) -> Step:
        """Ask how the deliveries stand; return what it comes to. Raises OSError."""
        for one in self.known():
            if one.state == "handed over" and one.message is not None:
                await self._note(await self._followed(one, one.message))
        tally = job_results.tally(self._store.connection, self._job.number)
        total = sum(tally.values())
        if not tally.keys() - {"delivered", "ignored"}:
            return Step(event=Event.PROVEN, proof=PROOF if "delivered" in tally else None)
        reason = f"{tally.get('delivered', 0)} of {total} laboratory results are delivered"
        lasted = time.time() - self._job.changed_at
        if lasted > self._settings.verify_within or "handed over" not in tally:
            return Step(event=Event.FAILED, code="RESULTS_NOT_DELIVERED", reason=reason)
        wait = min(max(lasted, _LOOK[0]), _LOOK[1])
        return Step(event=Event.INTERRUPTED, code="RESULTS_NOT_DELIVERED", reason=reason, wait=wait)

    async def _followed(self, one: JobResult, message: str) -> JobResult:
        try:
            state, reason = _ENDS.get(await self._peers.results_door().stands(message), (one.state, None))
        except Refused as refused:  # forgotten by the site's retention
            state, reason = "refused", str(refused)
        return dataclasses.replace(one, state=state, reason=reason)

    async def _note(self, result: JobResult) -> None:
        await self._store.writer.run(lambda tx: job_results.note(tx, self._job.number, result))

    async def _found(self, request: PriorRequest) -> list[Result]:
        wanted = WantedResults(
            system=request.patient_system, patient=request.patient, birth_date=request.birth_date,
            first=request.first, last=request.last, report_category=self._settings.report_category,
            observation_category=self._settings.observation_category,
        )  # fmt: skip
        return await self._peers.omegaai().results(wanted)
