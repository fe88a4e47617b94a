"""The receiver: accepts every MLLP message at once, and notes when which booking came.

    python -m bench.sink

Prints `{"listening": port}`. A line on standard input asks how many came so far; a line with a file's name also writes
number and time of each (see `read_receipts`) there and begins anew. Ends with its standard input.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time
from array import array
from pathlib import Path
from typing import NamedTuple

_PLACER = b"\rSCH|appt-"


class Receipts(NamedTuple):
    """Bookings in the order in which they came; one that came twice stands twice."""

    numbers: array[int]
    times: array[float]


class _Line:
    """One connection."""

    def __init__(self, line: socket.socket, receipts: Receipts) -> None:
        self.line = line
        self._receipts = receipts
        self._came = b""

    def read(self) -> bool:
        """Accept what has come whole. False when the sender hung up."""
        try:
            data = self.line.recv(262_144)
        except ConnectionError:
            return False
        now = time.perf_counter()
        *frames, self._came = (self._came + data).split(b"\x1c\r")
        for message in frames:
            control_id = message.split(b"|", 10)[9]
            start = message.index(_PLACER) + len(_PLACER)
            self._receipts.numbers.append(int(message[start : message.index(b"^", start)]))
            self._receipts.times.append(now)
            self.line.sendall(
                b"\x0bMSH|^~\\&|POWERSERVER|BLUME TEST|BLUME|BLUME TEST ORG|20251120153000-0300||ACK^S12^ACK|%s|P"
                b"|2.5.1\rMSA|AA|%s\r\x1c\r" % (control_id, control_id)
            )
        return bool(data)


def write_receipts(receipts: Receipts, path: Path) -> None:
    """Write the two columns one after the other."""
    with path.open("wb") as file:
        for column in receipts:
            column.tofile(file)


def read_receipts(path: Path) -> Receipts:
    """Read what `write_receipts` wrote."""
    data = path.read_bytes()
    receipts = Receipts(array("q"), array("d"))
    receipts.numbers.frombytes(data[: len(data) // 2])
    receipts.times.frombytes(data[len(data) // 2 :])
    return receipts


def main() -> None:
    """Listen and answer until standard input ends."""
    receipts = Receipts(array("q"), array("d"))
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    with selectors.DefaultSelector() as selector, listening:
        selector.register(listening, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        print(json.dumps({"listening": listening.getsockname()[1]}), flush=True)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    if not key.data.read():
                        selector.unregister(key.fileobj)
                        key.data.line.close()
                elif key.fileobj is listening:
                    line, _ = listening.accept()
                    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(line, selectors.EVENT_READ, _Line(line, receipts))
                else:
                    asked = os.read(sys.stdin.fileno(), 4096)
                    if not asked:
                        return
                    _answer(asked.decode().strip(), receipts)


def _answer(path: str, receipts: Receipts) -> None:
    count = len(receipts.numbers)
    if path:
        write_receipts(receipts, Path(path))
        del receipts.numbers[:], receipts.times[:]
    print(json.dumps({"received": count}), flush=True)


if __name__ == "__main__":
    main()
