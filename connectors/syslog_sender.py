"""Sends audit messages to an audit record repository by syslog over TLS, one line each. Never logs what it sends.

Sources: RFC 5424 (the message), RFC 5425 (TLS, octet counting), DICOM PS3.15 A.6 (transport of audit messages).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from connectors.http import tls_context

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: Facility 10 (security), severity 5 (notice): PS3.15 A.6.1.
_PRIORITY = 10 * 8 + 5
#: PS3.15 A.6.1: MSGID of a DICOM audit message.
_MESSAGE_ID = "DICOM+RFC3881"


@dataclass(kw_only=True)
class SyslogSender:
    """A syslog receiver, such as an ATNA audit record repository."""

    host: str = field(metadata={"help": "Name or address of the receiver."})
    port: int = field(default=6514, metadata={"help": "Its TCP port."})
    security: Literal["tls", "none"] = field(
        default="tls", metadata={"help": "tls; none is for this machine only: the messages name patients."}
    )
    ca_file: str | None = field(
        default=None, metadata={"help": "PEM file of the authorities to trust; empty: the system's."}
    )
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate, for receivers that ask for one."}
    )
    key_file: str | None = field(default=None, metadata={"help": "PEM file of our certificate's private key."})
    connect_within: float = field(default=10.0, metadata={"help": "Seconds to wait until the line stands."})
    _writer: asyncio.StreamWriter | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show; raises ValueError."""
        if self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError("security none is for this machine only: write tls")

    async def send(self, message: bytes, at: str, hostname: str) -> None:
        """Send one audit message of a time (ISO 8601).

        Raises:
            OSError: it may not have arrived; send it again.
        """
        head = f"<{_PRIORITY}>1 {at} {_plain(hostname)} plugin-host {os.getpid()} {_MESSAGE_ID} - ".encode("ascii")
        line = head + b"\xef\xbb\xbf" + message  # a BOM says that the rest is UTF-8 (RFC 5424 6.4)
        try:
            writer = self._writer or await self._open()
            writer.write(b"%d " % len(line) + line)
            async with asyncio.timeout(self.connect_within):
                await writer.drain()
        except TimeoutError:
            await self.close()
            raise TimeoutError("the audit receiver takes nothing") from None
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """Hang up; never raises."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            with suppress(OSError, asyncio.TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    async def _open(self) -> asyncio.StreamWriter:
        tls: ssl.SSLContext | None = None
        if self.security == "tls":
            tls = tls_context(self.ca_file, self.certificate_file, self.key_file)
        async with asyncio.timeout(self.connect_within):
            _, self._writer = await asyncio.open_connection(self.host, self.port, ssl=tls)
        return self._writer


def _plain(name: str) -> str:
    """Return a name as RFC 5424's HOSTNAME has it: printable ASCII without spaces, `-` for none."""
    return "".join(mark for mark in name if 33 <= ord(mark) <= 126)[:255] or "-"
