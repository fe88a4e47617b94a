"""What jobs that move studies have in common: the transfer in its hours, the proof of arrival, and the audited move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from channels.arrival import Verifier
from channels.job_peers import Peers
from channels.migration import Mover, Step, Target
from channels.migration_settings import Migration, opens_in
from messages.audit import Outcome
from messages.job_states import Event, State
from store import audit, job_parts, jobs
from store.jobs import Job
from store.store import Store
from store.writer import Transaction

#: State and event of a job → words of the audit trail, and how each ended.
Audited = Mapping[tuple[State, Event], Sequence[tuple[str, Outcome]]]


class Moving:
    """Moves the studies of jobs to one station."""

    def __init__(self, store: Store, settings: Migration, peers: Peers, to: str, zone: ZoneInfo) -> None:
        """`to`: name of the station; `zone`: in which the hours of the settings are meant."""
        self._store, self._settings, self._peers, self._to, self._zone = store, settings, peers, to, zone

    async def transfer(self, job: Job, studies: Mapping[str, str]) -> Step:
        """Move studies (Study Instance UID → station that has it), where it is the time for that."""
        closed = opens_in(self._settings.window, datetime.now(self._zone).replace(tzinfo=None))
        if closed:
            return Step(event=Event.INTERRUPTED, code="OUTSIDE_WINDOW", reason="waits for its hours", wait=closed)
        return await self._mover(job).transfer(studies)

    async def verify(self, job: Job) -> Step:
        """Prove that all of it has arrived."""
        step = await Verifier(self._store, self._settings, self._target(), job).verify()
        await self._mover(job).note_progress()
        return step

    def _mover(self, job: Job) -> Mover:
        return Mover(self._store, self._settings, self._peers.station, self._target(), job)

    def _target(self) -> Target:
        ae_title = self._peers.ae_title(self._to)
        return Target(ae_title=ae_title, peer=self._peers.station(self._to), web=self._peers.web())


def commit(tx: Transaction, job: Job, step: Step, audited: Audited, detail: Callable[[], dict[str, Any]]) -> None:
    """Move a job on by what came of a step; `detail`: what the audit trail is told of the job's request."""
    moved = jobs.move(
        tx, job, step.event, code=step.code, reason=step.reason, wait=step.wait, attempts=step.attempts,
        proof=step.proof,
    )  # fmt: skip
    if moved is None:
        return
    told = {**detail(), "state": moved, **job_parts.tally(tx, job.number)}
    told |= {name: value for name, value in (("code", step.code), ("proof", step.proof or job.proof)) if value}
    for what, outcome in audited.get((job.state, step.event), ()):
        audit.record(tx, "host", what, f"job:{job.number}", outcome, detail=told)
