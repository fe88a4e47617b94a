"""The delivering half of the floor: maps, commits the bytes, sends them one at a time a connection, marks them.

A patient's messages share a connection, so they keep their order. What an answer changed is committed with the next
messages' bytes, at most five milliseconds later.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import zlib
from collections import deque
from pathlib import Path

import orjson

from bench.floor import HANDED
from bench.floor_ledger import Ledger
from bench.floor_mapping import Mapping
from messages.identity import control_id
from store.checkpoint import Checkpointer
from transformers.hl7_validation import Validator

TABLES = (
    "CREATE TABLE outgoing (number INTEGER PRIMARY KEY, control_id TEXT NOT NULL, encoded BLOB NOT NULL)",
    "CREATE TABLE done (number INTEGER PRIMARY KEY, answer BLOB NOT NULL)",
)
INSERT_OUTGOING = "INSERT INTO outgoing VALUES (?, ?, ?)"
INSERT_DONE = "INSERT INTO done VALUES (?, ?)"

#: Seconds that an answer may wait for others to share its commit.
LINGER = 0.005


class Delivery:
    """Maps what is handed over, commits in groups, and shares it out to the lines."""

    def __init__(self, ledger: Ledger, mapping: Mapping, validator: Validator) -> None:
        self._ledger = ledger
        self._mapping = mapping
        self._validator = validator
        self._mapped: list[tuple[int, int, str, bytes]] = []
        self._answered: list[tuple[int, bytes]] = []
        self._marked = 0
        self._loop = asyncio.get_running_loop()
        self._lingering: asyncio.TimerHandle | None = None
        self.lines: list[Line] = []
        self.link: asyncio.Transport

    def take(self, number: int, body: bytes) -> None:
        """Map a message and check what came of it; it is committed with the others of this turn of the loop."""
        identity = control_id()
        sent = self._mapping.siu_s12(orjson.loads(body), identity)
        problems = self._validator.validate(sent.segments)
        if any(problem.severity == "error" for problem in problems):
            raise ValueError(str(problems[0]))
        self._mapped.append((number, zlib.crc32(sent.key.encode()) % len(self.lines), identity, sent.text))
        if len(self._mapped) == 1:
            self._loop.call_soon(self._commit)

    def answered(self, number: int, answer: bytes) -> None:
        """Note an acceptance, to be committed soon."""
        self._answered.append((number, answer))
        if self._lingering is None and not self._mapped:
            self._lingering = self._loop.call_later(LINGER, self._commit)

    def _commit(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        mapped, self._mapped = self._mapped, []
        answered, self._answered = self._answered, []
        outgoing = [(number, identity, text) for number, _, identity, text in mapped]
        self._ledger.commit((INSERT_OUTGOING, outgoing), (INSERT_DONE, answered))
        for number, line, identity, text in mapped:
            self.lines[line].send(number, identity, text)
        if answered:
            self._marked += len(answered)
            self.link.write(self._marked.to_bytes(8, "little"))


class Line(asyncio.Protocol):
    """One MLLP connection: a message goes when the one before it is answered."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._queue: deque[tuple[int, bytes, bytes]] = deque()
        self._under_way: tuple[int, bytes] | None = None
        self._came = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, number: int, identity: str, text: bytes) -> None:
        self._queue.append((number, identity.encode(), text))
        if self._under_way is None:
            self._go()

    def _go(self) -> None:
        number, identity, text = self._queue.popleft()
        self._under_way = number, identity
        self._transport.write(b"\x0b%s\x1c\r" % text)

    def data_received(self, data: bytes) -> None:
        self._came += data
        if not self._came.endswith(b"\x1c\r"):
            return
        answer, self._came = self._came[1:-2], b""
        assert self._under_way is not None
        number, identity = self._under_way
        msa = next(segment for segment in answer.split(b"\r") if segment.startswith(b"MSA|")).split(b"|")
        if msa[1] != b"AA" or msa[2] != identity:
            raise ConnectionError("not the acceptance of this message")
        self._under_way = None
        self._delivery.answered(number, answer)
        if self._queue:
            self._go()


class Link(asyncio.Protocol):
    """The connection to the intake process."""

    def __init__(self, delivery: Delivery, ended: asyncio.Event) -> None:
        self._delivery = delivery
        self._ended = ended
        self._came = b""

    def data_received(self, data: bytes) -> None:
        came = self._came + data
        place = 0
        while place + HANDED.size <= len(came):
            number, length = HANDED.unpack_from(came, place)
            if place + HANDED.size + length > len(came):
                break
            place += HANDED.size
            self._delivery.take(number, came[place : place + length])
            place += length
        self._came = came[place:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio gives it
        self._ended.set()


async def run(options: argparse.Namespace) -> None:
    """Deliver until the intake process hangs up."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_give_up)
    ended = asyncio.Event()
    ledger = Ledger(options.data / "delivery", *TABLES)
    rules = json.loads((options.data / "rules.json").read_text())
    delivery = Delivery(ledger, Mapping(options.site / "tables"), Validator(rules))
    for _ in range(options.connections):
        _, line = await loop.create_connection(lambda: Line(delivery), "127.0.0.1", options.receiver)
        delivery.lines.append(line)
    link = socket.socket(fileno=options.link)
    delivery.link, _ = await loop.create_connection(lambda: Link(delivery, ended), sock=link)
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    print("ready", flush=True)
    # As in the host: one process checkpoints for both, in the background.
    with Checkpointer(options.data / "delivery"), Checkpointer(options.data / "intake"):
        await ended.wait()
    ledger.close()


def _give_up(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    loop.default_exception_handler(context)
    os._exit(1)


def main() -> None:
    """Run from bench/floor.py."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--link", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--receiver", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
