"""The dicom process: the door for DICOM, in a process of its own with a cap on its memory.

It is started where site.yaml has a part `dicom:`. What comes is kept beside the store, in the folder `dicom`; reports
on storage commitment go to the jobs that asked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from channels.backoff import wait_before
from channels.settings import build
from connectors.dicom_listener import DicomListener
from host.dicom_intake import Intake
from host.roles import Process
from store import dicom
from store.writer import Unavailable

log = logging.getLogger(__name__)

#: Bytes of data that this process may have; what exceeds it fails alone, and is answered as out of resources.
MEMORY = 768 * 1024**2
#: Shortest and longest wait, in seconds, before a door that fell shut is tried again.
_WAIT = (1.0, 60.0)
#: Seconds between looks for instances that are older than the site keeps them.
_FORGET_EVERY = 3600.0
#: Seconds between looks for callers that were not let in: a flood of them is a commit, not one each.
_COUNT_EVERY = 2.0


async def body(process: Process) -> None:
    """Keep the door open until told to stop."""
    _cap_memory()
    folder = Path(process.assignment.data) / "dicom"
    listener: DicomListener = build(DicomListener, process.assignment.dicom)
    intake = Intake(process)
    tasks = [
        asyncio.create_task(_serve(process, listener, folder, intake)),
        asyncio.create_task(_forget(process, folder)),
        asyncio.create_task(_count(intake)),
    ]
    stopping = asyncio.create_task(process.stopping.wait())
    done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, *tasks):
        task.cancel()
    await asyncio.gather(stopping, *tasks, return_exceptions=True)
    await intake.count()
    for task in done - {stopping}:
        task.result()  # a bug ends the process; the supervisor says so and starts it again


async def _serve(process: Process, listener: DicomListener, folder: Path, intake: Intake) -> None:
    """Open the door, and open it again when it falls shut."""
    failures = 0

    def ready(where: str) -> None:
        process.doors[:] = [where]
        process.ready()

    while True:
        try:
            await listener.serve(intake, folder, ready)
        except OSError as error:
            failures += 1
            wait = wait_before(failures, _WAIT)
            reason = error.strerror or str(error)
            log.error("the DICOM door is shut; it is tried again", extra={"error": reason, "seconds": round(wait, 1)})  # noqa: TRY400 - a traceback may quote what came
            if failures == 1:
                process.ready()  # the host goes on without this door
            await asyncio.sleep(wait)


async def _count(intake: Intake) -> None:
    while True:
        await asyncio.sleep(_COUNT_EVERY)
        await intake.count()


async def _forget(process: Process, folder: Path) -> None:
    """Forget what is older than the site keeps messages; first, files that no row speaks of."""
    await asyncio.to_thread(_sweep, folder, dicom.files(process.store.connection))
    while True:
        before = time.time() - process.assignment.retention_days * 86_400
        try:
            while names := await process.store.writer.run(lambda tx: dicom.forget(tx, before)):  # noqa: B023 - run at once
                await asyncio.to_thread(_remove, folder, names)
        except Unavailable as error:
            log.warning("old instances could not be forgotten", extra={"error": str(error)})
        await asyncio.sleep(_FORGET_EVERY)


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _sweep(folder: Path, known: set[str]) -> None:
    """Remove files whose row was never committed: a process was killed between the two, and nobody was answered."""
    old = time.time() - 3600
    for path in folder.glob("*.dcm"):
        if path.name not in known and path.stat().st_mtime < old:
            path.unlink(missing_ok=True)


def _cap_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
