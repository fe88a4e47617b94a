"""Destinations that start jobs: what is sent to them is a Task, and it is accepted once the job stands in the store.

A resend of the same Task finds the job that is there. The connector's settings are those of the whole job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from channels import task_request
from connectors.base import Reply
from messages.audit import Outcome
from messages.identity import message_id
from messages.lifecycle import Event
from store import audit, jobs
from store.jobs import NewJob
from store.store import Store
from store.writer import Transaction, Unavailable


class JobStarter:
    """A destination that starts a job of its kind for each Task that it is sent."""

    kind: ClassVar[str]
    _store: Store | None = None
    _channel = _destination = ""

    def attach(self, store: Store, channel: str, destination: str) -> None:
        """Say where jobs are written, and whose they are."""
        self._store, self._channel, self._destination = store, channel, destination

    async def open(self) -> None:
        """There is no line; the store is there."""

    async def send(self, encoded: bytes, control_id: str) -> Reply:
        """Write the job, or find it; raises ConnectionError while the store cannot be written."""
        if self._store is None:
            raise ConnectionError("no store is attached")
        try:
            task = task_of(encoded)
        except ValueError as error:
            return Reply(raw=b"", event=Event.REFUSED, reason=f"no job: {error}")
        new = new_job(self.kind, self._channel, self._destination, task, control_id)
        try:
            number, is_new = await self._store.writer.run(lambda tx: begin(tx, new, by="host"))
        except Unavailable as error:
            raise ConnectionError("the job could not be stored") from error
        return Reply(raw=b"", event=Event.ACCEPTED, reason=f"job {number}" if is_new else f"job {number}, known before")

    async def close(self) -> None:
        """There is no line."""


def task_of(encoded: bytes) -> Mapping[str, Any]:
    """Return the Task that was sent: by itself, or as the body of a request envelope.

    Raises:
        ValueError: it is none; the text holds nothing of it.
    """
    try:
        document = orjson.loads(encoded)
    except ValueError:
        raise ValueError("what was mapped is no JSON") from None
    task = document.get("body", document) if isinstance(document, dict) else None
    if not isinstance(task, dict) or task.get("resourceType") != "Task":
        raise ValueError("what was mapped is no Task")
    return task


def new_job(kind: str, channel: str, destination: str, task: Mapping[str, Any], fallback: str) -> NewJob:
    """Return the job that a Task asks for; two Tasks with one identifier are one job.

    Args:
        kind: Of the job.
        channel: Whose it is.
        destination: Of that channel, with the settings.
        task: What is asked for.
        fallback: Identity of a Task that has none of its own.
    """
    key = task_request.key(task) or fallback
    identity = hashlib.sha256(f"{kind}\x00{channel}\x00{key}".encode()).digest()
    return NewJob(
        kind=kind, identity=identity, reference=message_id(), channel=channel, destination=destination, request=task
    )  # fmt: skip


def begin(tx: Transaction, new: NewJob, *, by: str) -> tuple[int, bool]:
    """Write a job with its line in the audit trail; return its number, and whether it is new."""
    number, is_new = jobs.begin(tx, new)
    if is_new:
        what = "share-requested" if new.kind == "study-share" else "prior-requested"
        audit.record(tx, by, what, f"job:{number}", Outcome.SUCCESS, detail={"channel": new.channel})
    return number, is_new
