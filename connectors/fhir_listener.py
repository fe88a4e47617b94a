"""Receives FHIR R4 over HTTP from Blume and OmegaAI: the settings of the door, and its opening and closing.

fhir_endpoints and fhir_submit are what stands behind it; docs/fhir-intake.md says it to the sender's programmers.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlsplit

import uvicorn
from starlette.routing import Route, Router

from connectors.base import Arrival, Intake
from connectors.fhir_capability import capability_statement
from connectors.fhir_connection import ConnectionLimits, FhirConnection
from connectors.fhir_endpoints import Crowded, Metadata, NotFound, TaskState
from connectors.fhir_refusals import Refusal
from connectors.fhir_submit import Reading, Submit, record_refusal
from connectors.http_server import Server, address_of, listen

#: Types of Bundle that the base takes.
BUNDLE_TYPES = frozenset({"transaction", "batch", "message", "collection"})


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
        listening = listen(self.host, self.port)
        address = address_of(listening)
        recorder = _Recorder(intake)
        limits = ConnectionLimits(
            connections=self.connections,
            head_within=self.head_within,
            max_head_bytes=self.max_head_bytes,
            body_within=self.body_within,
            crowded=Crowded(),
            record=recorder.record,
        )
        server = Server(self._configuration(self._router(intake, address), limits), lambda: ready(address))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            server.should_exit = True
            await running
            await recorder.finish()
            raise
        finally:
            listening.close()

    def _router(self, intake: Intake, address: str) -> Router:
        path = self.path.rstrip("/")
        endpoint = (self.base_url or f"{'https' if self.certificate_file else 'http'}://{address}{path}").rstrip("/")
        base = endpoint if self.base_url else path
        reading = Reading(max_bytes=self.max_bytes, max_bytes_at_once=self.max_bytes_at_once)
        submit = functools.partial(Submit, intake=intake, reading=reading, base=base, endpoint=endpoint)
        appointment = frozenset({"Appointment"})
        at_base = submit(bundle_types=BUNDLE_TYPES, resource_types=appointment)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        routes = [
            *(Route(base_path, at_base) for base_path in (path, f"{path}/") if base_path),
            Route(f"{path}/Appointment", submit(resource_types=appointment)),
            Route(f"{path}/$process-message", submit(bundle_types=frozenset({"message"}))),
            Route(f"{path}/Task/{{id}}", TaskState(intake)),
            Route(f"{path}/metadata", Metadata(capability_statement(endpoint, since))),
        ]
        return Router(routes, redirect_slashes=False, default=NotFound())

    def _configuration(self, application: Router, limits: ConnectionLimits) -> uvicorn.Config:
        connection = functools.partial(FhirConnection, limits=limits)
        return uvicorn.Config(
            application,
            http=cast("type[asyncio.Protocol]", connection),
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="none",
            access_log=False,
            log_config=None,
            log_level="warning",
            # An X-Forwarded-For of whoever is on this machine must not become the recorded peer.
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self.idle_within,
            timeout_graceful_shutdown=self.close_within,
            ssl_certfile=self.certificate_file,
            ssl_keyfile=self.key_file,
            ssl_ca_certs=self.client_ca_file,
            ssl_cert_reqs=ssl.CERT_REQUIRED if self.client_ca_file else ssl.CERT_NONE,
        )


class _Recorder:
    """Records refusals of broken connections, which have no request to wait in."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._tasks: set[asyncio.Task[None]] = set()

    def record(self, peer: str, refusal: Refusal) -> None:
        arrival = Arrival(body=b"", content_type="", peer=peer)
        task = asyncio.create_task(record_refusal(self._intake, arrival, refusal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
