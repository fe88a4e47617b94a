"""A host that runs: its site deployed, its processes supervised."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from host import deploying, needed
from host import site as sites
from host.alert_rules import shown
from host.front_door import front_door
from host.occasional import Occasional, jobs_of
from host.roles import Assignment
from host.supervisor import NotReady, Supervisor
from store import connection, directory, health
from store.lock import Lock
from store.schema import migrate
from store.store import Store

log = logging.getLogger(__name__)

ROLES = ("intake", "lanes", "console")


class NothingToRun(RuntimeError):
    """No mapping file of the site is fit to run, and none ran before."""


class Host:
    """One site's host, in this process and the ones it starts."""

    def __init__(self, folder: Path) -> None:
        """Read and check the site.

        Raises:
            Problems: site.yaml is wrong.
        """
        self._lock: Lock | None = None
        #: The store is whole; before that there is nothing to leave in order.
        self._is_deployed = False
        #: The host before this one did not leave in order.
        self._doubts = False
        self._verifying: subprocess.Popen[bytes] | None = None
        self._supervisor = Supervisor(front_door(), ROLES)
        self._occasional = Occasional(front_door(), folder, ())
        try:
            self._check(folder)
        except BaseException:
            self.stop()
            raise

    def _check(self, folder: Path) -> None:
        self.site = sites.read_site(folder)
        self.files = sites.check_files(self.site, sites.mapping_files(folder))
        self.data = sites.data_folder(self.site)
        self._doors: dict[str, list[str]] = {}
        self._new_key = False
        self._runs: dict[str, str] = {}
        self._occasional = Occasional(front_door(), folder, jobs_of(self.site))

    def start(self) -> dict[str, list[str]]:
        """Deploy the files and start the processes; return the addresses of each when all are ready.

        Raises:
            UnsafeStore: the store must not be used.
            NothingToRun: there is no revision to run.
            NotReady: a process could not start, or no door could be opened.
            HeldElsewhere: another host runs on this store.
        """
        try:
            self._deploy()
            self._doors = self._supervisor.start(self._assignment(role) for role in (*ROLES, *needed.SPARE))
            if not self._doors["intake"]:
                raise NotReady(self._why_no_door())
            if self._doubts:
                self._verify()
        except BaseException:
            self.stop()
            raise
        return self._doors

    def _deploy(self) -> None:
        self._lock = Lock(self.data, "host", wait=0.5)  # `plugin-host status` looks at it for a moment
        _, self._new_key = connection.store_key(self.data)
        prepare_store(self.data)
        store = Store(self.data, "host")
        try:
            self._doubts = bool(directory.processes(store.connection))
            directory.forget_processes(store.writer)
            self._runs = deploying.deploy_site(store.writer, store.connection, self.files)
            rows = directory.channels(store.connection)
            for role in sorted(needed.roles(store.connection)):
                self._supervisor.add(role)
            if self.site.dicom is not None:
                self._supervisor.add(needed.DICOM)
            self._is_deployed = True
        finally:
            store.close()
        if not any(row.revision for row in rows):
            found = "\n".join(str(p) for file in self.files for p in file.problems) or "no mapping file found"
            raise NothingToRun(f"{found}\nnothing to run in {self.site.folder}")

    def _why_no_door(self) -> str:
        store = Store(self.data, "host")
        try:
            rows = [row for row in directory.channels(store.connection) if row.problem]
        finally:
            store.close()
        return "\n".join(["no door could be opened", *(f"channel {row.name}: {row.problem}" for row in rows)])

    def _leave_clean(self) -> None:
        """Note that nobody runs any more: the next start need not doubt the store."""
        store = Store(self.data, "host")
        directory.forget_processes(store.writer)
        store.close()

    def _assignment(self, role: str) -> Assignment:
        return Assignment(
            role=role,
            data=str(self.data),
            site=self.site.name,
            zone=self.site.time_zone,
            console_host=str(self.site.console["host"]),
            console_port=int(self.site.console["port"]),
            console={key: value for key, value in self.site.console.items() if key not in {"host", "port"}},
            folder=str(self.site.folder.resolve()),
            retention_days=self.site.retention_days,
            dicom=dict(self.site.dicom or {}),
            alerts=None if self.site.alerts is None else shown(self.site.alerts),
        )

    def summary(self) -> Iterator[str]:
        """Say what runs and where."""
        if self._new_key:
            yield f"a new key for the store was made: {self.data / connection.KEY_FILE} (keep a copy; mode 0600)"
        for channel, what in self._runs.items():
            yield f"channel {channel}: {what}"
        for address in self._doors.get("intake", []):
            yield f"listening on {address}"
        for address in self._doors.get(needed.DICOM, []):
            yield f"listening for DICOM on {address}"
        for address in self._doors.get("console", []):
            yield f"status page on http://{address}/"

    def watch(self) -> None:
        """Keep the processes alive until interrupted."""
        self._supervisor.watch(every=0.5, tick=self._occasional.tick)

    def pids(self) -> dict[str, int]:
        """Return the process id of each role."""
        return self._supervisor.pids()

    def _verify(self) -> None:
        """Read the whole store in a process of its own: it was not left in order."""
        self._verifying = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, str(front_door()), "role", "verify"], stdin=subprocess.PIPE
        )
        if self._verifying.stdin is not None:
            self._verifying.stdin.write(orjson.dumps(dataclasses.asdict(self._assignment("verify"))) + b"\n")
            self._verifying.stdin.close()

    def _is_sure(self) -> bool:
        """End the verification; True when there was no need of one, or it found nothing."""
        if self._verifying is None:
            return not self._doubts
        if self._verifying.poll() is None:
            self._verifying.kill()
        return self._verifying.wait() == 0

    def stop(self) -> None:
        """Stop the processes in order."""
        self._occasional.stop()
        self._supervisor.stop()
        if self._lock is not None:
            if self._is_sure() and self._is_deployed:
                self._leave_clean()
            self._lock.release()
            self._lock = None


def prepare_store(folder: Path) -> None:
    """Make or migrate the store.

    Raises:
        UnsafeStore: a store was here and is gone, or it cannot be read.
    """
    if any(folder.glob("high-water-*")) and not (folder / connection.STORE_FILE).exists():
        raise connection.UnsafeStore(f"{folder} has a high-water file and no store: a store was here and is gone")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    link = connection.connect(folder)
    try:
        migrate(link)
        health.refuse_if_damaged(folder, link)
    finally:
        link.close()
