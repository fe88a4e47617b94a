"""A study share, step by step: the gate, the transfer, the proof, and only then access for each recipient.

Each call of `step` does the work of one state and commits one move of `messages.job_states.SHARE`, so that a crash
repeats one step at most: the transfer asks the target first, and a share asked again is the same share.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from channels import share_gate, share_request
from channels.job_peers import Peers
from channels.job_progress import tell
from channels.migration import Ended, Step, backoff
from channels.moving import Audited, Moving, commit
from channels.share_gate import Facts
from channels.share_link import share_link
from channels.share_request import ShareRequest
from channels.share_settings import StudyShare
from connectors.dicom_base import Match, Query, Verdict
from connectors.share_base import Refused, Share, ShareIntent
from messages.audit import Outcome
from messages.job_states import Event, State
from messages.problem import Problem
from store import job_parts, jobs
from store.job_parts import Recipient
from store.jobs import Job
from store.store import Store
from store.writer import Transaction

KIND = "study-share"

#: Event of the job → words of the audit trail, and how each ended.
_AUDITED: Audited = {
    (State.RECEIVED, Event.REFUSED): [("share-refused", Outcome.MINOR_FAILURE)],
    (State.VALIDATED, Event.BEGUN): [("transfer-begun", Outcome.SUCCESS)],
    (State.TRANSFERRING, Event.MOVED): [("transfer-ended", Outcome.SUCCESS)],
    (State.TRANSFERRING, Event.FAILED): [("transfer-ended", Outcome.SERIOUS_FAILURE)],
    (State.VERIFYING, Event.PROVEN): [("arrival-verified", Outcome.SUCCESS)],
    (State.VERIFYING, Event.INCOMPLETE): [("arrival-verified", Outcome.MINOR_FAILURE)],
    (State.VERIFYING, Event.FAILED): [("arrival-verified", Outcome.SERIOUS_FAILURE)],
    (State.ELIGIBLE, Event.REFUSED): [("share-refused", Outcome.MINOR_FAILURE)],
    (State.SHARING, Event.SHARED): [("study-shared", Outcome.SUCCESS)],
    (State.SHARING, Event.FAILED): [("study-shared", Outcome.SERIOUS_FAILURE)],
}


class StudyShareWork:
    """Does the steps of shares that go by the same settings."""

    def __init__(self, store: Store, settings: StudyShare, peers: Peers, zone: str) -> None:
        """`zone` is the site's (an IANA name): the window of the day is meant in it."""
        self._store, self._settings, self._peers, self._zone = store, settings, peers, ZoneInfo(zone)
        self._moving = Moving(store, settings, peers, settings.migration_station, self._zone)

    async def step(self, job: Job) -> None:
        """Do what the job's state asks for, and commit what came of it.

        Raises:
            OSError: a peer cannot be reached; nothing has changed.
            Ended: the job was ended meanwhile.
        """
        parts: dict[State, Callable[[Job], object]] = {
            State.RECEIVED: self._look,
            State.VALIDATED: _begin,
            State.TRANSFERRING: self._transfer,
            State.VERIFYING: self._moving.verify,
            State.ELIGIBLE: self._may_share,
            State.SHARING: self._share,
        }
        done: Step = await parts[job.state](job)  # type: ignore[misc]  # each is a coroutine function
        await self._store.writer.run(lambda tx: commit(tx, job, done, _AUDITED, lambda: _detail(job)))

    # -- the gate ---------------------------------------------------------------------------------------------

    async def _look(self, job: Job) -> Step:
        facts = Facts(settings=self._settings, request=share_request.read(job.request), now=time.time())
        problems = share_gate.refusals(share_gate.BY_OURSELVES, facts)
        if not problems:
            there = await self._peers.omegaai().organization(self._settings.organization)
            facts = dataclasses.replace(facts, studies=await self._studies(facts.request), organization_exists=there)
            problems = share_gate.refusals(share_gate.BEFORE_TRANSFER, facts)
        if problems:
            return _refused(problems)
        request = facts.request
        ends = share_request.moment(request.expires_at) or time.time() + self._settings.default_days * 86400
        await self._store.writer.run(lambda tx: _address(tx, job, request, ends))
        return Step(event=Event.PASSED)

    async def _studies(self, request: ShareRequest) -> tuple[Match, ...]:
        """Return what PowerServer has of the study; raises ConnectionError where it does not say."""
        keys = {"StudyInstanceUID": request.study_uid, "PatientID": "", "IssuerOfPatientID": "", "AccessionNumber": ""}
        found = await self._peers.station(self._settings.archive).find(Query(level="STUDY", keys=keys))
        if found.verdict is not Verdict.SUCCESS:
            raise ConnectionError(f"the archive did not answer the query: {found.words or found.verdict.value}")
        return found.matches

    async def _may_share(self, job: Job) -> Step:
        request = share_request.read(job.request)
        omegaai = self._peers.omegaai()
        patient = await omegaai.patient(request.patient_system, request.patient) if request.patient_system else None
        status = await omegaai.study_status(request.study_uid) if request.method == "blume" else None
        facts = Facts(
            settings=self._settings, request=request, now=time.time(), patient=patient, status=status, proof=job.proof
        )  # fmt: skip
        problems = share_gate.refusals(share_gate.BEFORE_SHARE, facts)
        return _refused(problems) if problems else Step(event=Event.BEGUN)

    async def _transfer(self, job: Job) -> Step:
        return await self._moving.transfer(job, {share_request.study_uid(job.request): self._settings.archive})

    # -- access -----------------------------------------------------------------------------------------------

    async def _share(self, job: Job) -> Step:
        """Give each recipient access; who has it is not asked again."""
        if job.proof is None:  # the table leads here by PROVEN alone; this is the belt to its braces
            return Step(event=Event.FAILED, code="TRANSFER_NOT_VERIFIED", reason="the arrival is not proven")
        request = share_request.read(job.request)
        unreachable = None
        for recipient in job_parts.recipients(self._store.connection, job.number):
            now = jobs.get(self._store.connection, job.number)
            if now is None or now.state is not State.SHARING:
                raise Ended  # revoked meanwhile: nobody else is given access
            if recipient.state in {"waiting", "asked"}:
                try:
                    settled = await self._give(job, request, recipient)
                except OSError as error:
                    unreachable = error
                    continue
                await self._settle(job, settled)
        return self._outcome(job, unreachable)

    async def _give(self, job: Job, request: ShareRequest, recipient: Recipient) -> Recipient:
        if not share_gate.valid(request, recipient.kind, recipient.address):
            return _with(recipient, "refused", "RECIPIENT_INVALID: it is no valid address of its kind")
        await self._settle(job, _with(recipient, "asked", None))
        try:
            share = await self._peers.omegaai().share(self._intent(job, request, recipient))
            link = self._link(request, share)
            mailer = self._peers.mailer()
            if mailer is not None and recipient.kind == "email" and link is not None:
                until = datetime.fromtimestamp(job.expires_at or 0.0, self._zone).isoformat(" ", "minutes")
                await mailer.send(recipient.address, link, until, _reference(job, recipient))
        except Refused as refused:
            return _with(recipient, "refused", str(refused))
        return dataclasses.replace(recipient, state="shared", reason=None, share=share.id, link=link)

    def _link(self, request: ShareRequest, share: Share) -> str | None:
        if request.method == "blume":
            return None
        return share_link(self._settings.share_url, share.launch if self._settings.launch_id else None)

    def _intent(self, job: Job, request: ShareRequest, recipient: Recipient) -> ShareIntent:
        return ShareIntent(
            reference=_reference(job, recipient), organization=self._settings.organization,
            study_uid=request.study_uid, accession=request.accession, patient=request.patient,
            patient_system=request.patient_system, method=request.method, recipient_kind=recipient.kind,
            recipient=recipient.address, volume=self._settings.volume, requested_by=request.requested_by,
            reason=request.reason,
            expires_at=datetime.fromtimestamp(job.expires_at or 0.0, UTC).isoformat(timespec="seconds"),
        )  # fmt: skip

    def _outcome(self, job: Job, unreachable: OSError | None) -> Step:
        states = [one.state for one in job_parts.recipients(self._store.connection, job.number)]
        if unreachable is not None:
            attempts = job.attempts + 1
            reason = f"cannot be reached ({type(unreachable).__name__}); {states.count('shared')} of {len(states)} done"
            if attempts < self._settings.attempts:
                return Step(event=Event.INTERRUPTED, code="UNREACHABLE", reason=reason, attempts=attempts,
                            wait=backoff(self._settings, attempts))  # fmt: skip
        if "shared" not in states:
            return Step(event=Event.FAILED, code="NOBODY_HAS_ACCESS", reason="no recipient could be given access")
        if set(states) == {"shared"}:
            return Step(event=Event.SHARED)
        reason = f"{states.count('shared')} of {len(states)} recipients have access"
        return Step(event=Event.SHARED, code="SHARED_IN_PART", reason=reason)

    async def _settle(self, job: Job, recipient: Recipient) -> None:
        await self._store.writer.run(lambda tx: job_parts.settle(tx, job.number, recipient))

    async def tell(self, job: Job) -> None:
        """Tell the Task that asked for it how far the share is."""
        await tell(self._store, self._peers.omegaai(), job)

    # -- the end ----------------------------------------------------------------------------------------------

    async def withdraw(self, job: Job) -> None:
        """Take access back from all who have it, after a revocation or at the end of its time.

        Raises:
            OSError: OmegaAI cannot be reached; it is tried again.
        """
        for recipient in job_parts.recipients(self._store.connection, job.number):
            if recipient.state not in {"asked", "shared"}:
                continue
            try:
                await self._peers.omegaai().revoke(_reference(job, recipient))
            except Refused as refused:
                # It stays to be withdrawn: somebody may still have access.
                raise ConnectionError(f"OmegaAI does not revoke it: {refused}") from None
            await self._settle(job, dataclasses.replace(recipient, state="revoked", link=None))


