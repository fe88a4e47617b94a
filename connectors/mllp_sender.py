"""Delivers HL7 v2 messages over MLLP: one message at a time, and nothing counts but its own acknowledgement.

It never sends twice: after anything but a readable acknowledgement the line is closed, and the lane decides.
Sources: HL7 v2.5.1 chapter 2, 2.9.2 and 2.9.3 (acknowledgement); MLLP release 1 (framing).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field

from connectors.base import Reply
from connectors.mllp_framing import Deframer, FramingError, frame
from messages.acknowledgement import Acknowledgement, UnreadableAcknowledgement, read_acknowledgement
from messages.lifecycle import Event

# A half-open line (a firewall that forgot it, a peer that lost power) is noticed after about two minutes.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))


@dataclass(kw_only=True)
class MllpSender:
    """DestinationConnector for a receiver that speaks HL7 v2 over MLLP, such as PowerServer."""

    host: str = field(metadata={"help": "Name or address of the receiver."})
    port: int = field(metadata={"help": "TCP port of the receiver."})
    connect_within: float = field(default=10.0, metadata={"help": "Seconds to wait until the line stands."})
    answer_within: float = field(
        default=30.0, metadata={"help": "Seconds from the message's first byte to the acknowledgement's last."}
    )
    max_answer_bytes: int = field(default=1_048_576, metadata={"help": "Longest acknowledgement that is read."})
    keep_open: bool = field(default=True, metadata={"help": "Use the line again for the next message."})
    retryable_texts: tuple[str, ...] = field(
        default=(),
        metadata={"help": "An AR whose text holds one of these (in any case) is tried again instead of parked."},
    )
    tls: bool = field(default=False, metadata={"help": "Speak TLS (MLLPS); the receiver's certificate is verified."})
    ca_file: str | None = field(
        default=None, metadata={"help": "PEM file of the authorities to trust; empty: the system's."}
    )
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate, for receivers that ask for one."}
    )
    key_file: str | None = field(default=None, metadata={"help": "PEM file of our certificate's private key."})
    _line: _Line | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show.

        Raises:
            ValueError: names the field and what it must be.
        """
        if not 1 <= self.port <= 65535:
            raise ValueError("port must be 1 to 65535")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs certificate_file")
        if not self.tls and (self.ca_file or self.certificate_file):
            raise ValueError("ca_file and certificate_file need tls: true")

    async def open(self) -> None:
        """Connect, unless the line stands and the peer has said nothing on it that nobody asked for.

        Raises:
            OSError: cannot be reached within `connect_within`. Nothing has left.
        """
        if self._line is not None and self._line.readable():
            self._hang_up()
        await self._standing_line()

    async def send(self, encoded: bytes, control_id: str) -> Reply:
        """Send in one write and wait for the acknowledgement of `control_id` (MSH-10).

        Raises:
            TimeoutError: no whole answer within `answer_within`. The line is closed.
            ConnectionError: hung up, no MLLP, or no acknowledgement of this message. The line is closed.
        """
        try:
            framed = frame(encoded)
        except ValueError as unsendable:  # no resend will mend it: to a person
            return Reply(raw=b"", event=Event.REFUSED, reason=f"not sent: {unsendable}")
        line = await self._standing_line()
        try:
            async with asyncio.timeout(self.answer_within):
                raw = await line.ask(framed)
            acknowledgement = read_acknowledgement(raw, control_id)
        except UnreadableAcknowledgement as unreadable:
            # Whatever it was, the next answer on this line might be ours, or might be late again.
            self._hang_up()
            raise ConnectionError(str(unreadable)) from None
        except TimeoutError:
            self._hang_up()
            raise TimeoutError(f"no acknowledgement within {self.answer_within:g} s") from None
        except BaseException:
            self._hang_up()
            raise
        if not self.keep_open:
            self._hang_up()
        code = acknowledgement.error or acknowledgement.code
        return Reply(
            raw=raw, event=self._event(acknowledgement), reason=_reason(acknowledgement), code=code,
            said_at=acknowledgement.said_at,
        )  # fmt: skip

    async def close(self) -> None:
        """Hang up."""
        self._hang_up()

    def _event(self, acknowledgement: Acknowledgement) -> Event:
        text = acknowledgement.text.casefold()
        if acknowledgement.code == "AR" and any(wanted.casefold() in text for wanted in self.retryable_texts):
            return Event.DEFERRED
        return acknowledgement.event

    async def _standing_line(self) -> _Line:
        line = self._line
        if line is not None and line.stands:
            return line
        self._hang_up()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.connect_within):
                _, line = await loop.create_connection(
                    lambda: _Line(self.max_answer_bytes), self.host, self.port, ssl=self._tls_context()
                )
        except TimeoutError:
            raise TimeoutError(f"no connection within {self.connect_within:g} s") from None
        except UnicodeError:
            raise OSError(f"'{self.host}' is no name of a host") from None
        self._line = line
        return line

    def _tls_context(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.drop("hung up")
            self._line = None


class _Line(asyncio.Protocol):
    """One connection. It is good until the peer hangs up or says a byte that nobody asked for."""

    def __init__(self, max_answer_bytes: int) -> None:
        self._deframer = Deframer(max_answer_bytes)
        self._transport: asyncio.Transport | None = None
        #: Another handle of the same connection, to look without reading; None with TLS, where bytes may be its own.
        self._peephole: socket.socket | None = None
        self._answer: asyncio.Future[bytes] | None = None

    @property
    def stands(self) -> bool:
        return self._transport is not None

    def readable(self) -> bool:
        """Something has come that nobody asked for: bytes, or the peer's hanging up."""
        if self._peephole is None:
            return False
        try:
            self._peephole.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    async def ask(self, framed: bytes) -> bytes:
        """Write `framed` and return the payload of the one frame that comes back."""
        if self._transport is None:
            raise ConnectionResetError("the line is gone")
        if self._answer is not None:
            raise RuntimeError("two messages at a time on one line")
        self._answer = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(framed)
            return await self._answer
        finally:
            self._answer = None

    def drop(self, why: str) -> None:
        """Close at once: what is not yet written is dropped, what is not yet read is never credited."""
        if self._transport is not None:
            self._transport.abort()
        self._gone(ConnectionResetError(why))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells the type; create_connection gives no other
        self._transport = transport
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            option = getattr(socket, name, None)
            if option is not None:  # not every system has each
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
        if transport.get_extra_info("sslcontext") is None:
            self._peephole = connected.dup()

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or answer.done():
            self.drop("the peer spoke without being asked")
            return
        try:
            frames = self._deframer.feed(data)
        except FramingError as fault:
            self._fail(fault)
            self.drop(str(fault))
            return
        if not frames:
            return
        answer.set_result(frames[0])
        if len(frames) > 1 or not self._deframer.at_rest:
            self.drop("the peer said more than one answer")

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone(exc if isinstance(exc, OSError) else ConnectionResetError("the peer hung up before it answered"))

    def _gone(self, error: OSError) -> None:
        self._transport = None
        if self._peephole is not None:
            self._peephole.close()
            self._peephole = None
        self._fail(error)

    def _fail(self, error: OSError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _reason(acknowledgement: Acknowledgement) -> str:
    return f"{acknowledgement.code}: {acknowledgement.text}" if acknowledgement.text else acknowledgement.code
