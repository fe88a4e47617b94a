"""A sender at its barest, an intake that is small and whole, and the MLLP listener between them in a thread."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from connectors.base import IdentityConflict, StoreUnavailable
from connectors.mllp_listener import MllpListener
from messages.message import Message
from messages.problem import Problems

CANARY = "Conceição"


def message(control_id="A1", *, msh_15="", msh_16="", text="one", ending="\r") -> bytes:
    msh = f"MSH|^~\\&|POWERSERVER|BLUME TEST|BLUME|ORG|20251120153000||SIU^S14^SIU_S12|{control_id}|P|2.5.1"
    rest = f"{ending}PID|1||1||{CANARY}{ending}NTE|1||{text}{ending}"
    return f"{msh}|||{msh_15}|{msh_16}||UNICODE UTF-8{rest}".encode()


@dataclass
class DictIntake:
    """An intake that keeps everything in dicts: deduplication by identity, one rule, and a store that may be full."""

    stored: dict = field(default_factory=dict)
    messages: list = field(default_factory=list)
    refusals: list = field(default_factory=list)
    refuses_with: tuple = ()
    disk_full: bool = False
    bug: bool = False
    #: accept waits for it where it is set.
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    async def accept(self, arrival, compose):
        self.entered.set()
        if self.gate is not None:
            await asyncio.to_thread(self.gate.wait, 10)
        if self.bug:
            raise KeyError(CANARY)
        if self.refuses_with:
            problems = Problems(self.refuses_with)
            await self.refuse(arrival, problems)
            raise problems
        if arrival.identity in self.stored:
            body, answer = self.stored[arrival.identity]
            if body != arrival.body:
                raise IdentityConflict
            return answer
        if self.disk_full:
            raise StoreUnavailable
        accepted = Message(
            number=len(self.messages) + 1, id=f"M{len(self.messages)}", channel="updates", revision="1",
            received_at=0.0, peer=arrival.peer, content_type=arrival.content_type, body=arrival.body,
        )  # fmt: skip
        answer = compose([accepted])
        self.messages.append(accepted)
        self.stored[arrival.identity] = arrival.body, answer
        return answer

    async def refuse(self, arrival, problems):
        if self.disk_full:
            raise StoreUnavailable
        self.refusals.append((problems.problems[0].code, arrival.body))

    def state(self, message_id):
        return None

    @property
    def codes(self):
        return [code for code, _ in self.refusals]


@contextmanager
def listening(intake, **changes):
    """The listener in a loop of its own in a thread; gives the port."""
    opened, address = threading.Event(), []

    def ready(where):
        address.append(where)
        opened.set()

    stop = threading.Event()

    async def run():
        serving = asyncio.create_task(MllpListener(port=0, **changes).serve(intake, ready))
        await asyncio.to_thread(stop.wait, 30)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert opened.wait(10)
        yield int(address[0].rpartition(":")[2])
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive()


class Line:
    """A sender at its barest: bytes out, frames in."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *payloads):
        self.socket.sendall(b"".join(b"\x0b" + payload + b"\x1c\x0d" for payload in payloads))

    def answer(self):
        while b"\x1c\x0d" not in self._rest:
            data = self.socket.recv(65536)
            assert data, "hung up instead of an answer"
            self._rest += data
        frame, _, self._rest = self._rest.partition(b"\x1c\x0d")
        assert frame[:1] == b"\x0b"
        return frame[1:]

    def drip(self, byte, every, for_at_most):
        """Send a byte again and again until the listener hangs up; return the seconds that took."""
        self.socket.settimeout(every)
        began = time.monotonic()
        while time.monotonic() - began < for_at_most:
            try:
                self.socket.sendall(byte)
                if not self.socket.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        return time.monotonic() - began

    def rest(self):
        """Everything until the listener hangs up."""
        try:
            while data := self.socket.recv(65536):
                self._rest += data
        except ConnectionResetError:
            pass
        return self._rest


def fields(answer, segment):
    """Fields of the first such segment, so that index n is SEG-n (MSH: index n is MSH-n too)."""
    for line in answer.decode().split("\r"):
        if line.startswith(segment):
            return ["MSH", "|", *line.split("|")[1:]] if segment == "MSH" else line.split("|")
    return None
