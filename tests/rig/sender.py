"""A sender that keeps its side of the guarantee: it journals, and resends unchanged what was not answered with 2xx.

As a process: `python -m tests.rig.sender --url URL --journal DIR`. Each line on its standard input grants so many more
messages; at its end the process finishes what was granted and leaves. Two journals, each line synced before the next
act: `sent` before the first post of a message, `acknowledged` after its 2xx (`refused` after a 4xx).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from simulators.blume import Blume, make_bundle

ROOT = Path(__file__).resolve().parents[2]
#: Seconds between a failure and the same post again.
AGAIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message as its sender knows it."""

    #: Idempotency-Key.
    identity: str
    #: Ordering key: the patient's record number.
    key: str
    #: Order among the messages of its key.
    sequence: int
    #: Placer id of the appointment, which PowerServer gets in SCH-1.
    placer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What the sender was answered."""

    identity: str
    status: int
    location: str | None
    #: How often it was posted.
    posts: int


def message(number: int, key: int) -> tuple[Sent, bytes]:
    """Return message `number` about patient `key`, and its bytes."""
    record = f"K{key:05d}"
    body = make_bundle(number, patient=0).replace(b'"value":"12345"', b'"value":"%s"' % record.encode())
    return Sent(identity=f"booking-{number}", key=record, sequence=number, placer=f"appt-{number}"), body


class _Lines:
    """A journal that is on the disk when `add` returns."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def add(self, record: Sent | Acknowledged) -> None:
        line = json.dumps(asdict(record)).encode() + b"\n"
        with self._lock:
            os.write(self._file, line)
            os.fdatasync(self._file)


def read_sent(folder: Path) -> list[Sent]:
    """Return what was sent, in order."""
    return [Sent(**line) for line in _read(folder / "sent")]


def read_acknowledged(folder: Path, name: str = "acknowledged") -> dict[str, Acknowledged]:
    """Return what was answered with 2xx (or `refused`), by identity."""
    return {line["identity"]: Acknowledged(**line) for line in _read(folder / name)}


def _read(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open("rb") as file:
            yield from (json.loads(line) for line in file if line.endswith(b"\n"))


class _Client:
    """Posts one message after the other; all messages of a key go through one client."""

    def __init__(self, url: str, folder: Path, pace: float, seed: int) -> None:
        self._url, self._pace = url, pace
        self._random = random.Random(seed)
        self.work: queue.Queue[tuple[int, int] | None] = queue.Queue()
        self._journals = {name: _Lines(folder / name) for name in ("sent", "acknowledged", "refused")}

    def run(self) -> None:
        pause = threading.Event()
        with Blume(self._url, within=20.0) as blume:
            while (item := self.work.get()) is not None:
                sent, body = message(*item)
                self._journals["sent"].add(sent)
                self._deliver(blume, sent, body, pause)
                pause.wait(self._random.uniform(0, 2 * self._pace))

    def _deliver(self, blume: Blume, sent: Sent, body: bytes, pause: threading.Event) -> None:
        posts = 0
        while True:
            posts += 1
            try:
                answer = blume.book(body, sent.identity)
            except (OSError, http.client.HTTPException):
                pause.wait(AGAIN)
                continue
            if answer.status < 500:
                self._journals["acknowledged" if answer.status < 300 else "refused"].add(
                    Acknowledged(
                        identity=sent.identity, status=answer.status, location=answer.headers.get("location"),
                        posts=posts,
                    )
                )  # fmt: skip
                return
            pause.wait(AGAIN)


def main() -> None:
    """Send what standard input grants."""
    parser = argparse.ArgumentParser(prog="sender")
    parser.add_argument("--url", required=True, help="FHIR base")
    parser.add_argument("--journal", type=Path, required=True, help="folder of the journals")
    parser.add_argument("--first", type=int, default=1, help="number of the first message")
    parser.add_argument("--keys", type=int, default=16, help="patients")
    parser.add_argument("--clients", type=int, default=4, help="connections")
    parser.add_argument("--pace", type=float, default=0.0, help="mean seconds between a client's messages")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.journal.mkdir(parents=True, exist_ok=True)
    chance = random.Random(options.seed)
    clients = [
        _Client(options.url, options.journal, options.pace, chance.getrandbits(32)) for _ in range(options.clients)
    ]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    number = options.first
    for line in sys.stdin:
        for _ in range(int(line)):
            key = chance.randrange(options.keys)
            clients[key % len(clients)].work.put((number, key))
            number += 1
    for client in clients:
        client.work.put(None)
    for thread in threads:
        thread.join()


class Sender:
    """The sender as a process."""

    def __init__(self, url: str, journal: Path, **options: float) -> None:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "tests.rig.sender", "--url", url, "--journal", str(journal), *words]
        self.journal = journal
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, text=True)

    def grant(self, messages: int) -> None:
        """Let it send so many more."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{messages}\n")
        self._process.stdin.flush()

    def finish(self, within: float) -> bool:
        """Wait until all that was granted is answered; False when that takes too long."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            return self._process.wait(within) == 0
        except subprocess.TimeoutExpired:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    main()
