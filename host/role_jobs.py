"""The jobs process: study shares and pulls of priors, step by step. A transfer that hangs holds up nobody else."""

from __future__ import annotations

import asyncio
import socket

from channels.audit_export import Exporter
from channels.job_runner import JobRunner
from channels.job_work import Workshop
from host.roles import Process
from transformers.audit_event import Observer, dicom_audit_message


async def body(process: Process) -> None:
    """Run jobs until told to stop; what is under way then begins its step again at the next start."""
    workshop = Workshop(process.store, process.assignment.zone)
    runner = JobRunner(process.store, workshop.work_of)
    process.work = lambda _: runner.ring()
    process.ready()
    running = asyncio.create_task(runner.run(process.stopping))
    observer = Observer(site=process.assignment.site, host=socket.gethostname())
    exporter = Exporter(process.store, lambda entry: dicom_audit_message(entry, observer), observer.host)
    telling = asyncio.create_task(exporter.run(process.stopping))
    while not process.stopping.is_set():
        process.bell.clear()
        await process.bell.wait()
        process.ring.refresh()
        runner.ring()
    await asyncio.gather(running, telling)
    await workshop.close()
