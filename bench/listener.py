"""Load on the FHIR listener alone (nothing behind it but a dict): requests a second, p50 and p99 in milliseconds.

    python -m bench.listener [seconds] [connections]

The listener and the client are two processes; the client is a plain asyncio loop and costs about as much as the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import sys
import time
from pathlib import Path

from connectors.base import Answer
from connectors.fhir_listener import FhirListener
from messages.identity import message_id
from messages.message import Message


class Memory:
    """The cheapest intake there can be: a digest, one message, the answer kept."""

    def __init__(self):
        self.answers: dict[str, Answer] = {}

    async def accept(self, arrival, compose):
        identity = arrival.identity or hashlib.sha256(arrival.body).hexdigest()
        if identity not in self.answers:
            message = Message(
                number=1,
                id=message_id(),
                channel="bench",
                revision="1",
                received_at=0.0,
                peer=arrival.peer,
                content_type=arrival.content_type,
                body=arrival.body,
                focus=1,
            )
            self.answers[identity] = compose([message])
        return self.answers[identity]

    async def refuse(self, arrival, problems):
        raise AssertionError(arrival.peer, problems)

    def state(self, message_id):
        raise AssertionError(message_id)


def serve(pipe):
    listener = FhirListener(port=0)
    try:
        asyncio.run(listener.serve(Memory(), pipe.send))
    except KeyboardInterrupt:
        return


def request(number: int) -> bytes:
    """A POST of about 8.5 KB, as a Bundle of ten entries is."""
    filling = [{"resource": {"resourceType": "Basic", "code": {"text": "x" * 900}}} for _ in range(9)]
    entries = [{"resource": {"resourceType": "Appointment", "status": "booked", "comment": f"{number}"}}, *filling]
    body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()
    head = (
        f"POST /fhir HTTP/1.1\r\nhost: bench\r\ncontent-type: application/fhir+json\r\nidempotency-key: {number:09}\r\n"
    )
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def send(address: str, until: float, times: list[float], first: int, step: int) -> None:
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    template, number = request(0), first
    while time.perf_counter() < until:
        raw = template.replace(b"key: 000000000", b"key: %09d" % number)
        number += step
        begun = time.perf_counter()
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202"), head
        length = head.split(b"content-length: ")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        times.append(time.perf_counter() - begun)
    writer.close()


async def load(address: str, seconds: float, connections: int) -> list[float]:
    times: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(send(address, until, times, n, connections) for n in range(connections)))
    return times


def cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / 100


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    server.start()
    try:
        address = ours.recv()
        before = cpu_seconds(server.pid)
        times = sorted(asyncio.run(load(address, seconds, connections)))
        spent = cpu_seconds(server.pid) - before
    finally:
        server.terminate()
        server.join()
    rate, p50, p99 = (len(times) / seconds, *(times[int(len(times) * q)] * 1000 for q in (0.5, 0.99)))
    print(f"{connections} connections, {seconds:g} s: {rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms,")
    print(f"listener {spent / len(times) * 1e6:.0f} us CPU a request")


if __name__ == "__main__":
    main()
