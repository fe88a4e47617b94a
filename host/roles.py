"""What each process of the host does. They share the store and nothing else."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from channels import registry
from connectors.doorbell import Ringer, listen
from store import directory
from store.lock import Lock
from store.store import Store

log = logging.getLogger(__name__)

BEAT = 5.0
#: Seconds that a new process waits for the one before it to leave.
TAKEOVER = 45.0

#: Plug-ins that nearly every site uses, loaded before they are asked for.
PLUGINS = {
    "intake": (("transformer", "fhir-to-hl7"), ("connector", "fhir-listener")),
    "lanes": (("transformer", "fhir-to-hl7"), ("connector", "mllp-sender")),
    "work": (("connector", "mllp-sender"),),
}
#: What those import only when they are used.
MODULES = {"intake": ("connectors.fhir_door",)}

#: Roles that answer nobody outside.
PROMISE_NOTHING = ("lanes", "work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What the supervisor tells a process on its first line of standard input."""

    role: str
    #: Folder of the store.
    data: str
    #: Name of the site, for people.
    site: str
    #: IANA zone of the site.
    zone: str
    console_host: str
    console_port: int
    #: Folder of the site, with its mapping files.
    folder: str
    #: What else site.yaml says of the console: address, proxy, sign_in. Secrets stand in it by name only.
    console: dict[str, Any] = field(default_factory=dict)
    #: Days that messages are kept once they are at rest.
    retention_days: int
    #: Settings of the door for DICOM; empty: there is none.
    dicom: dict[str, Any] = field(default_factory=dict)
    #: What site.yaml says of alerts, without its secrets; None: nobody watches and nobody is told.
    alerts: dict[str, Any] | None = None


class Process:
    """What every role has: its store, its bell, its beat, and the end of standard input as the sign to stop."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        # The process before this one may still wait for the answer to its last message.
        self._lock = Lock(Path(assignment.data), assignment.role, wait=TAKEOVER)
        # Lanes promise nothing: a mark of theirs that a power cut takes back costs a resend, never a message.
        self.store = Store(Path(assignment.data), assignment.role, promises=assignment.role not in PROMISE_NOTHING)
        self.bell = asyncio.Event()
        self.stopping = asyncio.Event()
        self.ring = Ringer(self._others)
        self.doors: list[str] = []
        #: What to do when messages came for destinations with these numbers.
        self.work: Callable[[list[int]], None] = lambda _: self.bell.set()

    def _others(self) -> list[int]:
        rows = directory.processes(self.store.connection)
        return [row.bell for row in rows if row.bell and row.role != self.assignment.role]

    async def run(self, body: Callable[[Process], Coroutine[Any, Any, None]]) -> None:
        """Announce, run the body until it is time to stop, and leave in order."""
        role = self.assignment.role
        port, transport = await listen(self._came, self.bell.set)
        directory.announce(self.store.writer, role, os.getpid(), port, ())
        watch_standard_input(asyncio.get_running_loop(), self._stop)
        self.ring.refresh()
        self.ring.change()
        try:
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat())
                await body(self)
                beating.cancel()
        finally:
            transport.close()
            self.ring.close()
            self.store.close()
            self._lock.release()

    def _came(self, destinations: list[int]) -> None:
        self.work(destinations)

    def _stop(self) -> None:
        self.stopping.set()
        self.bell.set()

    def ready(self) -> None:
        """Tell the supervisor, and the pages, where the doors are."""
        directory.announce(self.store.writer, self.assignment.role, os.getpid(), self._port(), self.doors)
        # What was compiled lives as long as the process, and a message leaves few cycles behind: looking through
        # all of it for garbage every 700 objects cost a tenth of a message's time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        say_ready(self.doors)

    def _port(self) -> int | None:
        rows = directory.processes(self.store.connection)
        return next((row.bell for row in rows if row.role == self.assignment.role), None)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self.ring.refresh()
            await directory.beat(self.store.writer, self.assignment.role)


def say_ready(doors: list[str]) -> None:
    """Write the one line that the supervisor waits for."""
    sys.stdout.buffer.write(orjson.dumps({"ready": doors}) + b"\n")
    sys.stdout.buffer.flush()


def say_needed(roles: Iterable[str]) -> None:
    """Tell the supervisor which further processes the deployed channels need."""
    sys.stdout.buffer.write(orjson.dumps({"needed": sorted(roles)}) + b"\n")
    sys.stdout.buffer.flush()


def say_failed(reason: str) -> None:
    """Tell the supervisor in a sentence why this process cannot do its part."""
    sys.stdout.buffer.write(orjson.dumps({"failed": reason}) + b"\n")
    sys.stdout.buffer.flush()


def watch_standard_input(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Stop when standard input ends: the supervisor closed it, or is gone."""

    def wait() -> None:
        # Not through the buffer of sys.stdin: its lock, held by this thread, would break the interpreter's end.
        while os.read(0, 4096):
            continue
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name="standard input", daemon=True).start()


def prepare(role: str) -> None:
    """Import what a role needs, while the host still checks the site."""
    importlib.import_module(f"host.role_{role}")
    for plugin in PLUGINS.get(role, ()):
        try:
            registry.load(*plugin)
        except registry.NoSuchPlugin:
            log.warning("a shipped plug-in is not there", extra={"code": plugin[1]})
    for module in MODULES.get(role, ()):
        importlib.import_module(module)


def play(assignment: Assignment) -> None:
    """Be the process of a role until told to stop."""
    role = importlib.import_module(f"host.role_{assignment.role}")
    if hasattr(role, "run"):
        role.run(assignment)
    else:
        asyncio.run(run(assignment, role.body))


async def run(assignment: Assignment, body: Callable[[Process], Coroutine[Any, Any, None]]) -> None:
    """Run a role's body in its process."""
    await Process(assignment).run(body)
