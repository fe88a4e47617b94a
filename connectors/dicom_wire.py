"""One connection as a row of PDUs, read only as far as they are asked for; and the TLS that it speaks.

No PDU longer than the limit is ever held: its length is looked at before its body is read.
Sources: DICOM PS3.8 9.1; PS3.15 B.12 and B.13 (BCP 195: RFC 8996, RFC 9325).
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from connectors.dicom_pdu import HEADER, MAX_NEGOTIATION, P_DATA, ProtocolError, read_header

#: Bytes that are held unread before the peer must wait.
_ENOUGH = 2 * 131_072
#: Bytes written and unsent at which we wait, and go on again.
_UNSENT = (524_288, 131_072)
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)
#: A half-open line is noticed after about two minutes.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))
#: RFC 9325 4.2: forward secrecy and authenticated encryption only; TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Wire(asyncio.Protocol):
    """One connection, ours or a peer's. One task reads it, and writes it."""

    def __init__(self) -> None:
        #: Longest body of a P-DATA-TF that is read; raised once the association stands.
        self.limit = MAX_NEGOTIATION
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._lost: ConnectionError | None = None
        self._paused = False

    @property
    def stands(self) -> bool:
        """The line is open, and the peer has said nothing on it that nobody has read."""
        return self._lost is None and self._transport is not None and not self._buffer

    async def read(self) -> tuple[int, bytearray]:
        """Return type and bytes of the next PDU, its header included.

        Raises:
            ProtocolError: it is none, or longer than the limit.
            ConnectionError: the line is gone.
        """
        await self._have(HEADER)
        kind, length = read_header(self._buffer)
        limit = self.limit if kind == P_DATA else MAX_NEGOTIATION
        if length > limit:
            raise ProtocolError("a PDU is longer than was agreed")
        end = HEADER + length
        await self._have(end)
        pdu = self._buffer[:end]
        del self._buffer[:end]
        if self._paused and len(self._buffer) < _ENOUGH and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return kind, pdu

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
        while len(self._buffer) < count:
            if self._lost is not None:
                raise self._lost
            self._reader = asyncio.get_running_loop().create_future()
            self._acknowledge_quickly()
            if self._paused and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()
            await self._reader

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

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _ENOUGH and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self._reader is not None and not self._reader.done():
            self._acknowledge_quickly()
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


def client_tls(ca_file: str | None, certificate_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """Return what verifies a peer that we call, and shows our certificate.

    Raises:
        OSError: a file cannot be read, or is no certificate.
    """
    context = _by_bcp_195(ssl.create_default_context(cafile=ca_file))
    if certificate_file:
        context.load_cert_chain(certificate_file, key_file)
    return context


def server_tls(certificate_file: str, key_file: str, client_ca_file: str | None) -> ssl.SSLContext:
    """Return what shows our certificate to who calls us, and verifies theirs where authorities for them are named.

    Raises:
        OSError: a file cannot be read, or is no certificate.
    """
    context = _by_bcp_195(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca_file))
    context.load_cert_chain(certificate_file, key_file)
    if client_ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _by_bcp_195(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context
