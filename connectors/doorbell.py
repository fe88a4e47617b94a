"""A bell between the processes of the host: a datagram on the loopback that says "look into the store".

It says no more than which destinations have work, or that a person or a deployment changed something. A lost one
costs a moment, because who waits for it also looks by the clock.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable

_WORK = b"w"

#: Called with the numbers of the destinations that have something to deliver.
Work = Callable[[list[int]], None]


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, work: Work, change: Callable[[], None]) -> None:
        self._work = work
        self._change = change

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002  # asyncio gives it
        if data[:1] == _WORK and data[1:].replace(b",", b"").isdigit():
            self._work([int(number) for number in data[1:].split(b",") if number])
        else:
            self._change()


async def listen(work: Work, change: Callable[[], None]) -> tuple[int, asyncio.DatagramTransport]:
    """Hang up a bell; return its UDP port on 127.0.0.1 and the transport to close.

    `work` is called when messages came, `change` when channels or messages were acted on.
    """
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(work, change), local_addr=("127.0.0.1", 0))
    port: int = transport.get_extra_info("sockname")[1]
    return port, transport


class Ringer:
    """Rings the bells of other processes; never fails and never waits."""

    def __init__(self, ports: Callable[[], list[int]]) -> None:
        self._ports = ports
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._known: list[int] = []

    def refresh(self) -> None:
        """Read anew whose bells there are."""
        self._known = self._ports()

    def work(self, destinations: Iterable[int]) -> None:
        """Say which destinations have something to deliver, by their numbers."""
        self._ring(_WORK + b",".join(b"%d" % number for number in destinations))

    def change(self) -> None:
        """Say that a person or a deployment changed something."""
        self._ring(b"c")

    def _ring(self, word: bytes) -> None:
        for port in self._known:
            try:
                self._socket.sendto(word, ("127.0.0.1", port))
            except OSError:
                self._known = [known for known in self._known if known != port]  # gone: it looks by the clock

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
