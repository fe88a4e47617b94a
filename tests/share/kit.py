"""A site that shares studies: PowerServer and OmegaAI as real peers, OmegaAI's FHIR service, and the job runner."""

from __future__ import annotations

import asyncio
import gc
import shutil
import time
import warnings
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pydicom

from channels.arrival import note_report
from channels.job_runner import JobRunner
from channels.job_starter import begin, new_job
from channels.job_work import Workshop
from messages.identity import message_id
from simulators.omegaai import OmegaAI
from store import directory, job_parts, jobs
from store.connection import connect
from store.store import Store
from tests.cli.console_script import ROOT, without_clock
from tests.dicom.kit import Kept, listening

ORGANIZATION = "4f1c0f6e-9a53-4c8e-8f0f-0d8b2f0c9d11"
SYSTEM = "urn:powerserver:mrn"
PATIENT = "PH-000001"
URL = f"https://share.example/share-study/{ORGANIZATION}"


def site_with(folder, *examples):
    """Copy the shipped site with these examples as its only channels: a host starts sooner with less to check."""
    site = folder / "mappings"
    shutil.copytree(ROOT / "mappings", site)
    for path in site.glob("*.yaml"):
        if path.name != "site.yaml":
            path.unlink()
    for name in examples:
        shutil.copy(site / "examples" / f"{name}.yaml", site)
    return without_clock(site)


def job_state(host, number):
    """Return a job's state at a running host, by a look into its store: quicker than a command, for waiting."""
    link = connect(host.data)
    try:
        job = jobs.get(link, number)
        return job and job.state
    finally:
        link.close()


def station(peer, **more):
    return {
        "ae_title": peer.ae_title,
        "host": peer.host,
        "port": peer.port,
        "answer_within": 20.0,
        "report_within": 0.1,
        **more,
    }


def settings(powerserver, omegaai, fhir, **more):
    """Settings of a study share between two peers, quick enough for a test."""
    return {
        "dicom": {"powerserver": station(powerserver), "OMEGAAI LINK": station(omegaai)},
        "archive": "powerserver", "enabled": True, "migration_station": "OMEGAAI LINK", "volume": "vol-7",
        "share_url": URL, "organization": ORGANIZATION, "powerserver_version": "6.0",
        "powerserver_patch": "2026-01-07", "mirth_version": "4.10.1", "sso": True, "user_integration": True,
        "licence": "AFD", "omegaai": {"base": fhir.base}, "commitment": False, "settle_after": 0.0,
        "retry_after": 0.05, "verify_within": 5.0, **more,
    }  # fmt: skip


def task(study, **more):
    """The Task of a request for a share; `recipient` may be several."""
    given = {"method": "email-link", "recipient": ["bo@example.org"], "patient": PATIENT, "requester": "dr.ray"} | more
    recipients = given["recipient"]
    return {
        "resourceType": "Task", "status": "requested", "intent": "order",
        "identifier": [{"system": "urn:test", "value": given.get("key", message_id())}],
        "focus": {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}},
        "for": {"type": "Patient", "identifier": {"system": SYSTEM, "value": given["patient"]}},
        "owner": {"type": "Organization", "identifier": {"value": given.get("organization", ORGANIZATION)}},
        "requester": {"identifier": {"value": given["requester"]}},
        **({"partOf": [{"reference": f"Task/{given['task']}"}]} if "task" in given else {}),
        **({"restriction": {"period": {"end": given["expires"]}}} if "expires" in given else {}),
        "input": [
            {"type": {"coding": [{"code": "method"}]}, "valueCode": given["method"]},
            *({"type": {"coding": [{"code": "recipient"}]}, "valueString": one} for one in recipients),
        ],
    }  # fmt: skip


def study_of(files):
    return str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


def fhir(script=(), **more):
    """OmegaAI's FHIR service with the organization and the patient."""
    server = OmegaAI(script, **more)
    server.records.write(
        {"resourceType": "Organization", "identifier": [{"system": "urn:omegaai:org", "value": ORGANIZATION}]}
    )
    server.records.write({
        "resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": PATIENT}],
        "telecom": [{"system": "email", "value": "ana@example.org"}],
    })  # fmt: skip
    return server


class Reports(Kept):
    """The DICOM door as the host has it: a report is committed to its job before it is answered."""

    def __init__(self, store, runner):
        super().__init__()
        self._store, self._runner = store, runner

    async def reported(self, report):
        await self._store.writer.run(lambda tx: note_report(tx, report))
        self._runner.ring()


@dataclass
class Site:
    store: Store
    made: dict[str, object]
    channel: str = "study-share"
    kind: str = "study-share"
    #: Port at which reports of storage commitment are taken while jobs run; 0: nowhere.
    door: int = 0

    def __post_init__(self):
        self.deploy(self.made)

    def deploy(self, made, revision="r1"):
        plan = {"destinations": {"jobs": {"connector": self.kind, "settings": made}}}
        directory.deploy(
            self.store.writer,
            directory.NewRevision(
                channel=self.channel, title="Study share", revision=revision, source="", plan=plan,
                destinations={"jobs": True},
            ),
        )  # fmt: skip

    def ask(self, request) -> int:
        new = new_job(self.kind, self.channel, "jobs", request, message_id())
        return self.store.writer.now(lambda tx: begin(tx, new, by="test"))[0]

    def job(self, number) -> jobs.Job:
        found = jobs.get(self.store.connection, number)
        assert found is not None
        return found

    def tally(self, number):
        return job_parts.tally(self.store.connection, number)

    def states(self, number):
        return [line.state for line in jobs.history(self.store.connection, number)]

    def codes(self, number):
        return [line.code for line in jobs.history(self.store.connection, number) if line.code]

    def run(self, until, within=60.0):
        """Run jobs until a condition holds."""
        asyncio.run(self._run(until, within))
        # The runner was stopped in the middle of what it did, as a process is: a line may not have been hung up yet.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    async def _run(self, until, within):
        workshop = Workshop(self.store, "UTC")
        runner = JobRunner(self.store, workshop.work_of)
        async with AsyncExitStack() as stack:
            if self.door:
                reports = Reports(self.store, runner)
                await stack.enter_async_context(listening(self.store.folder / "dicom", reports, self.door))
            await self._steps(runner, until, within)
        await workshop.close()
        await asyncio.sleep(0.1)  # lines that were hung up leave the loop

    async def _steps(self, runner, until, within):
        stopping = asyncio.Event()
        running = asyncio.create_task(runner.run(stopping))
        ends = time.monotonic() + within
        try:
            while not until():
                assert time.monotonic() < ends, f"not within {within} s: {self._told()}"
                assert not running.done(), running.exception()
                await asyncio.sleep(0.02)
        finally:
            stopping.set()
            runner.ring()
            await running

    def _told(self):
        return [(job.number, str(job.state), job.reason_code, job.reason)
                for job in jobs.find(self.store.connection, jobs.Wanted())]  # fmt: skip

    def run_to(self, number, *states, within=60.0):
        """Run until a job is in one of the states, and whoever asked for it was told."""

        def there():
            job = self.job(number)
            return job.state in states and job.told == job.state

        self.run(there, within)
        return self.job(number)
