"""MLLP framing without any input or output: bytes in, messages out.

A frame is 0x0B, the message, 0x1C 0x0D, and nothing else.
Source: HL7 Minimal Lower Layer Protocol, transport specification, release 1.
"""

from __future__ import annotations

_START = 0x0B
_END = 0x1C
_START_BYTE = b"\x0b"
_END_BYTE = b"\x1c"
_TRAILER = b"\x1c\x0d"
_CARRIAGE_RETURN = 0x0D

#: Bytes between two frames that are skipped before the peer is taken for something that does not speak MLLP.
JUNK_LIMIT = 4096


class FramingError(ConnectionError):
    """The peer's bytes are no MLLP. As a lost connection: where the next frame begins cannot be known."""


def frame(payload: bytes) -> bytes:
    r"""Return `payload` as an MLLP frame.

    >>> frame(b"MSH|")
    b'\x0bMSH|\x1c\r'

    Raises:
        ValueError: the payload holds 0x0B or 0x1C, which MLLP cannot carry.
    """
    if _START_BYTE in payload or _END_BYTE in payload:
        raise ValueError("the message holds 0x0B or 0x1C, which MLLP cannot carry")
    return b"%b%b%b" % (_START_BYTE, payload, _TRAILER)


class Deframer:
    """Takes a stream of bytes apart into frames, however the network cut it into pieces."""

    def __init__(self, limit: int) -> None:
        """`limit`: the longest payload, in bytes."""
        self._limit = limit
        self._buffer = bytearray()
        #: Bytes of the buffer that are known to hold neither start nor end.
        self._seen = 0
        self._gap = 0
        #: A frame has begun and not ended.
        self.inside = False
        #: Bytes before a start byte, skipped, ever.
        self.skipped = 0
        #: Frames that were dropped because another began before they ended, ever.
        self.truncated = 0
        #: Why nothing more can be read; set by `feed`.
        self.fault: FramingError | None = None

    @property
    def at_rest(self) -> bool:
        """Not one byte has come since the last complete frame."""
        return not self.inside and self._gap == 0

    @property
    def unfinished(self) -> bytes:
        """What has come of a frame that has not ended."""
        return bytes(self._buffer)

    @property
    def held(self) -> int:
        """How many bytes wait here for what is to follow."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that `data` completes, in order.

        Frames before a fault are returned, so that they can be answered; the next call raises the `fault`.

        Raises:
            FramingError: more than 4 KiB outside a frame, 0x1C without 0x0D, or a frame over the limit.
        """
        if self.fault is not None:
            raise self.fault
        self._buffer += data
        payloads: list[bytes] = []
        try:
            while (payload := self._next()) is not None:
                payloads.append(payload)
        except FramingError as fault:
            self.fault = fault
            if not payloads:
                raise
        return payloads

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if not self.inside and not self._find_start():
            return None
        end = buffer.find(_END, self._seen)
        length = end if end >= 0 else len(buffer)
        if buffer.find(_START, self._seen, length) >= 0:
            length = self._drop_truncated(length)
        if length > self._limit:
            raise FramingError(f"a frame is longer than {self._limit} bytes")
        if end < 0 or length + 1 == len(buffer):  # the 0x0D after 0x1C may still be under way
            self._seen = length
            return None
        if buffer[length + 1] != _CARRIAGE_RETURN:
            raise FramingError("0x1C is not followed by 0x0D")
        payload = bytes(buffer[:length])
        del buffer[: length + 2]
        self.inside = False
        return payload

    def _find_start(self) -> bool:
        buffer = self._buffer
        start = buffer.find(_START)
        junk = start if start >= 0 else len(buffer)
        self.skipped += junk
        self._gap += junk
        if self._gap > JUNK_LIMIT:
            raise FramingError(f"more than {JUNK_LIMIT} bytes outside a frame")
        del buffer[: junk + 1]
        if start < 0:
            return False
        self.inside = True
        self._gap = 0
        self._seen = 0
        return True

    def _drop_truncated(self, length: int) -> int:
        """Keep only what follows the last start byte; return the length of that."""
        *truncated, rest = bytes(self._buffer[:length]).split(_START_BYTE)
        for cut in truncated:
            if len(cut) > self._limit:
                raise FramingError(f"a frame is longer than {self._limit} bytes")
            self.truncated += 1
        del self._buffer[: length - len(rest)]
        self._seen = 0
        return len(rest)
