"""Moves studies from one archive to another; study share and pull prior use it. Proof of arrival is `arrival`'s.

Every instance is a row in the store: expected, sent, refused, ignored, arrived or committed. What is proven to be there
is never sent again, after whatever crash; and the end of a transfer, however well it sounds, proves nothing.

Sources: DICOM PS3.4 C.4.1 (C-FIND), C.4.2 (C-MOVE), C.4.3 (C-GET), Annex B (C-STORE); PS3.18 10.5 (STOW-RS).
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from channels import storage_classes
from channels.batches import Batch, batches
from channels.instance_lists import Unlisted, list_instances, matches
from channels.migration_settings import Migration
from connectors.dicom_base import (
    Counts,
    DicomPeer,
    DicomwebPeer,
    Instance,
    InstanceOutcome,
    Outcome,
    TransferOutcome,
    Verdict,
)
from messages.job_states import Event
from store import job_parts, jobs
from store.job_parts import PROVEN, JobInstance
from store.jobs import Job
from store.store import Store

#: Seconds between two notes of how far a transfer is.
_NOTE = 1.0
#: Longest wait between two tries, in seconds.
_LONGEST = 3600.0

#: DIMSE status → code that a person can look up. Source: PS3.4 Table C.4-2.
_CODES = {0xA701: "OUT_OF_RESOURCES", 0xA702: "OUT_OF_RESOURCES", 0xA801: "MOVE_DESTINATION_UNKNOWN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a part of the work came to: the event for the job's table, and what goes with it."""

    event: Event
    code: str | None = None
    reason: str | None = None
    #: Seconds until it is looked at again.
    wait: float = 0.0
    #: Tries so far; None: unchanged.
    attempts: int | None = None
    proof: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where studies are to arrive."""

    ae_title: str
    #: For C-FIND, C-STORE and storage commitment.
    peer: DicomPeer
    #: For QIDO-RS and STOW-RS; None: the target is asked by DIMSE.
    web: DicomwebPeer | None = None


class Ended(Exception):
    """The job was ended by a person, or the process is being stopped, while something was under way."""


class Mover:
    """Moves what one job is about."""

    def __init__(
        self, store: Store, settings: Migration, stations: Callable[[str], DicomPeer], target: Target, job: Job
    ) -> None:
        """`stations` gives the peer of a name in `settings.dicom`."""
        self._store, self._settings, self._stations, self._target, self._job = store, settings, stations, target, job
        self._noted = 0.0

    async def transfer(self, studies: Mapping[str, str]) -> Step:
        """Send what the target is not proven to have; `studies` are Study Instance UID → name of its station.

        Raises:
            OSError: a station cannot be reached; nothing was asked of it.
            Ended: the job was ended meanwhile.
        """
        try:
            for study, station in studies.items():
                await self._expect(study, station)
        except Unlisted as unlisted:
            return self._again(unlisted.outcome, 0)
        before = self._proven()
        if before or self._job.attempts:
            await self._look(studies)
        gained = self._proven() - before
        todo = [row for row in self._rows() if row.state not in PROVEN]
        if todo and self._settings.transfer != "external":
            every = job_parts.instances(self._store.connection, self._job.number)
            for number, batch in enumerate(batches(every, todo, self._settings.instances_at_once)):
                if number and self._settings.pause_between:
                    await asyncio.sleep(self._settings.pause_between)
                try:
                    outcome = await self._send(batch)
                except Unlisted as unlisted:
                    outcome = unlisted.outcome
                if outcome.verdict not in {Verdict.SUCCESS, Verdict.WARNING}:
                    return self._again(outcome, gained)
        await self.note_progress()
        return Step(event=Event.MOVED)

    # -- what there is ----------------------------------------------------------------------------------------

    async def _expect(self, study: str, station: str) -> None:
        found = await list_instances(self._stations(station), study)
        rows = [self._row(match, study, station) for match in found]
        await self._store.writer.run(lambda tx: job_parts.expect(tx, self._job.number, rows))

    def _row(self, match: Mapping[str, str], study: str, station: str) -> JobInstance:
        sop_class = match.get("SOPClassUID", "")
        ignored = sop_class in self._settings.ignore_sop_classes
        return JobInstance(
            sop_instance=match["SOPInstanceUID"], sop_class=sop_class, series=match["SeriesInstanceUID"], study=study,
            station=station, state="ignored" if ignored else "expected",
            reason="the site ignores its SOP class: the target cannot store it" if ignored else None,
        )  # fmt: skip

    async def _look(self, studies: Iterable[str]) -> None:
        """Ask the target what it has by now: that is not sent again."""
        try:
            there = {uid for study in studies for uid in await listed(self._target, study)}
        except (Unlisted, OSError):
            return  # nothing is known; what is not proven is sent
        rows = [row.sop_instance for row in self._rows() if row.sop_instance in there and row.state not in PROVEN]
        await self._store.writer.run(lambda tx: job_parts.mark(tx, self._job.number, rows, "arrived"))

    def _rows(self) -> list[JobInstance]:
        return [row for row in job_parts.instances(self._store.connection, self._job.number) if row.state != "ignored"]

    def _proven(self) -> int:
        return sum(row.state in PROVEN for row in self._rows())

    # -- sending ----------------------------------------------------------------------------------------------

    async def _send(self, batch: Batch) -> Outcome:
        source = self._stations(batch.rows[0].station)
        if self._settings.transfer == "cmove":
            outcome = await source.move(batch.keys, self._target.ae_title, self._tell)
            await self._mark(batch.rows, outcome)
            return outcome
        folder = self._store.folder / "transfer" / self._job.reference
        try:
            return await self._carry(source, batch, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _mark(self, batch: Iterable[JobInstance], outcome: TransferOutcome) -> None:
        """Note what a C-MOVE says of each instance; where it did not answer, nothing is known."""
        if outcome.verdict not in {Verdict.SUCCESS, Verdict.WARNING}:
            return
        failed = set(outcome.failed)
        uids = [row.sop_instance for row in batch]
        await self._settle([uid for uid in uids if uid not in failed], "sent")
        await self._settle([uid for uid in uids if uid in failed], "refused", "the archive could not send it")

    async def _settle(self, uids: Sequence[str], state: str, reason: str | None = None) -> None:
        if uids:
            await self._store.writer.run(lambda tx: job_parts.mark(tx, self._job.number, uids, state, reason))

    async def _carry(self, source: DicomPeer, batch: Batch, folder: Path) -> Outcome:
        """C-GET a batch into a folder of ours, and store it at the target."""
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        came: list[Instance] = []

        async def arrived(instance: Instance) -> None:
            came.append(instance)

        classes = await self._classes(source, batch.rows)
        got = await source.get(batch.keys, classes, folder, arrived, self._tell)
        wanted = {row.sop_instance for row in batch.rows}
        mine = [instance for instance in came if instance.reference.sop_instance_uid in wanted]
        async for outcome in self._stored(mine):
            uid = outcome.reference.sop_instance_uid
            if outcome.is_stored:
                await self._settle([uid], "sent")
            elif outcome.verdict is Verdict.REFUSED:
                await self._settle([uid], "refused", f"the target refused it: {outcome.words}")
            await self._check()
        return got

    async def _classes(self, source: DicomPeer, batch: Sequence[JobInstance]) -> list[str]:
        """Return the SOP classes of a batch: as the archive told them, else as its series' modalities let expect."""
        if all(row.sop_class for row in batch):
            return sorted({row.sop_class for row in batch})
        keys = {"StudyInstanceUID": batch[0].study, "SeriesInstanceUID": "", "Modality": ""}
        series = {row.series for row in batch}
        found = await matches(source, "SERIES", keys)
        mine = [match for match in found if match.get("SeriesInstanceUID") in series]
        return storage_classes.classes(sorted({match.get("Modality", "").strip().upper() for match in mine}))

    def _stored(self, instances: Sequence[Instance]) -> AsyncIterator[InstanceOutcome]:
        if self._settings.transfer == "stow" and self._target.web is not None:
            return self._target.web.store(instances)
        return self._target.peer.store(instances)

    # -- how far ----------------------------------------------------------------------------------------------

    async def _tell(self, counts: Counts) -> None:
        """Note the peer's counts once a second, and look whether the job is still wanted."""
        if time.monotonic() - self._noted < _NOTE:
            return
        await self._check()
        total = len(self._rows())
        known = {"total": total, "arrived": self._proven()}
        told = {name: n for name in ("completed", "failed", "warning", "remaining")
                if (n := getattr(counts, name)) is not None}  # fmt: skip
        await self._store.writer.run(lambda tx: jobs.progress(tx, self._job.number, known | told))

    async def _check(self) -> None:
        if time.monotonic() - self._noted < _NOTE:
            return
        self._noted = time.monotonic()
        now = jobs.get(self._store.connection, self._job.number)
        if now is None or now.state is not self._job.state:
            raise Ended

    async def note_progress(self) -> None:
        """Note how many instances are how far."""
        counts = job_parts.tally(self._store.connection, self._job.number)
        total = sum(n for state, n in counts.items() if state != "ignored")
        proven = sum(counts.get(state, 0) for state in PROVEN)
        known = {"total": total, "arrived": proven, "refused": counts.get("refused", 0)}
        known |= {"ignored": counts["ignored"]} if counts.get("ignored") else {}
        await self._store.writer.run(lambda tx: jobs.progress(tx, self._job.number, known))

    def _again(self, outcome: Outcome, gained: int) -> Step:
        """Return what comes of an outcome that is no success: tried again, until it was tried often enough."""
        code = _CODES.get(outcome.status or 0) or _code(outcome.verdict)
        status = "no status was read" if outcome.status is None else f"status {outcome.status:04X}H"
        reason = f"{outcome.words or outcome.verdict.value} ({status})"
        if outcome.verdict is Verdict.REFUSED:
            return Step(event=Event.FAILED, code=code, reason=reason)
        attempts = 1 if gained else self._job.attempts + 1
        if attempts >= self._settings.attempts:
            return Step(event=Event.FAILED, code=code, reason=f"{reason}; tried {attempts} times", attempts=attempts)
        return Step(event=Event.INTERRUPTED, code=code, reason=reason, attempts=attempts,
                    wait=backoff(self._settings, attempts))  # fmt: skip


def _code(verdict: Verdict) -> str:
    return {
        Verdict.UNANSWERED: "NO_ANSWER", Verdict.DEFERRED: "NOT_NOW", Verdict.CANCELLED: "TRANSFER_CANCELLED",
    }.get(verdict, "TRANSFER_REFUSED")  # fmt: skip


def backoff(settings: Migration, attempts: int) -> float:
    """Return the seconds before the next try."""
    wait: float = settings.retry_after * 2 ** max(0, attempts - 1)
    return min(_LONGEST, wait)


async def listed(target: Target, study: str) -> dict[str, str]:
    """Return SOP Instance UID → SOP Class UID ("" where it is not told) of a target; raises as `list_instances`."""
    found = await list_instances(target.web or target.peer, study)
    return {match["SOPInstanceUID"]: match.get("SOPClassUID", "") for match in found}
