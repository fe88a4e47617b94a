"""What is measured: the host as `plugin-host run` starts it, and the floor. Both deliver to a sink of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import orjson

from bench.processes import HOUSE, command_of, family, first_line, leave, pipes, python
from bench.sink import Receipts, read_receipts
from store.connection import connect


class Sink:
    """The receiver's process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = python("-m", "bench.sink")
        self.port = int(first_line(self._process)["listening"])

    def count(self) -> int:
        """Return how many messages came since the last `take`."""
        return self._ask("")

    def take(self) -> Receipts:
        """Return what came, and begin anew."""
        path = self._folder / "receipts"
        self._ask(str(path))
        return read_receipts(path)

    def _ask(self, line: str) -> int:
        stdin, stdout = pipes(self._process)
        stdin.write(line.encode() + b"\n")
        stdin.flush()
        return int(orjson.loads(stdout.readline())["received"])

    def close(self) -> None:
        """End it."""
        leave(self._process)


class System(Protocol):
    """Something that takes bookings and delivers them."""

    name: str
    sink: Sink
    #: Ports that take FHIR.
    ports: list[int]

    def pids(self) -> list[int]:
        """Return all its processes."""
        ...

    def stop(self) -> int:
        """End it; return how many messages its own store says were accepted by the receiver."""
        ...


class Floor:
    """bench/floor.py."""

    name = "floor"

    def __init__(self, folder: Path, connections: int = 4) -> None:
        folder.mkdir(parents=True)
        self.sink = Sink(folder)
        self._folder = folder
        self._process = python(
            "-m", "bench.floor", "--data", str(folder), "--receiver", str(self.sink.port),
            "--connections", str(connections),
        )  # fmt: skip
        said = first_line(self._process)
        self.ports = [int(said["listening"])]
        self._pids = [int(pid) for pid in said["pids"]]

    def pids(self) -> list[int]:
        """Return both processes."""
        return self._pids

    def stop(self) -> int:
        """End it; return how many are marked."""
        leave(self._process)
        self.sink.close()
        store = connect(self._folder / "delivery", read_only=True)
        done = int(store.execute("SELECT count(*) FROM done").fetchone()[0])
        store.close()
        return done


class Host:
    """`plugin-host run` with a copy of the shipped site, free ports, and a store of its own.

    `folder / "site"` and `folder / "data"` are used as they are when they are there; `ports` are those of its doors.
    """

    def __init__(self, folder: Path, *, name: str = "host", ports: Sequence[int] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.sink = Sink(folder)
        self._data = folder / "data"
        if not (folder / "site").exists():
            shutil.copytree(HOUSE / "mappings", folder / "site")
        port, console = free_ports(2)
        self.ports = list(ports) or [port]
        environment = os.environ | {
            "PLUGIN_HOST_DATA": str(self._data),
            "PLUGIN_HOST_FHIR_PORT": str(port),
            "PLUGIN_HOST_CONSOLE_PORT": str(console),
            "POWERSERVER_HOST": "127.0.0.1",
            "POWERSERVER_MLLP_PORT": str(self.sink.port),
        }
        self._said = folder / "log"
        with self._said.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "plugin_host.py", "run", "--site", str(folder / "site")],
                cwd=HOUSE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(b"ready in"):
                return
        self.process.wait()
        self.sink.close()
        raise ChildProcessError(f"the host did not start:\n{self._said.read_text('utf-8', 'replace')}")

    def pids(self) -> list[int]:
        """Return the front door and the roles that it started, without those that find something out and end."""
        commands = {pid: command_of(pid) for pid in family(self.process.pid)}
        lasting = [pid for pid, words in commands.items() if " role " in words and " role verify" not in words]
        return [self.process.pid, *lasting]

    def stop(self) -> int:
        """End it in order; return how many deliveries are SENT.

        Raises:
            AssertionError: some rest in another status.
        """
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.sink.close()
        store = connect(self._data, read_only=True)
        statuses = Counter(dict(store.execute("SELECT status, count(*) FROM delivery GROUP BY status").fetchall()))
        store.close()
        sent = statuses.pop("SENT", 0)
        assert not statuses, f"not all deliveries are SENT: {dict(statuses)}"
        return sent


def free_ports(count: int) -> list[int]:
    """Return TCP ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
