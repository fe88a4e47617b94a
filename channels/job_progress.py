"""Tells the Task that asked for a job how it stands: status, reason, counts, and the job's opaque reference."""

from __future__ import annotations

from channels import task_request
from connectors.share_base import OmegaAi, Refused, TaskProgress
from messages.job_states import FAILED, TASK_STATUS, State
from store import job_parts, job_results
from store.jobs import Job
from store.store import Store


async def tell(store: Store, omegaai: OmegaAi, job: Job) -> None:
    """Write a job's progress to its Task at OmegaAI, if one asked for it; a Task that is gone is no error.

    Raises:
        OSError: OmegaAI cannot be reached; it is told later.
    """
    task = task_request.asked_by(job.request)
    if task is None:
        return
    try:
        await omegaai.tell(task, progress(store, job))
    except Refused:
        return  # the Task is gone, or not ours to write: the job goes on, and its page says how it stands


def progress(store: Store, job: Job) -> TaskProgress:
    """Return what is told of a job. It holds no identifier: whoever reads the Task knows of whom it is."""
    counts = job_parts.tally(store.connection, job.number)
    output: dict[str, str | int] = {"job": job.reference}
    if counts:
        output["instances"] = sum(n for state, n in counts.items() if state != "ignored")
        output |= {name: counts.get(name, 0) for name in ("arrived", "committed", "refused", "ignored")}
    results = job_results.tally(store.connection, job.number)
    if results:
        output |= {"results": sum(results.values()), "results-delivered": results.get("delivered", 0)}
    if job.proof is not None:
        output["proof"] = job.proof
    recipients = job_parts.recipients(store.connection, job.number)
    if recipients and job.state in {State.SHARED, State.SHARE_FAILED}:
        output["recipients-shared"] = sum(one.state == "shared" for one in recipients)
        output["recipients-refused"] = sum(one.state == "refused" for one in recipients)
    tells_why = job.state in FAILED or job.reason_code is not None
    return TaskProgress(
        status=TASK_STATUS[job.state], state=job.state, code=job.reason_code if tells_why else None,
        reason=job.reason if tells_why else None, output=output,
    )  # fmt: skip
