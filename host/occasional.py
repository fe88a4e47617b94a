"""What the running host does by the clock, each in a process of its own that ends: it costs nothing in between.

A comparison of resources or a round of the doctor loads what no lane needs and may take a second of CPU: a lane must
not wait for it, and its memory goes with it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from host.command_line import EXIT_DONE, EXIT_FINDINGS, EXIT_REFUSED, EXIT_UNREACHABLE
from transformers.mapping_site import RESOURCES_FILE, Site, seconds

log = logging.getLogger(__name__)

#: Seconds after the host's start of the first run: the channels come first.
FIRST_AFTER = 60.0
#: Exit codes that say something about the site, not about the command.
TOLD = frozenset({EXIT_DONE, EXIT_FINDINGS, EXIT_UNREACHABLE, EXIT_REFUSED})


@dataclass(slots=True)
class Job:
    """A command that is run every so often."""

    name: str
    arguments: Sequence[str]
    #: Seconds from one beginning to the next.
    every: float
    due: float = field(default=0.0)
    process: subprocess.Popen[bytes] | None = None


def jobs_of(site: Site) -> list[Job]:
    """Return what site.yaml wants to be done by the clock."""
    found = []
    if site.schedule.resources != "off" and (site.folder / RESOURCES_FILE).exists():
        found.append(Job("drift", ("drift", "--now"), seconds(site.schedule.resources)))
    if site.schedule.doctor != "off":
        found.append(Job("doctor", ("doctor",), seconds(site.schedule.doctor)))
    if site.alerts is not None and site.alerts.every != "off":
        found.append(Job("alerts", ("alerts", "watch"), seconds(site.alerts.every)))
    return found


class Occasional:
    """Starts jobs when they are due; never two of the same at once."""

    def __init__(self, front_door: Path, folder: Path, jobs: Iterable[Job]) -> None:
        """`folder` is the site's."""
        self._front_door = front_door
        self._folder = folder
        self._jobs = list(jobs)
        began = time.monotonic()
        for job in self._jobs:
            job.due = began + min(FIRST_AFTER, job.every)

    def tick(self) -> None:
        """Start what is due, and note what has ended."""
        for job in self._jobs:
            if job.process is not None:
                code = job.process.poll()
                if code is None:
                    continue
                job.process = None
                if code not in TOLD:
                    log.error("a job by the clock failed", extra={"role": job.name, "exit_code": code})
            if time.monotonic() >= job.due:
                job.due = time.monotonic() + job.every
                job.process = subprocess.Popen(  # noqa: S603  # our own program
                    [sys.executable, str(self._front_door), *job.arguments, "--site", str(self._folder)],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip

    def stop(self) -> None:
        """End what runs: it has changed nothing that it did not commit."""
        for job in self._jobs:
            if job.process is not None and job.process.poll() is None:
                job.process.kill()
                job.process.wait()
            job.process = None
