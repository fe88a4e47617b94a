"""Starts the host's processes, starts them again when they die, and says so; stops them in order."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from channels.backoff import wait_before
from host.roles import Assignment

log = logging.getLogger(__name__)

#: Seconds that a process has to leave in order before it is killed.
GRACE = 15.0


class NotReady(RuntimeError):
    """A process died before it was ready; the text says which and how."""


@dataclass(slots=True)
class _Child:
    role: str
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    start_again_at: float | None = None
    doors: list[str] = field(default_factory=list)


class Supervisor:
    """The processes of one host."""

    def __init__(self, front_door: Path, roles: Iterable[str]) -> None:
        """Start the processes; they import what they need and wait to be told what to do."""
        self._front_door = front_door
        self._assignments: dict[str, Assignment] = {}
        self._children: dict[str, _Child] = {}
        #: (role, its addresses, why it cannot go on); neither of the two: it has ended.
        self._news: queue.Queue[tuple[str, list[str] | None, str | None]] = queue.Queue()
        #: Roles that a process said are needed.
        self._needed: queue.Queue[str] = queue.Queue()
        self._stopping = threading.Event()
        for role in roles:
            self._children[role] = self._spawn(role)

    def add(self, role: str) -> None:
        """Start one more process, before `start`."""
        self._children[role] = self._spawn(role)

    def start(self, assignments: Iterable[Assignment], within: float = 30.0) -> dict[str, list[str]]:
        """Tell the processes what to do; return the addresses of each once all are ready.

        An assignment of a role that has no process is for later, when a process says that the role is needed.

        Raises:
            NotReady: one of them died first, or took too long; the others are stopped again.
        """
        self._assignments = {assignment.role: assignment for assignment in assignments}
        for role in self._children:
            self._assign(role)
        missing = set(self._children)
        deadline = time.monotonic() + within
        while missing:
            try:
                role, doors, failure = self._news.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.stop()
                raise NotReady(f"not ready within {within:.0f} s: {', '.join(sorted(missing))}") from None
            if failure is not None:
                self.stop()
                raise NotReady(failure)
            if doors is None:
                code = self._children[role].process.wait()
                self.stop()
                raise NotReady(f"the {role} process ended with exit code {code} before it was ready")
            missing.discard(role)
            self._children[role].doors = doors
        return {role: child.doors for role, child in self._children.items()}

    def watch(self, every: float, tick: Callable[[], None] = lambda: None) -> None:
        """Start again what dies, until `stop` is called; call `tick` every so many seconds."""
        while not self._stopping.is_set():
            try:
                role, doors, failure = self._news.get(timeout=every)
            except queue.Empty:
                tick()
            else:
                if failure is not None:
                    log.error("a process cannot do its part", extra={"role": role, "error": failure})
                elif doors is None:
                    self._died(self._children[role])
                else:
                    self._children[role].doors = doors
            self._start_needed()
            self._start_again()

    def _start_needed(self) -> None:
        """Start the processes that a newly deployed channel needs."""
        while not self._needed.empty():
            role = self._needed.get()
            if role not in self._children and role in self._assignments:
                log.info("a channel needs one more process", extra={"role": role})
                self.add(role)
                self._assign(role)

    def _died(self, child: _Child) -> None:
        code = child.process.wait()
        if self._stopping.is_set():
            return
        long_lived = time.monotonic() - child.started > 60
        child.failures = 1 if long_lived else child.failures + 1
        wait = wait_before(child.failures, (0.1, 10.0))
        child.start_again_at = time.monotonic() + wait
        log.error(
            "a process ended; it is started again",
            extra={"role": child.role, "exit_code": code, "seconds": round(wait, 1)},
        )

    def _start_again(self) -> None:
        for role, child in self._children.items():
            if child.start_again_at is not None and time.monotonic() >= child.start_again_at:
                fresh = self._spawn(role)
                fresh.failures = child.failures
                self._children[role] = fresh
                self._assign(role)

    def _spawn(self, role: str) -> _Child:
        with _without_interrupts():
            process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, str(self._front_door), "role", role], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        threading.Thread(target=self._listen, args=(role, process), daemon=True).start()
        return _Child(role=role, process=process, started=time.monotonic())

    def _assign(self, role: str) -> None:
        pipe = self._children[role].process.stdin
        if pipe is None:
            raise NotReady(f"no pipe to the {role} process")
        try:
            pipe.write(orjson.dumps(dataclasses.asdict(self._assignments[role])) + b"\n")
            pipe.flush()
        except BrokenPipeError:
            log.error("a process ended at once", extra={"role": role})  # noqa: TRY400  # its end is news to come

    def _listen(self, role: str, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                said = orjson.loads(line)
                if "needed" in said:
                    for needed in said["needed"]:
                        self._needed.put(needed)
                else:
                    self._news.put((role, said.get("ready"), said.get("failed")))
            process.stdout.close()
        self._news.put((role, None, None))

    def pids(self) -> dict[str, int]:
        """Return the process id of each role."""
        return {role: child.process.pid for role, child in self._children.items()}

    def stop(self) -> None:
        """Close every process's standard input, which tells it to leave; kill what has not left in time."""
        self._stopping.set()
        for child in self._children.values():
            if child.process.stdin is not None and not child.process.stdin.closed:
                try:
                    child.process.stdin.close()
                except BrokenPipeError:
                    log.info("a process had already ended", extra={"pid": child.process.pid})
        deadline = time.monotonic() + GRACE
        for role, child in self._children.items():
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a process did not leave in time and was killed", extra={"role": role})
                child.process.kill()
                child.process.wait()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let a process that is started here inherit that Ctrl-C is not for it.

    A terminal sends it to all processes of the command; who stops in order is ours to say.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