def _reference(job: Job, recipient: Recipient) -> str:
    return f"{job.reference}.{recipient.number}"


async def _begin(job: Job) -> Step:  # noqa: ARG001  # as the other parts are
    return Step(event=Event.BEGUN)


def _with(recipient: Recipient, state: str, reason: str | None) -> Recipient:
    return dataclasses.replace(recipient, state=state, reason=reason)


def _refused(problems: Sequence[Problem]) -> Step:
    """Return a refusal by all checks that do not hold: their codes, what is wrong, and the cures."""
    reason = "\n".join(f"{p.code}: {p.text}; {p.hint}" for p in problems)
    return Step(event=Event.REFUSED, code=problems[0].code, reason=reason)


def _address(tx: Transaction, job: Job, request: ShareRequest, ends: float) -> None:
    job_parts.address(tx, job.number, request.recipients)
    jobs.expire_at(tx, job.number, ends)


def _detail(job: Job) -> dict[str, Any]:
    """Return what the audit trail is told of a share."""
    request = share_request.read(job.request)
    detail = {
        "study": request.study_uid, "patient": request.patient, "issuer": request.issuer, "method": request.method,
        "requested_by": request.requested_by,
    }  # fmt: skip
    return detail | ({"recipients": len(request.recipients)} if job.state is State.SHARING else {})
