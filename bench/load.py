"""The sender: N clients on connections that stay open; each posts its next booking when it has its answer.

    python -m bench.load --port 8080 --clients 32 --seconds 3 --out FILE

One thread over bare sockets, because its time is taken from the cores that it measures. Prints one JSON line and
writes number, time of the POST and time of the answer of each booking to FILE (see `read_log`). Times are those of
`time.perf_counter`, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.bookings import FIRST_NUMBER, Bookings

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Log(NamedTuple):
    """What was answered 2xx, in the order of the answers."""

    numbers: array[int]
    posted: array[float]
    answered: array[float]


class Load:
    """All clients of one run."""

    def __init__(self, host: str, ports: Sequence[int], first: int) -> None:
        self.log = Log(array("q"), array("d"), array("d"))
        #: How many answers there were of each status that is not 2xx.
        self.refused: Counter[int] = Counter()
        self._bookings = Bookings()
        self._peers = [(host, port) for port in ports]
        self._next = first
        self._ends = 0.0

    def run(self, clients: int, seconds: float) -> None:
        """Post for so many seconds and wait for the last answers."""
        with selectors.DefaultSelector() as selector:
            waiting = {_Client(self, self._peers[number % len(self._peers)]) for number in range(clients)}
            for client in waiting:
                selector.register(client.line, selectors.EVENT_READ, client)
            self._ends = time.perf_counter() + seconds
            for client in waiting:
                client.post()
            while waiting:
                events = selector.select(timeout=30)
                if not events:
                    raise TimeoutError("no answer within 30 s")
                for key, _ in events:
                    if not key.data.read():
                        selector.unregister(key.fileobj)
                        waiting.discard(key.data)
                        key.data.line.close()

    def take(self) -> tuple[int, bytes] | None:
        """Return the next booking; None when the time is over."""
        if time.perf_counter() >= self._ends:
            return None
        number = self._next
        self._next += 1
        return number, self._bookings.request(number)


class _Client:
    """One connection, with one request on it at a time."""

    def __init__(self, load: Load, peer: tuple[str, int]) -> None:
        self._load = load
        self.line = socket.create_connection(peer, timeout=30)
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._number = 0
        self._posted = 0.0
        self._came = b""

    def post(self) -> bool:
        """Post the next booking. False when there is none."""
        taken = self._load.take()
        if taken is None:
            return False
        self._number, request = taken
        self._posted = time.perf_counter()
        self.line.sendall(request)
        return True

    def read(self) -> bool:
        """Take what has come; after a whole answer go on. False when this client is done."""
        data = self.line.recv(65536)
        if not data:
            raise ConnectionError("the server hung up in the middle of an answer")
        self._came += data
        end = self._came.find(b"\r\n\r\n")
        if end < 0:
            return True
        length = _LENGTH.search(self._came, 0, end)
        if len(self._came) < end + 4 + (int(length[1]) if length else 0):
            return True
        status = int(self._came[9:12])
        self._came = b""
        if 200 <= status < 300:
            log = self._load.log
            log.numbers.append(self._number)
            log.posted.append(self._posted)
            log.answered.append(time.perf_counter())
        else:
            self._load.refused[status] += 1
        return self.post()


def write_log(log: Log, path: Path) -> None:
    """Write the three columns one after the other."""
    with path.open("wb") as file:
        for column in log:
            column.tofile(file)


def read_log(path: Path) -> Log:
    """Read what `write_log` wrote."""
    data = path.read_bytes()
    size = len(data) // 3
    log = Log(array("q"), array("d"), array("d"))
    log.numbers.frombytes(data[:size])
    log.posted.frombytes(data[size : 2 * size])
    log.answered.frombytes(data[2 * size :])
    return log


def main() -> int:
    """Run from the command line; 0 when every booking was answered 2xx."""
    parser = argparse.ArgumentParser(prog="bench.load", description="Posts bookings as fast as they are answered.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, nargs="+", required=True, help="clients are shared out to several")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--first", type=int, default=FIRST_NUMBER, help="number of the first booking, nine digits")
    parser.add_argument("--out", type=Path, help="file for the times")
    options = parser.parse_args()
    load = Load(options.host, options.port, options.first)
    load.run(options.clients, options.seconds)
    if options.out:
        write_log(load.log, options.out)
    print(json.dumps({"answered": len(load.log.numbers), "refused": dict(load.refused)}))
    return 1 if load.refused else 0


if __name__ == "__main__":
    sys.exit(main())
