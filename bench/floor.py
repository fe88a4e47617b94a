"""The floor: a straight-line program with the host's work and durability, and none of the engine.

    python -m bench.floor --data DIR --receiver PORT [--connections 4]

POST → the host's validation → commit, synced, in a group → 2xx → hand-written mapping → the host's rules of the
structure → commit → MLLP, strictly one at a time on a connection → ACK matched → marked, synced. Two processes, bare
asyncio and httptools: this one takes in, bench/floor_delivery.py delivers. It has no restart, retry, refusals, TLS,
lanes, channels, pages or logs: it tells what the same work costs without them.

Prints `{"listening": port, "pids": […]}` when both are ready; ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import httptools

from bench.floor_ledger import Change, Ledger
from messages.problem import Problems
from transformers.fhir_json import load_strict
from transformers.fhir_validation import validate

#: Messages that may wait for their delivery; above it the answers wait, or the sender starves the delivery.
WAITING = 256

TABLE = "CREATE TABLE message (number INTEGER PRIMARY KEY, at REAL NOT NULL, peer TEXT NOT NULL, body BLOB NOT NULL)"
INSERT = "INSERT INTO message VALUES (?, ?, ?, ?)"
HANDED = struct.Struct("<QI")

_REFUSAL = b"HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 0\r\n\r\n"


class Intake:
    """Commits what all connections have brought since the last commit, hands it over, and answers."""

    def __init__(self, ledger: Ledger, delivery: socket.socket) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._new: list[tuple[Door, tuple[int, float, str, bytes]]] = []
        self._answers: list[tuple[Door, int]] = []
        self._number = self._marked = 0
        self._link: asyncio.Transport
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Join the delivery process."""
        self._link, _ = await self._loop.create_connection(lambda: _Progress(self), sock=self._delivery)

    def take(self, door: Door, body: bytes) -> None:
        """Check a body; what is valid is committed with the others of this turn of the loop."""
        try:
            problems = validate(load_strict(body))
        except Problems as found:
            problems = list(found.problems)
        if any(problem.severity == "error" for problem in problems):
            door.transport.write(_REFUSAL)
            return
        self._number += 1
        self._new.append((door, (self._number, time.time(), door.peer, body)))
        if len(self._new) == 1:
            self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        new, self._new = self._new, []
        change: Change = (INSERT, [row for _, row in new])
        self._ledger.commit(change)
        self._link.writelines([part for _, row in new for part in (HANDED.pack(row[0], len(row[3])), row[3])])
        self._answers += [(door, row[0]) for door, row in new]
        self._answer()

    def marked(self, total: int) -> None:
        """Note how many are delivered."""
        self._marked = total
        self._answer()

    def _answer(self) -> None:
        if self._number - self._marked <= WAITING:
            answers, self._answers = self._answers, []
            for door, number in answers:
                door.answer(number)


class _Progress(asyncio.Protocol):
    """The delivery process tells its total after each commit."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._came = b""

    def data_received(self, data: bytes) -> None:
        self._came += data
        whole = len(self._came) // 8 * 8
        if whole:
            self._intake.marked(int.from_bytes(self._came[whole - 8 : whole], "little"))
            self._came = self._came[whole:]


class Door(asyncio.Protocol):
    """One HTTP connection."""

    transport: asyncio.Transport

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._parser = httptools.HttpRequestParser(self)
        self._parts: list[bytes] = []
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peer = transport.get_extra_info("peername")[0]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        parts, self._parts = self._parts, []
        self._intake.take(self, parts[0] if len(parts) == 1 else b"".join(parts))

    def answer(self, number: int) -> None:
        body = b'{"resourceType":"Bundle","type":"transaction-response","entry":[%d]}' % number
        self.transport.write(
            b"HTTP/1.1 202 Accepted\r\ncontent-type: application/fhir+json\r\nlocation: /fhir/Task/%d\r\n"
            b"content-length: %d\r\n\r\n%s" % (number, len(body), body)
        )


async def serve(options: argparse.Namespace) -> None:
    """Take in until standard input ends."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    delivery = subprocess.Popen(  # noqa: ASYNC220  # nothing else runs yet
        [sys.executable, "-m", "bench.floor_delivery", "--link", str(theirs.fileno()), "--data", str(options.data),
         "--site", str(options.site), "--receiver", str(options.receiver), "--connections", str(options.connections)],
        pass_fds=[theirs.fileno()], stdout=subprocess.PIPE,
    )  # fmt: skip
    theirs.close()
    assert delivery.stdout is not None
    delivery.stdout.readline()
    ledger = Ledger(options.data / "intake", TABLE)
    intake = Intake(ledger, ours)
    await intake.open()
    server = await loop.create_server(lambda: Door(intake), "127.0.0.1", 0)
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"listening": port, "pids": [os.getpid(), delivery.pid]}), flush=True)
    stopping = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stopping.set)), daemon=True).start()
    await stopping.wait()
    server.close()
    ours.shutdown(socket.SHUT_RDWR)
    delivery.wait(10)
    ledger.close()


def prepare(site: Path, data: Path) -> None:
    """Prove the mapping, and compile the rules of the structure for the delivery process."""
    from bench.floor_mapping import agree  # noqa: PLC0415  # in a process of its own, which ends
    from bench.shipped import plan_of  # noqa: PLC0415 - only what maps needs it

    agree(site)
    plan = plan_of(site)
    (rules,) = plan["validators"].values()
    (data / "rules.json").write_text(json.dumps(rules))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="bench.floor", description="The same work without the engine.")
    parser.add_argument("--data", type=Path, required=True, help="empty folder for the files")
    parser.add_argument("--receiver", type=int, required=True, help="MLLP port on this machine")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--site", type=Path, default=Path(__file__).parents[1] / "mappings")
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    proof = multiprocessing.get_context("spawn").Process(target=prepare, args=(options.site, options.data))
    proof.start()
    proof.join()
    if proof.exitcode:
        return 1
    asyncio.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
