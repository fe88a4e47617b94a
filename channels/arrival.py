"""Proves that what a job has sent is there: by storage commitment, by the target's list of instances, by its counts.

The strongest proof is looked for first, and the one reached is recorded. Where the target lacks something, that and
nothing else is sent again; where it cannot be asked, it is asked later; and without proof there is no arrival.

Sources: DICOM PS3.4 Annex J (storage commitment), C.4.1 (C-FIND); PS3.18 10.6 (QIDO-RS).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from channels.instance_lists import Unlisted
from channels.migration import Step, Target, backoff, listed
from channels.migration_settings import PROOFS, Migration
from connectors.dicom_base import CommitmentReport, Query, Reference, Verdict
from messages.job_states import Event
from store import job_parts
from store.job_parts import Commitment, JobInstance
from store.jobs import Job
from store.store import Store
from store.writer import Transaction

#: First wait between two looks at the target's list; doubled at each. Seconds.
_LOOK = 5.0


class Verifier:
    """Verifies the arrival of what one job is about."""

    def __init__(self, store: Store, settings: Migration, target: Target, job: Job) -> None:
        self._store, self._settings, self._target, self._job = store, settings, target, job

    async def verify(self) -> Step:
        """Ask the target, once; return what came of it.

        Raises:
            OSError: the target cannot be reached.
        """
        rows = self._rows()
        if not rows:
            return Step(event=Event.FAILED, code="NOTHING_TO_PROVE", reason="the study has no instance to be moved")
        if self._settings.commitment:
            rows = await self._classified(rows)
            step = await self._committed(rows) if all(row.sop_class for row in rows) else None
            if step is not None:
                return step
        waits = self._job.changed_at + self._settings.settle_after - time.time()
        if waits > 0:
            return self._wait("waits for the target to settle", waits)
        return await self._seen()

    def _rows(self) -> list[JobInstance]:
        return [row for row in job_parts.instances(self._store.connection, self._job.number) if row.state != "ignored"]

    async def _classified(self, rows: list[JobInstance]) -> list[JobInstance]:
        """Learn SOP classes of the target where the archive did not tell them: a commitment names them."""
        if all(row.sop_class for row in rows):
            return rows
        try:
            classes = [await listed(self._target, study) for study in sorted({row.study for row in rows})]
        except Unlisted:
            return rows
        every = {uid: sop_class for of_study in classes for uid, sop_class in of_study.items()}
        await self._store.writer.run(lambda tx: job_parts.classify(tx, self._job.number, every))
        return self._rows()

    # -- storage commitment -----------------------------------------------------------------------------------

    async def _committed(self, rows: Sequence[JobInstance]) -> Step | None:
        """Return what storage commitment says; None where it says nothing and the lists must be compared."""
        if all(row.state == "committed" for row in rows):
            return self._proven("commitment")
        asked = [c for c in job_parts.commitments(self._store.connection, self._job.number)
                 if (c.asked_at or 0.0) >= self._job.changed_at]  # fmt: skip
        if not asked:
            return await self._ask(rows)
        return await self._answer(asked[-1])

    async def _ask(self, rows: Sequence[JobInstance]) -> Step | None:
        references = [Reference(row.sop_class, row.sop_instance) for row in rows]
        transaction = ""

        async def remember(uid: str) -> None:
            nonlocal transaction
            transaction = uid
            await self._store.writer.run(lambda tx: job_parts.ask(tx, uid, self._job.number))

        outcome = await self._target.peer.commit(references, remember, self._reported)
        if all(row.state == "committed" for row in self._rows()):
            return self._proven("commitment")
        if outcome.verdict in {Verdict.REFUSED, Verdict.DEFERRED} and transaction:
            await self._store.writer.run(lambda tx: job_parts.end(tx, transaction, outcome.words))
            return None
        if outcome.report is not None:
            return None
        return self._wait("waits for the report of storage commitment", self._settings.commit_within)

    async def _reported(self, report: CommitmentReport) -> None:
        await self._store.writer.run(lambda tx: note_report(tx, report))

    async def _answer(self, last: Commitment) -> Step | None:
        if last.reported_at is not None or last.ended is not None:
            return None  # it does not keep all of them: the list says which are missing
        waits = (last.asked_at or 0.0) + self._settings.commit_within - time.time()
        if waits > 0:
            return self._wait("waits for the report of storage commitment", waits)
        await self._store.writer.run(lambda tx: job_parts.end(tx, last.transaction_uid, "no report within the time"))
        return None

    # -- the target's list ------------------------------------------------------------------------------------

    async def _seen(self) -> Step:
        rows = self._rows()
        try:
            there = {uid for study in {row.study for row in rows} for uid in await listed(self._target, study)}
        except Unlisted as unlisted:
            return await self._counted(rows, unlisted)
        seen = [row.sop_instance for row in rows if row.sop_instance in there]
        missing = [row for row in rows if row.sop_instance not in there]
        await self._store.writer.run(lambda tx: job_parts.mark(tx, self._job.number, seen, "arrived"))
        return self._missing(missing, len(rows)) if missing else self._proven("instances")

    def _missing(self, missing: Sequence[JobInstance], total: int) -> Step:
        """Return what comes of a list that lacks something: more time, another transfer, or the end."""
        reason = f"{len(missing)} of {total} instances are not at the target"
        late = time.time() - self._job.changed_at > self._settings.verify_within
        if not late and any(row.state != "refused" for row in missing):
            return self._wait(reason, self._pace(), code="INSTANCES_MISSING")
        gained = total - len(missing) > self._job.progress.get("arrived", 0)
        attempts = 1 if gained else self._job.attempts + 1
        if attempts >= self._settings.attempts or self._settings.transfer == "external":
            return Step(event=Event.FAILED, code="INSTANCES_MISSING", reason=reason, attempts=attempts)
        return Step(event=Event.INCOMPLETE, code="INSTANCES_MISSING", reason=reason, attempts=attempts,
                    wait=backoff(self._settings, attempts))  # fmt: skip

    def _pace(self) -> float:
        """Return the wait before the next look: as long as it has lasted so far, within limits."""
        lasted = time.time() - self._job.changed_at - self._settings.settle_after
        return min(max(_LOOK, lasted), 60.0, self._settings.verify_within)

    # -- counts -----------------------------------------------------------------------------------------------

    async def _counted(self, rows: Sequence[JobInstance], unlisted: Unlisted) -> Step:
        """Compare numbers, where the site takes them for proof and the target gives no list. Absent is not zero."""
        if self._settings.proof == "counts" and await self._is_counted(rows):
            return self._proven("counts")
        late = time.time() - self._job.changed_at > self._settings.verify_within
        reason = f"the target gives no list of its instances: {unlisted.outcome.words}"
        if late:
            return Step(event=Event.FAILED, code="TARGET_GIVES_NO_LIST", reason=reason)
        return self._wait(reason, self._pace(), code="TARGET_GIVES_NO_LIST")

    async def _is_counted(self, rows: Sequence[JobInstance]) -> bool:
        peer = self._target.web or self._target.peer
        for study in {row.study for row in rows}:
            keys = {"StudyInstanceUID": study, "NumberOfStudyRelatedInstances": ""}
            found = await peer.find(Query(level="STUDY", keys=keys))
            told = [match.get("NumberOfStudyRelatedInstances", "") for match in found.matches]
            if found.verdict is not Verdict.SUCCESS or len(told) != 1 or not told[0].strip().isdigit():
                return False
            if int(told[0]) < sum(row.study == study for row in rows):
                return False
        return True

    # -- what it comes to -------------------------------------------------------------------------------------

    def _proven(self, proof: str) -> Step:
        """Return the end of the verification, where the proof reached is strong enough."""
        if PROOFS.index(proof) > PROOFS.index(self._settings.proof):
            reason = f"proven by {proof} only; the site asks for {self._settings.proof}"
            return Step(event=Event.FAILED, code="PROOF_TOO_WEAK", reason=reason)
        return Step(event=Event.PROVEN, proof=proof)

    def _wait(self, reason: str, wait: float, code: str | None = None) -> Step:
        return Step(event=Event.INTERRUPTED, code=code, reason=reason, wait=max(0.0, wait))


def note_report(tx: Transaction, report: CommitmentReport) -> int | None:
    """Write a report of storage commitment; return the job that it is for."""
    failed = {reference.sop_instance_uid: f"failure reason {reason:04X}H" for reference, reason in report.failed}
    committed = [reference.sop_instance_uid for reference in report.committed]
    return job_parts.report(
        tx, report.transaction_uid, committed, failed, ae_title=report.ae_title, peer=report.peer
    )  # fmt: skip
