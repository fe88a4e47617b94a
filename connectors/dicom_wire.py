"""One connection as a row of PDUs, read only as far as they are asked for.

No PDU longer than the limit is ever held: its length is looked at before its body is read. What comes is received into
one buffer and looked at there. Source: DICOM PS3.8 9.1.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from mmap import mmap

from connectors.dicom_pdu import HEADER, MAX_NEGOTIATION, P_DATA, ProtocolError, read_header

#: Bytes that are made room for when a system's loop has received more than it was asked for (Windows).
_MORE = 65_536
#: Bytes written and unsent at which we wait, and go on again.
_UNSENT = (524_288, 131_072)
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)
#: A half-open line is noticed after about two minutes.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))


class Wire(asyncio.BufferedProtocol):
    """One connection, ours or a peer's. One task reads it, and writes it."""

    def __init__(self) -> None:
        #: Longest body of a P-DATA-TF that is read.
        self._limit = MAX_NEGOTIATION
        #: What has come and was not read is `_buffer[_start:_end]`.
        self._buffer = _room(HEADER + MAX_NEGOTIATION)
        self._start = self._end = 0
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._reader: asyncio.Future[None] | None = None
        #: Bytes that the reader waits for.
        self._wanted = 0
        self._drained: asyncio.Future[None] | None = None
        self._lost: ConnectionError | None = None
        self._paused = False

    @property
    def stands(self) -> bool:
        """The line is open, and the peer has said nothing on it that nobody has read."""
        return self._lost is None and self._transport is not None and self._start == self._end

    def allow(self, limit: int) -> None:
        """Read P-DATA-TF with bodies of so many bytes, for the association stands; one more while one is looked at."""
        self._limit = limit
        self._move(_room(2 * (HEADER + limit)))

    async def read(self) -> tuple[int, memoryview]:
        """Return type and bytes of the next PDU, its header included; they are good until the next is read.

        Raises:
            ProtocolError: it is none, or longer than the limit.
            ConnectionError: the line is gone.
        """
        await self._have(HEADER)
        kind, length = read_header(self._buffer[self._start : self._start + HEADER])
        if length > (self._limit if kind == P_DATA else MAX_NEGOTIATION):
            raise ProtocolError("a PDU is longer than was agreed")
        await self._have(HEADER + length)
        begin, self._start = self._start, self._start + HEADER + length
        return kind, self._buffer[begin : self._start]

    async def hears(self, within: float) -> bool:
        """Wait until there is something to read, or the line is gone; False: neither within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._have(HEADER)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    async def write(self, data: bytes) -> None:
        """Write, and wait while more lies unsent than is good.

        Raises:
            ConnectionError: the line is gone.
        """
        if self._lost is not None or self._transport is None:
            raise self._lost or ConnectionResetError("the line is gone")
        self._transport.write(data)
        if self._drained is not None:
            await self._drained

    async def encrypt(self, transport: asyncio.Transport, context: ssl.SSLContext, within: float) -> None:
        """Begin TLS on a connection that somebody opened to us, and of which nothing has been read.

        Raises:
            OSError: the handshake fails, or takes longer.
        """
        secured = await asyncio.get_running_loop().start_tls(
            transport, self, context, server_side=True, ssl_handshake_timeout=within, ssl_shutdown_timeout=within
        )
        if secured is None:
            raise ConnectionResetError("the peer hung up")
        secured.set_write_buffer_limits(*_UNSENT)
        self._transport = secured

    def close(self, last: bytes = b"") -> None:
        """Hang up: after these last bytes where there are any, else at once; never raises."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if last and self._drained is None:
            transport.write(last)
            transport.close()
        else:
            transport.abort()
        self._gone(ConnectionResetError("hung up"))

    async def _have(self, count: int) -> None:
        """Wait until so many bytes are there."""
        while self._end - self._start < count:
            if self._lost is not None:
                raise self._lost
            if self._start + count > len(self._buffer):
                self._move(self._buffer)
            self._reader, self._wanted = asyncio.get_running_loop().create_future(), count
            self._acknowledge_quickly()
            if self._paused and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()
            await self._reader

    def _move(self, buffer: memoryview) -> None:
        """Move what was not read to the beginning of a buffer."""
        length = self._end - self._start
        buffer[:length] = self._buffer[self._start : self._end]
        self._buffer, self._start, self._end = buffer, 0, length

    def _acknowledge_quickly(self) -> None:
        """Have the kernel acknowledge at once what comes: a peer that writes in two pieces waits for it (Nagle)."""
        if _QUICK_ACK is not None and self._socket is not None and self._lost is None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    # -- what the event loop calls ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells the type; streams give no other
        self._transport = transport
        transport.set_write_buffer_limits(*_UNSENT)
        self._socket = connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            option = getattr(socket, name, None)
            if option is not None:  # not every system has each
                connected.setsockopt(socket.IPPROTO_TCP, option, value)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - what is free is what there is
        if self._end == len(self._buffer):
            self._move(_room(self._end - self._start + _MORE))
        return self._buffer[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        if self._end == len(self._buffer) and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self._reader is not None and not self._reader.done():
            self._acknowledge_quickly()
            if self._end - self._start >= self._wanted:
                self._reader.set_result(None)

    def eof_received(self) -> None:
        """Close: a peer that has hung up on one side is not written to."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._gone(exc if isinstance(exc, ConnectionError) else ConnectionResetError("the peer hung up"))

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _gone(self, why: ConnectionError) -> None:
        self._lost = self._lost or why
        self._socket = None
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(self._lost)
            self._drained.exception()  # somebody may wait for it, or nobody
        self._drained = None


def _room(size: int) -> memoryview:
    """Return so many bytes, which take memory once they are written and give it back to the system at their end."""
    return memoryview(mmap(-1, size))
