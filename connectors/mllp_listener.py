"""Receives HL7 v2 over MLLP from PowerServer: the settings of the door, its opening and closing, and who is let in.

What is said on one connection is in mllp_conversation; what an acknowledgement looks like in mllp_answers.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.base import Intake
from connectors.guests import Guests
from connectors.mllp_conversation import Conversation, Held, Manners


@dataclass(kw_only=True)
class MllpListener:
    """SourceConnector for HL7 v2 messages that are sent to us over MLLP."""

    host: str = field(
        default="127.0.0.1", metadata={"help": "Address to listen at; the default takes this machine only."}
    )
    port: int = field(metadata={"help": "TCP port to listen at; 0 lets the system choose one."})
    max_bytes: int = field(
        default=10 * 1024 * 1024, metadata={"help": "Longest message that is taken, in bytes; 50 MiB with documents."}
    )
    max_bytes_at_once: int = field(
        default=128 * 1024 * 1024,
        metadata={"help": "Bytes of unfinished messages held in memory, all connections together."},
    )
    start_within: float = field(
        default=10.0, metadata={"help": "Seconds for the start of a message on a new connection, or after stray bytes."}
    )
    message_within: float = field(default=60.0, metadata={"help": "Seconds for a whole message to come in."})
    idle_within: float = field(default=300.0, metadata={"help": "Seconds an idle connection is kept open."})
    answer_within: float = field(default=10.0, metadata={"help": "Seconds for the sender to take its answer."})
    close_within: float = field(
        default=5.0, metadata={"help": "Seconds that messages in work may take when the host closes."}
    )
    connections: int = field(default=200, metadata={"help": "Connections open at once; more are hung up on."})
    connections_per_address: int = field(default=50, metadata={"help": "Of these, from one address."})
    batches: bool = field(
        default=False,
        metadata={"help": "Take batches (FHS, BHS) too, answered by a batch; only where the sender has agreed to it."},
    )
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate chain: the door speaks TLS only (MLLPS)."}
    )
    key_file: str | None = field(default=None, metadata={"help": "PEM file of our certificate's private key."})
    client_ca_file: str | None = field(
        default=None,
        metadata={"help": "PEM file of the authorities whose client certificates are let in; no other is."},
    )

    def __post_init__(self) -> None:
        """Check what one field alone does not show.

        Raises:
            ValueError: names the field and what it must be.
        """
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be 0 to 65535")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file needs certificate_file: client certificates come with TLS only")

    async def serve(self, intake: Intake, ready: Callable[[str], None]) -> None:
        """Listen until cancelled; then finish the messages in work, for `close_within` seconds at most.

        Raises:
            OSError: the address cannot be had, or a certificate file not be read.
        """
        hall = _Hall(self, intake)
        tls = self._tls_context()
        server = await asyncio.start_server(
            hall.enter, self.host, self.port, backlog=512,
            ssl=tls, ssl_handshake_timeout=self.start_within if tls else None,
        )  # fmt: skip
        host, port = server.sockets[0].getsockname()[:2]
        ready(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        try:
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            server.close()
            await hall.clear(self.close_within)

    def _tls_context(self) -> ssl.SSLContext | None:
        if self.certificate_file is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.client_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate_file, self.key_file)
        if self.client_ca_file is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class _Hall:
    """The connections that are open, no more than the settings allow."""

    def __init__(self, settings: MllpListener, intake: Intake) -> None:
        self._intake = intake
        self._manners = Manners(
            max_bytes=settings.max_bytes,
            held=Held(limit=settings.max_bytes_at_once),
            start_within=settings.start_within,
            message_within=settings.message_within,
            idle_within=settings.idle_within,
            answer_within=settings.answer_within,
            batches=settings.batches,
        )
        self._guests = Guests(settings.connections, settings.connections_per_address)

    def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let a connection in, or hang up where there are too many."""
        name = writer.get_extra_info("peername")
        address = name[0] if name else "unknown"
        if not self._guests.have_room(address):
            writer.transport.abort()
            return
        conversation = Conversation(self._intake, self._manners, reader, writer, address)
        self._guests.welcome(conversation, address, conversation.run())

    async def clear(self, within: float) -> None:
        """End all conversations."""
        await self._guests.clear(within)
