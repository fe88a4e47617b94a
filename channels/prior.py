"""A pull of prior studies, step by step: which there are, the transfer, and the proof that they have arrived."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from channels import prior_request, task_request
from channels.job_peers import Peers
from channels.job_progress import tell
from channels.migration import Step
from channels.moving import Audited, Moving, commit
from channels.prior_request import PriorRequest
from channels.prior_results import Results
from channels.prior_settings import PullPrior
from connectors.dicom_base import Match, Query, Verdict
from messages.audit import Outcome
from messages.job_states import Event, State
from store import job_parts, job_results
from store.jobs import Job
from store.store import Store
from store.writer import Transaction

#: State and event of the job → words of the audit trail, and how each ended.
_AUDITED: Audited = {
    (State.RECEIVED, Event.REFUSED): [("prior-refused", Outcome.MINOR_FAILURE)],
    (State.QUERYING, Event.FOUND): [("priors-queried", Outcome.SUCCESS), ("transfer-begun", Outcome.SUCCESS)],
    (State.QUERYING, Event.NOTHING): [("priors-queried", Outcome.SUCCESS)],
    (State.TRANSFERRING, Event.MOVED): [("transfer-ended", Outcome.SUCCESS)],
    (State.TRANSFERRING, Event.FAILED): [("transfer-ended", Outcome.SERIOUS_FAILURE)],
    (State.VERIFYING, Event.PROVEN): [("arrival-verified", Outcome.SUCCESS)],
    (State.VERIFYING, Event.INCOMPLETE): [("arrival-verified", Outcome.MINOR_FAILURE)],
    (State.VERIFYING, Event.FAILED): [("arrival-verified", Outcome.SERIOUS_FAILURE)],
}


class PullPriorWork:
    """Does the steps of pulls that go by the same settings."""

    def __init__(self, store: Store, settings: PullPrior, peers: Peers, zone: str) -> None:
        """`zone` is the site's (an IANA name): dates and the window of the day are meant in it."""
        self._store, self._settings, self._peers, self._zone = store, settings, peers, ZoneInfo(zone)
        self._moving = Moving(store, settings, peers, settings.to, self._zone)

    async def step(self, job: Job) -> None:
        """Do what the job's state asks for, and commit what came of it; raises as `job_runner.Work.step`."""
        parts: dict[State, Callable[[Job], object]] = {
            State.RECEIVED: self._look,
            State.QUERYING: self._query,
            State.TRANSFERRING: self._transfer,
            State.VERIFYING: self._verify,
        }
        done: Step = await parts[job.state](job)  # type: ignore[misc]  # each is a coroutine function
        await self._store.writer.run(lambda tx: commit(tx, job, done, _AUDITED, lambda: _detail(tx, job)))

    async def withdraw(self, job: Job) -> None:
        """There is nothing to take back."""

    async def tell(self, job: Job) -> None:
        """Tell the Task that asked for it how far it is."""
        if self._settings.omegaai is not None:
            await tell(self._store, self._peers.omegaai(), job)

    def _request(self, job: Job) -> PriorRequest:
        return prior_request.read(job.request, self._settings, datetime.now(self._zone).date())

    async def _look(self, job: Job) -> Step:
        try:
            problems = prior_request.refusals(self._request(job), self._settings)
        except ValueError as error:
            reason = f"INPUT_INVALID: the input {error} is no date or number; the sender must correct it"
            return Step(event=Event.REFUSED, code="INPUT_INVALID", reason=reason)
        if problems:
            reason = "\n".join(f"{p.code}: {p.text}; {p.hint}" for p in problems)
            return Step(event=Event.REFUSED, code=problems[0].code, reason=reason)
        return Step(event=Event.PASSED)

    async def _query(self, job: Job) -> Step:
        request = self._request(job)
        studies = await self._studies(request) if request.types & prior_request.OF_STATIONS else {}
        results = await self._results(job).choose(request) if prior_request.RESULTS in request.types else 0
        if not studies and not results:
            return Step(event=Event.NOTHING, reason="there is no such study or result of the patient")
        await self._store.writer.run(lambda tx: job_parts.choose(tx, job.number, studies))
        return Step(event=Event.FOUND)

    def _results(self, job: Job) -> Results:
        return Results(self._store, self._settings, self._peers, job)

    async def _studies(self, request: PriorRequest) -> dict[str, str]:
        """Return the studies that are asked for: Study Instance UID → station."""
        found: list[tuple[str, Match]] = []
        for station in request.stations or self._settings.stations:
            answer = await self._peers.station(station).find(Query(level="STUDY", keys=prior_request.keys(request)))
            if answer.verdict is not Verdict.SUCCESS:
                raise ConnectionError(f"station {station} did not answer the query whole: {answer.words}")
            mine = [study for study in answer.matches if prior_request.is_meant(study, request)]
            found += [(station, study) for study in mine]
        wanted: dict[str, str] = {}
        for station, study in prior_request.newest(found, len(found)):
            if len(wanted) < request.most and await self._has_series(station, study, request):
                wanted[study["StudyInstanceUID"]] = station
        return wanted

    async def _has_series(self, station: str, study: Match, request: PriorRequest) -> bool:
        """Look into a study where the request asks for what only its series tell."""
        if not (request.body_parts or request.modalities or prior_request.is_for_reports(request)):
            return True
        keys = {"StudyInstanceUID": study["StudyInstanceUID"], "SeriesInstanceUID": "", "Modality": "",
                "BodyPartExamined": ""}  # fmt: skip
        answer = await self._peers.station(station).find(Query(level="SERIES", keys=keys))
        if answer.verdict is not Verdict.SUCCESS:
            raise ConnectionError(f"station {station} did not answer the query whole: {answer.words}")
        return prior_request.has_series(answer.matches, request)

    async def _transfer(self, job: Job) -> Step:
        step = await self._moving.transfer(job, job_parts.chosen(self._store.connection, job.number))
        results = self._results(job)
        if step.event is Event.MOVED and results.known():
            await results.hand_over(self._request(job))
        return step

    async def _verify(self, job: Job) -> Step:
        """Prove the arrival of the studies, then that of the results; the proof told is that of the studies."""
        moved = Step(event=Event.PROVEN)
        if job_parts.chosen(self._store.connection, job.number):
            moved = await self._moving.verify(job)
        results = self._results(job)
        if moved.event is not Event.PROVEN or not results.known():
            return moved
        delivered = await results.delivered()
        return moved if delivered.event is Event.PROVEN and moved.proof else delivered


def _detail(tx: Transaction, job: Job) -> dict[str, Any]:
    """Return what the audit trail is told of a pull."""
    told = {"studies": sorted(job_parts.chosen(tx, job.number)), "results": len(job_results.results(tx, job.number))}
    return {"patient": task_request.identifier(job.request, "for"), **{name: one for name, one in told.items() if one}}
