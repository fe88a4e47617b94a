"""The `plugin-host` command as a person has it: a process, its exit code, its two outputs; and a host that runs."""

from __future__ import annotations

import http.client
import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from click.testing import CliRunner
from click.testing import Result as Outcome

from host.command_line import EXIT_BUG
from host.command_line import plugin_host as front_door
from store import reads
from store.connection import connect

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).with_name("plugin-host")
SAMPLE = ROOT / "mappings" / "samples" / "appointment-request.json"
CHANNEL = "appointment-to-powerserver"


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        found = json.loads(self.out)
        assert found["schema"] == 1
        return found


def plugin_host(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path = ROOT, within: float = 60.0
) -> Result:
    """Run the console script to its end."""
    done = subprocess.run(
        [SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=within,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


def run(*arguments: object, **env: str) -> Outcome:
    """Run a command in this process: quicker, where no other is looked at."""
    result = CliRunner().invoke(front_door, [str(argument) for argument in arguments], prog_name="plugin-host", env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def command(*arguments: object, env: Mapping[str, str] | None = None) -> Result:
    """Run a command to its end as `plugin_host` does, in this process: a hundred of them cost no hundred starts."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        done = CliRunner().invoke(front_door, [str(argument) for argument in arguments], env=env)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert done.exit_code != EXIT_BUG, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.exit_code, done.stdout, done.stderr)


def edit(path: Path, old: str, new: str) -> None:
    """Replace the first such text of a file; it must be there."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def without_clock(site: Path) -> Path:
    """Let a copy of the shipped site do nothing by the clock: what the doctor misses here is no matter of the test."""
    edit(site / "site.yaml", "  resources: 15m ", "  resources: off ")
    edit(site / "site.yaml", "  doctor: 1h ", "  doctor: off ")
    return site


def line_of(path: Path, text: str) -> int:
    """Return the number of the first line that holds the text."""
    return next(n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if text in line)


def free_ports(number: int) -> list[int]:
    """Return ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(condition: Callable[[], Any], what: str, within: float = 20.0) -> Any:
    """Return what the condition gives once that is true."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        pause.wait(0.05)
    return found


@dataclass
class RunningHost:
    """`plugin-host run` with a store, ports and, mostly, a PowerServer of its own."""

    data: Path
    powerserver_port: int
    site: Path = ROOT / "mappings"
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fhir_port, self.console_port = free_ports(2)
        self.env = {
            "PLUGIN_HOST_DATA": str(self.data),
            "PLUGIN_HOST_FHIR_PORT": str(self.fhir_port),
            "PLUGIN_HOST_CONSOLE_PORT": str(self.console_port),
            "POWERSERVER_MLLP_PORT": str(self.powerserver_port),
            "PYTHONUNBUFFERED": "1",
        } | self.env
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.said: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.begin()
        self.wait_for_line("ready in")
        return self

    def begin(self) -> None:
        """Start the process; it is not ready yet."""
        self._errors = (self.data.parent / f"{self.data.name}.err").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [SCRIPT, "run", "--site", str(self.site)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env={**os.environ, **self.env},
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout:
            self.lines.put(line.rstrip("\n"))
        process.stdout.close()
        self.lines.put(None)

    def wait_for_line(self, text: str, within: float = 30.0) -> str:
        """Return the line of standard output that holds the text."""
        deadline = time.monotonic() + within
        while True:
            line = self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
            assert line is not None, f"ended without saying '{text}': {self.said} {self.errors}"
            self.said.append(line)
            if text in line:
                return line

    @property
    def errors(self) -> str:
        return Path(self._errors.name).read_text("utf-8")

    def command(self, *arguments: object) -> Result:
        """Run another command on the same site and store, beside the host's own processes."""
        return command(*arguments, "--site", self.site, env=self.env)

    def post(self, body: bytes) -> tuple[int, dict[str, str], Any]:
        """Post to the FHIR door, as curl does; return status, headers (small letters) and the parsed body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.fhir_port, timeout=10)
        try:
            connection.request("POST", "/fhir", body, {"Content-Type": "application/fhir+json"})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def book(self, body: bytes) -> str:
        """Post a booking that is accepted; return the message's id."""
        status, headers, answer = self.post(body)
        assert status == 202, answer
        return headers["location"].rsplit("/", 1)[1]

    def message(self, message: str) -> Any:
        return self.command("messages", "show", message, "--json").json

    def wait_for_status(self, message: str, status: str, within: float = 20.0) -> Any:
        """Return the message once its delivery has come to the status."""

        wait_until(lambda: self.status_of(message) == status, f"{message} is {status}", within)
        return self.message(message)

    def wait_for_event(self, message: str, event: str) -> str:
        """Return the reason of an event of a message's first delivery, once that has happened."""

        def happened() -> list[str]:
            link = connect(self.data)
            try:
                detail = reads.detail(link, message)
                told = detail.timeline[detail.line.deliveries[0].id]
            finally:
                link.close()
            return [entry.reason or "no reason" for entry in told if entry.event == event]

        return wait_until(happened, f"{message} was {event}")[-1]  # type: ignore[no-any-return]

    def status_of(self, message: str) -> str:
        """Look into the store: quicker than a command, for waiting."""
        link = connect(self.data)
        try:
            return reads.line(link, message).deliveries[0].status
        finally:
            link.close()

    def pids(self) -> dict[str, int]:
        return {process["role"]: process["pid"] for process in self.command("status", "--json").json["processes"]}

    def stop(self, by: signal.Signals = signal.SIGTERM, within: float = 30.0) -> int:
        """Tell the host to stop; return its exit code."""
        self.process.send_signal(by)
        return self.process.wait(within)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        self._errors.close()
