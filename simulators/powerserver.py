"""A receiver of HL7 v2 over MLLP in the manner of PowerServer's interface engine, with a script of misbehaviour.

As a process: `python -m simulators.powerserver --port 6661 --journal FILE --script accept,AE,late 2`. The first line
on standard output says where it listens: `{"listening": 6661}`. As a library: `with PowerServer(["AE"]) as peer: …`.

Its words are in `simulators.powerserver_script`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators.journal import Journal, Received, read_answers, read_journal
from simulators.powerserver_script import ACCEPT, Step, answer_bytes, read_script

__all__ = ["PowerServer", "Received", "read_answers", "read_journal"]


class _Connection(asyncio.Protocol):
    def __init__(self, server: PowerServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._number = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells the type
        self._transport = transport
        self._number = self._server.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        asyncio.get_running_loop().call_soon(self._server.left, self)  # by then the socket is closed

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\x1c\r")) >= 0:
            payload = bytes(self._buffer[self._buffer.find(b"\x0b") + 1 : end])
            del self._buffer[: end + 2]
            step = self._server.took(self._number, payload)
            self._act(step, payload)

    def _act(self, step: Step, payload: bytes) -> None:
        if step.deed == "hang up":
            self._transport.close()
            return
        if step.deed == "reset":
            self._transport.abort()
            return
        if step.deed == "no answer":
            return
        wait = step.seconds or self._server.answer_after
        if wait:
            asyncio.get_running_loop().call_later(wait, self._answer, step, payload)
        else:
            self._answer(step, payload)

    def _answer(self, step: Step, payload: bytes) -> None:
        if self._transport.is_closing():
            return
        written = answer_bytes(step, payload)
        self._server.said(self._number, written)
        piece = 1 if step.deed == "slow" else self._server.piece
        if piece:
            self._write_in_pieces(written, piece, step)
            return
        self._transport.write(written)
        self._after(step)

    def _write_in_pieces(self, rest: bytes, piece: int, step: Step) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(rest[:piece])
        if rest[piece:]:
            asyncio.get_running_loop().call_later(0.001, self._write_in_pieces, rest[piece:], piece, step)
        else:
            self._after(step)

    def _after(self, step: Step) -> None:
        if step.deed in ("hang up mid-frame", "accept and hang up"):
            self._transport.close()


class PowerServer:
    """The receiver. As a context manager it runs in a thread of its own, on a free port."""

    def __init__(  # noqa: PLR0913 - each is one property of the peer
        self,
        script: Iterable[str] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        journal: Path | None = None,
        piece: int = 0,
        answer_after: float = 0.0,
    ) -> None:
        """`piece`: bytes that an answer is cut into (0: whole); `answer_after`: seconds of work for every message."""
        self.host, self.port = host, port
        self.piece, self.answer_after = piece, answer_after
        #: Messages that were received.
        self.count = 0
        #: Connections that were ever made.
        self.connections = 0
        self._received: list[Received] = []
        self._steps = deque(read_script(script))
        self._path = journal
        self._journal = Journal(journal) if journal else None
        self._open: set[_Connection] = set()
        self._changed = threading.Condition()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def received(self) -> list[Received]:
        """What has been received, in order: from the journal, or from memory where there is none."""
        return read_journal(self._path) if self._path else list(self._received)

    def add(self, *words: str) -> None:
        """Add words to the end of the script."""
        with self._changed:
            self._steps += read_script(words)

    def wait_for(self, messages: int, within: float = 5.0) -> list[Received]:
        """Return what was received once `messages` have come.

        Raises:
            TimeoutError: fewer have come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.count >= messages, within):
                raise TimeoutError(f"{self.count} of {messages} messages came within {within:g} s")
        return self.received

    def wait_for_hang_up(self, within: float = 5.0) -> None:
        """Return once no connection is open.

        Raises:
            TimeoutError: one still is.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._open, within):
                raise TimeoutError(f"{len(self._open)} connections are open after {within:g} s")

    async def serve(self, ready: threading.Event | None = None, *, announce: bool = False) -> None:
        """Listen until `stop`."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(lambda: _Connection(self), self.host, self.port, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        if announce:
            sys.stdout.write(json.dumps({"listening": self.port}) + "\n")
            sys.stdout.flush()
        if ready:
            ready.set()
        await self._stop.wait()
        server.close()
        while self._open:
            for connection in list(self._open):
                connection.abort()
            await asyncio.sleep(0.001)
        if self._journal:
            self._journal.close()

    def stop(self) -> None:
        """Stop listening and hang up on everybody. May be called from any thread."""
        if self._loop and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(ready)), name="powerserver", daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise TimeoutError("the simulator did not come up within 10 s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread:
            self._thread.join(10)

    def joined(self, connection: _Connection) -> int:
        with self._changed:
            self.connections += 1
            self._open.add(connection)
            return self.connections

    def left(self, connection: _Connection) -> None:
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def took(self, connection: int, payload: bytes) -> Step:
        """Write the message down, before anything is answered, and return what to do about it."""
        with self._changed:
            if self._journal:
                self._journal.received(connection, payload)
            else:
                self._received.append(Received(time.time(), connection, payload))
            self.count += 1
            self._changed.notify_all()
            return self._steps.popleft() if self._steps else ACCEPT

    def said(self, connection: int, written: bytes) -> None:
        if self._journal:
            self._journal.answered(connection, written)


async def _main(options: argparse.Namespace) -> None:
    words = [word for word in options.script.split(",") if word.strip()]
    server = PowerServer(
        words,
        host=options.host,
        port=options.port,
        journal=options.journal,
        piece=options.piece,
        answer_after=options.answer_after,
    )
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda *_: server.stop())
    await server.serve(announce=True)


def main() -> None:
    """Run from the command line until told to stop."""
    parser = argparse.ArgumentParser(prog="powerserver", description="A receiver of HL7 v2 over MLLP, with a script.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one; the first line printed says which")
    parser.add_argument("--journal", type=Path, help="file to write every message and answer to")
    parser.add_argument(
        "--script", default="", help="words separated by commas, one a message; then every one is accepted"
    )
    parser.add_argument("--piece", type=int, default=0, help="cut answers into pieces of so many bytes")
    parser.add_argument("--answer-after", type=float, default=0.0, help="seconds of work for every message")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
