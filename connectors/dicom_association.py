"""An association that stands: DIMSE messages sent and received over one wire, one operation at a time.

Nothing is held whole but command sets and short data sets; an instance goes from or to its file in pieces.
Sources: DICOM PS3.7 6.3 and 8; PS3.8 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, Protocol

from connectors import dicom_command, dicom_pdu
from connectors.dicom_command import NO_DATA_SET, Command, number
from connectors.dicom_negotiation import MAX_LENGTH, Agreement, Context
from connectors.dicom_pdu import ABORT, HEADER, P_DATA, RELEASE_RP, RELEASE_RQ, Pdv, ProtocolError
from connectors.dicom_wire import Wire

#: Longest data set that is held in memory: an identifier, or a report of some fifty thousand instances.
MAX_DATA_SET = 8 * 1024 * 1024
#: Bytes of a message that are written at a time, at most; or one PDU.
_AT_A_TIME = 262_144


class Released(ConnectionError):
    """The peer has ended the association in order, and has its answer to that."""


class Sink(Protocol):
    """Takes the data set of a message, piece by piece."""

    def write(self, piece: memoryview, /) -> object:
        """Take a piece. Raises OSError when it cannot be kept; the rest is then read and dropped."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A DIMSE message as it came; its data set where it went into no sink."""

    context: Context
    command: Command
    data_set: bytes = field(default=b"", repr=False)


#: Says where the data set of a message goes; None: into memory.
Choose = Callable[[Context, Command], Sink | None]


