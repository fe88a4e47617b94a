"""The host as processes of its own: started, killed with SIGKILL at any moment, started again.

`Processes` starts the roles through the host's own supervisor but does not let it watch: who dies stays dead until
the trial says otherwise.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from host import deploying, running
from host import site as sites
from host.roles import Assignment
from host.supervisor import NotReady, Supervisor
from store import connection
from store.store import Store

ROOT = Path(__file__).resolve().parents[2]
FRONT_DOOR = Path(__file__).resolve().parent / "front_door.py"
MAIN = ("intake", "lanes")


def pause(seconds: float) -> None:
    """Let so many seconds go by; used where a moment itself is what a trial chooses."""
    threading.Event().wait(seconds)


def deploy(site: Path) -> Path:
    """Check the site's mapping, make its store and deploy to it; return the store's folder."""
    read = sites.read_site(site)
    files = sites.check_files(read, sites.mapping_files(site))
    problems = [str(problem) for file in files for problem in file.problems if not file.is_fit]
    if problems:
        raise ValueError("\n".join(problems))
    data = sites.data_folder(read)
    connection.store_key(data)
    running.prepare_store(data)
    store = Store(data, "host")
    try:
        deploying.deploy_site(store.writer, store.connection, files)
    finally:
        store.close()
    return data


class Processes:
    """The processes of one deployed site."""

    def __init__(self, site: Path, data: Path | None = None) -> None:
        """`data`: another store than the site names (a copy)."""
        read = sites.read_site(site)
        self.data = data or sites.data_folder(read)
        self._site = read
        self.fhir = f"http://127.0.0.1:{read.stations['blume-intake']['port']}/fhir"
        #: role → {"prefix": […], "environment": {…}}; see `front_door`.
        self.treatment: dict[str, dict[str, object]] = {}
        #: What its processes are told otherwise than the site says.
        self.assignment: dict[str, Any] = {}
        #: role → what is done with its process id once it has started and waits to be told what to do.
        self.before_work: dict[str, Callable[[int], object]] = {}
        self._running: dict[str, Supervisor] = {}

    def start(self, *roles: str, within: float = 30.0) -> float:
        """Start these roles (the doors and the lanes by default); return the seconds until all were ready.

        Raises:
            NotReady: one of them died first.
        """
        began = time.monotonic()
        os.environ["RIG_ROLES"] = json.dumps(self.treatment)
        try:
            fresh = {role: Supervisor(FRONT_DOOR, [role]) for role in roles or MAIN}
        finally:
            del os.environ["RIG_ROLES"]
        self._running |= fresh
        for role in fresh.keys() & self.before_work.keys():
            self.before_work[role](self.process(role).pid)
        for role, supervisor in fresh.items():
            supervisor.start([self._assignment(role)], within)
        return time.monotonic() - began

    def _assignment(self, role: str) -> Assignment:
        # Exactly what `plugin-host run` tells its processes, of our site and our store.
        host = running.Host.__new__(running.Host)
        host.site, host.data = self._site, self.data
        return dataclasses.replace(host._assignment(role), **self.assignment)

    def process(self, role: str) -> subprocess.Popen[bytes]:
        """Return the process of a role."""
        return self._running[role]._children[role].process

    def kill(self, *roles: str) -> None:
        """SIGKILL these roles (all by default) and return when they are gone."""
        for role in roles or tuple(self._running):
            process = self.process(role)
            process.kill()
            process.wait()
            self._running.pop(role).stop()

    def ended(self, role: str, within: float) -> bool:
        """Wait for a process that is to die of itself; False when it lives on."""
        try:
            self.process(role).wait(within)
        except subprocess.TimeoutExpired:
            return False
        self._running.pop(role).stop()
        return True

    def stop(self) -> None:
        """Let all leave in order."""
        for supervisor in self._running.values():
            supervisor.stop()
        self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class WholeHost:
    """`plugin-host run` as an administrator starts it: its supervisor starts again what dies."""

    def __init__(self, site: Path, **environment: str) -> None:
        """Start it; `ready` waits until it is up."""
        self._began = time.monotonic()
        command = [sys.executable, str(ROOT / "plugin_host.py"), "run", "--site", str(site)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment, text=True,
            start_new_session=True,
        )  # fmt: skip

    def ready(self) -> float:
        """Return the seconds until it said that it is ready.

        Raises:
            NotReady: it ended instead.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ready in"):
                return time.monotonic() - self._began
        raise NotReady(f"plugin-host run ended with {self._process.wait()}")

    def pids(self) -> list[int]:
        """Return the process ids of the host and its processes."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [self._process.pid, *map(int, children.read_text("ascii").split())]

    def stop(self) -> int:
        """Ask it to leave, as a service manager does; return its exit code."""
        self._process.terminate()
        try:
            return self._process.wait(30)
        finally:
            self.kill()

    def kill_supervisor(self) -> None:
        """SIGKILL to the supervisor alone: the others notice, and leave."""
        self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL to all of it at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
