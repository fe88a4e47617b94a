"""Receives FHIR R4 over HTTP from Blume and OmegaAI: the settings of the door.

fhir_door opens it, fhir_endpoints and fhir_submit are what stands behind it; docs/fhir-intake.md says it to the
sender's programmers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from connectors.base import Intake


@dataclass(kw_only=True)
class FhirListener:
    """SourceConnector for FHIR R4 resources that are posted to us."""

    host: str = field(
        default="127.0.0.1", metadata={"help": "Address to listen at; the default takes this machine only."}
    )
    port: int = field(metadata={"help": "TCP port to listen at; 0 lets the system choose one."})
    path: str = field(default="/fhir", metadata={"help": "Path of the FHIR base; Bundles are posted to it."})
    base_url: str | None = field(
        default=None,
        metadata={
            "help": "URL of the FHIR base as senders see it, for Location; empty: Location is a path on this host."
        },
    )
    max_bytes: int = field(default=10 * 1024 * 1024, metadata={"help": "Longest body that is taken, in bytes."})
    max_bytes_at_once: int = field(
        default=128 * 1024 * 1024,
        metadata={"help": "Bytes of unfinished bodies held in memory, all connections together."},
    )
    body_within: float = field(default=30.0, metadata={"help": "Seconds for a whole body to come in."})
    head_within: float = field(default=10.0, metadata={"help": "Seconds for a whole request head to come in."})
    max_head_bytes: int = field(default=32 * 1024, metadata={"help": "Longest request line and headers, in bytes."})
    idle_within: int = field(default=60, metadata={"help": "Seconds an idle connection is kept open."})
    close_within: int = field(
        default=5, metadata={"help": "Seconds that requests in flight may take when the host closes."}
    )
    connections: int = field(default=256, metadata={"help": "Connections open at once; more are answered 503."})
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate chain: the door speaks HTTPS only."}
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
        if not self.path.startswith("/") or "{" in self.path or "?" in self.path:
            raise ValueError("path must begin with / and hold neither { nor ?")
        if self.base_url is not None and urlsplit(self.base_url).scheme not in {"http", "https"}:
            raise ValueError("base_url must be an absolute http or https URL")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file needs certificate_file: client certificates come with HTTPS only")

    async def serve(self, intake: Intake, ready: Callable[[str], None]) -> None:
        """Listen until cancelled; then finish the requests in flight, for `close_within` seconds at most.

        Raises:
            OSError: the address cannot be had; the text names host and port.
        """
        from connectors import fhir_door  # noqa: PLC0415  # a server is for the process that opens the door

        await fhir_door.serve(self, intake, ready)