class Association:
    """Both sides of it: who asked for it, and who granted it."""

    def __init__(self, wire: Wire, agreement: Agreement) -> None:
        self.agreement = agreement
        self._wire = wire
        self._messages = 0
        #: A message is under way; where that ended in the middle, the association is of no use any more.
        self._is_busy = False
        wire.allow(MAX_LENGTH)

    @property
    def stands(self) -> bool:
        """It has neither been ended, nor broken off in a message; and the peer has said nothing unasked."""
        return not self._is_busy and self._wire.stands

    def next_message(self) -> int:
        """Return a Message ID that was not used on this association for 65,535 messages."""
        self._messages = self._messages % 65_535 + 1
        return self._messages

    async def send(
        self, context: Context, command: Command, data_set: bytes | None = None, within: float = 30.0
    ) -> None:
        """Send a message whose data set, if any, is in memory. Raises ConnectionError, TimeoutError: it is over."""
        if data_set is not None:
            await self.send_file(context, command, BytesIO(data_set), len(data_set), within)
            return
        with self._under_way():
            async with asyncio.timeout(within):
                await self._wire.write(self._command(context, command))

    async def send_file(self, context: Context, command: Command, file: BinaryIO, size: int, within: float) -> None:
        """Send a message whose data set is the next `size` bytes of a file; `within` holds for each piece.

        Raises:
            ConnectionError, TimeoutError: it is over.
            ValueError: the file cannot be read to the end of its data set; the association is of no use any more.
        """
        most = dicom_pdu.fragment_bytes(self.agreement.max_length)
        at_a_time = most * max(1, _AT_A_TIME // most)
        head = self._command(context, command)
        left = size
        with self._under_way():
            while left > 0:
                piece = _read(file, min(at_a_time, left))
                left -= len(piece)
                async with asyncio.timeout(within):
                    await self._wire.write(head + self._pdus(context, piece, is_command=False, ends=left == 0))
                head = b""

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        self._is_busy = True
        yield
        self._is_busy = False

    def _command(self, context: Context, command: Command) -> bytes:
        return self._pdus(context, dicom_command.encode(command), is_command=True, ends=True)

    def _pdus(self, context: Context, data: bytes, *, is_command: bool, ends: bool) -> bytes:
        """Return data of a message as P-DATA-TF, none longer than the peer reads."""
        most, view = dicom_pdu.fragment_bytes(self.agreement.max_length), memoryview(data)
        parts: list[bytes] = []
        for at in range(0, len(data), most):
            is_last = ends and at + most >= len(data)
            parts += dicom_pdu.p_data(context.number, view[at : at + most], is_command=is_command, is_last=is_last)
        return b"".join(parts)

    async def receive(self, within: float, choose: Choose = lambda _, __: None) -> Message:
        """Return the peer's next message; `within` seconds may pass before each PDU of it.

        Raises:
            Released: the peer has ended the association in order.
            TimeoutError, ConnectionError: it has ended otherwise; then it is of no use any more.
        """
        try:
            with self._under_way():
                return await self._receive(within, choose)
        except ProtocolError:
            self._wire.close(dicom_pdu.abort(by_provider=True))
            raise
        except TimeoutError:
            self.abort()
            raise TimeoutError(f"no answer within {within:g} s") from None

    async def _receive(self, within: float, choose: Choose) -> Message:
        encoded = bytearray()
        coming: _Coming | None = None
        while True:
            async with asyncio.timeout(within):
                body = await self._p_data_body()
            for pdv in dicom_pdu.pdvs(body):
                if coming is not None:
                    coming.take(pdv)
                    if pdv.is_last:
                        return coming.message()
                    continue
                coming = self._command_piece(encoded, pdv, choose)
                if coming is not None and number(coming.command, "CommandDataSetType") == NO_DATA_SET:
                    return coming.message()

    def _command_piece(self, encoded: bytearray, pdv: Pdv, choose: Choose) -> _Coming | None:
        context = self.agreement.contexts.get(pdv.context_id)
        if context is None:
            raise ProtocolError("a message in a presentation context that was not agreed to")
        if not pdv.is_command:
            raise ProtocolError("a data set without a command")
        if len(encoded) + len(pdv.fragment) > dicom_command.MAX_COMMAND:
            raise ProtocolError("a command set is too long")
        encoded += pdv.fragment
        if not pdv.is_last:
            return None
        command = dicom_command.decode(encoded)
        has_data = number(command, "CommandDataSetType") != NO_DATA_SET
        return _Coming(context, command, choose(context, command) if has_data else None)

    async def _p_data_body(self) -> memoryview:
        kind, pdu = await self._wire.read()
        if kind == P_DATA:
            return pdu[HEADER:]
        if kind == RELEASE_RQ:
            self._wire.close(dicom_pdu.release_rp())
            raise Released("the peer released the association")
        if kind == ABORT:
            self._wire.close()
            raise ConnectionAbortedError("the peer aborted the association")
        raise ProtocolError("a PDU that has no place in an association that stands")

    async def hears(self, within: float) -> bool:
        """Wait for the peer to say something, or to hang up; False: it said nothing within so many seconds."""
        return await self._wire.hears(within)

    async def release(self, within: float = 5.0) -> None:
        """End it in order, as far as the peer lets us; never raises."""
        try:
            async with asyncio.timeout(within):
                await self._wire.write(dicom_pdu.release_rq())
                while (await self._wire.read())[0] not in {RELEASE_RP, RELEASE_RQ, ABORT}:
                    continue  # what was under way is dropped: PS3.8 7.2.2
        except (ConnectionError, TimeoutError):
            self.abort()
        else:
            self._wire.close()

    def abort(self) -> None:
        """End it at once; never raises."""
        self._wire.close(dicom_pdu.abort(by_provider=False))


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        piece = file.read(size)
    except OSError:
        piece = b""
    if not piece:
        raise ValueError("the file cannot be read to the end of its data set")
    return piece


class _Coming:
    """A message whose data set is on its way."""

    def __init__(self, context: Context, command: Command, sink: Sink | None) -> None:
        self.context, self.command = context, command
        self._sink: Sink | None = sink
        self._held = bytearray()

    def take(self, pdv: Pdv) -> None:
        if pdv.is_command or pdv.context_id != self.context.number:
            raise ProtocolError("a data set is broken off by another message")
        if self._sink is not None:
            self._sink.write(pdv.fragment)
        elif len(self._held) + len(pdv.fragment) > MAX_DATA_SET:
            raise ProtocolError("a data set is too long")
        else:
            self._held += pdv.fragment

    def message(self) -> Message:
        return Message(self.context, self.command, bytes(self._held))
