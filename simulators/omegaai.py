"""A FHIR R4 server in the manner of OmegaAI's, with a script of misbehaviour and a journal of what it was asked.

As a process: `python -m simulators.omegaai --port 8088 --journal FILE --script "accept,412,503 2"`. The first line on
standard output says where it listens: `{"listening": 8088}`. As a library: `with OmegaAI(["500"]) as peer: …`.

Its words are in `simulators.omegaai_script`, what it holds in `simulators.omegaai_records`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from simulators import omegaai_resources
from simulators.journal import Journal, Received, read_journal
from simulators.omegaai_records import Asked, Outcome, Records
from simulators.omegaai_script import (
    ACCEPT,
    STATEMENT,
    UNDONE,
    Request,
    Step,
    answer_bytes,
    metadata_bytes,
    read_request,
    read_script,
)

__all__ = ["OmegaAI", "Request", "read_request"]


class OmegaAI:
    """The server. As a context manager it runs in a thread of its own, on a free port."""

    def __init__(
        self,
        script: Iterable[str] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        journal: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: speak https by it."""
        self.host, self.port = host, port
        self.records = Records()
        #: Status of the answer to /metadata, by which callers see whether the server is there.
        self.metadata_status = 200
        #: That answer's content, and by how many seconds this server's clock is ahead.
        self.statement: dict[str, Any] = dict(STATEMENT)
        self.clock_ahead = 0.0
        #: Connections that were ever made.
        self.connections = 0
        self._tls = tls
        self._steps = deque(read_script(script))
        self._path = journal
        self._journal = Journal(journal) if journal else None
        self._received: list[Received] = []
        self._conversations: set[asyncio.Task[None]] = set()
        self._changed = threading.Condition()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def base(self) -> str:
        """The FHIR base."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}/fhir"

    @property
    def requests(self) -> list[Request]:
        """What was asked, in order, without the looks at /metadata."""
        received = read_journal(self._path) if self._path else list(self._received)
        every = [read_request(item.payload) for item in received]
        return [request for request in every if not request.target.endswith("/metadata")]

    def add(self, *words: str) -> None:
        """Add words to the end of the script."""
        with self._changed:
            self._steps += read_script(words)

    def wait_for(self, requests: int, within: float = 5.0) -> list[Request]:
        """Return what was asked once `requests` have come.

        Raises:
            TimeoutError: fewer have come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= requests, within):
                raise TimeoutError(f"{len(self.requests)} of {requests} requests came within {within:g} s")
            return self.requests

    async def serve(self, ready: threading.Event | None = None, *, announce: bool = False) -> None:
        """Listen until `stop`."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._converse, self.host, self.port, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self.records.base = self.base
        if announce:
            sys.stdout.write(json.dumps({"listening": self.port}) + "\n")
            sys.stdout.flush()
        if ready:
            ready.set()
        await self._stop.wait()
        server.close()
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)
        if self._journal:
            self._journal.close()

    def stop(self) -> None:
        """Stop listening and hang up on everybody. May be called from any thread."""
        if self._loop and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(ready)), name="omegaai", daemon=True)
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

    # -- one connection -------------------------------------------------------------------------------------

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - tells the type
        self._conversations.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(read_request(head).headers.get("content-length", "0"))
                if not await self._act(number, head + await reader.readexactly(length), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller hung up
        finally:
            writer.close()
            self._conversations.discard(task)

    async def _act(self, connection: int, payload: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the line is to be closed."""
        request = read_request(payload)
        step = self._took(connection, request, payload)
        outcome = None if step.deed in UNDONE else self._carry_out(request, step)
        if step.deed in ("hang up", "done and hang up"):
            return False
        if step.deed == "no answer":
            await asyncio.get_running_loop().create_future()
        if step.deed == "late":
            await asyncio.sleep(step.seconds)
        if step.deed == "metadata":
            written = metadata_bytes(request, self.statement, self.clock_ahead)
        else:
            written = answer_bytes(step, request, outcome)
        if step.deed == "hang up mid-answer":
            written = written[: len(written) // 2]
        for piece in [written[at : at + 1] for at in range(len(written))] if step.deed == "slow" else [written]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return step.deed not in ("hang up mid-answer", "garbage")

    def _took(self, connection: int, request: Request, payload: bytes) -> Step:
        """Write the request down, before anything is answered, and return what to do about it."""
        with self._changed:
            if self._journal:
                self._journal.received(connection, payload)
            else:
                self._received.append(Received(time.time(), connection, payload))
            self._changed.notify_all()
            if request.target.endswith("/metadata"):
                return Step("metadata" if self.metadata_status == 200 else "status", self.metadata_status)
            return self._steps.popleft() if self._steps else ACCEPT

    def _carry_out(self, request: Request, step: Step) -> Outcome:
        parts = urlsplit(request.target)  # a proxy is given the whole address
        path = parts.path.removeprefix("/fhir").strip("/")
        if step.deed == "meanwhile":
            kind, _, identity = path.partition("/")
            before = self.records.read(kind, identity)
            self.records.write({**before, "comment": "changed by somebody else meanwhile"}, identity)
        asked = Asked(method=request.method, path=path, query=parts.query, headers=request.headers, body=request.body)
        return self.records.carry_out(asked)


async def _main(options: argparse.Namespace) -> None:
    words = [word for word in options.script.split(",") if word.strip()]
    tls = None
    if options.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.certificate, options.key)
    server = OmegaAI(words, host=options.host, port=options.port, journal=options.journal, tls=tls)
    if options.resources:
        omegaai_resources.load(server.records)
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda *_: server.stop())
    await server.serve(announce=True)


def main() -> None:
    """Run from the command line until told to stop."""
    parser = argparse.ArgumentParser(prog="omegaai", description="A FHIR R4 server with a script.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one; the first line printed says which")
    parser.add_argument("--journal", type=Path, help="file to write every request to")
    parser.add_argument("--script", default="", help="words separated by commas, one a request; then all are done")
    parser.add_argument("--resources", action="store_true", help="have bookable resources from the beginning")
    parser.add_argument("--certificate", help="PEM file of a certificate chain: speak https only")
    parser.add_argument("--key", help="PEM file of its private key")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
