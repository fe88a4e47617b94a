"""The FHIR door's server: uvicorn with our connections, routes and refusals.

It stands apart from its settings so that a process that only checks them loads no server.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import uvicorn
from starlette.routing import Route, Router

from connectors.base import Arrival, Intake
from connectors.fhir_capability import capability_statement
from connectors.fhir_connection import ConnectionLimits, FhirConnection
from connectors.fhir_endpoints import Crowded, Endpoint, Metadata, NotFound, TaskState
from connectors.fhir_guard import Guard, Guarded
from connectors.fhir_refusals import Refusal
from connectors.fhir_requests import RequestIntake
from connectors.fhir_submit import Reading, Submit, record_refusal
from connectors.http_server import Server, address_of, listen
from connectors.plain_request import KINDS
from connectors.token_check import Issuer, TokenCheck, discovery_address, fetch_with

if TYPE_CHECKING:
    from connectors.fhir_listener import FhirListener

#: Types of Bundle that the base takes.
BUNDLE_TYPES = frozenset({"transaction", "batch", "message", "collection"})


async def serve(settings: FhirListener, intake: Intake, ready: Callable[[str], None]) -> None:
    """Open the door; see `FhirListener.serve`."""
    listening = listen(settings.host, settings.port)
    address = address_of(listening)
    recorder = _Recorder(intake)
    guard = _guard(settings, intake)
    limits = ConnectionLimits(
        connections=settings.connections,
        head_within=settings.head_within,
        max_head_bytes=settings.max_head_bytes,
        body_within=settings.body_within,
        crowded=Crowded(),
        record=recorder.record,
    )
    server = Server(_configuration(settings, _router(settings, intake, address, guard), limits), lambda: ready(address))
    try:
        await server.serve_at(listening)
    except asyncio.CancelledError:
        await recorder.finish()
        raise
    finally:
        listening.close()
        if guard is not None:
            guard.close()


def _guard(settings: FhirListener, intake: Intake) -> Guard | None:
    """Return what checks tokens; None where none are asked for."""
    if not settings.asks_for_tokens:
        return None
    discovery = discovery_address(authority=settings.authority, oidc_authority=settings.oidc_authority)
    check = TokenCheck(
        issuer=Issuer(discovery, fetch_with(settings.token_ca_file)), audience=settings.audience or "",
        policies=settings.policies, scopes=settings.scopes,
    )  # fmt: skip
    return Guard(check=check, intake=intake)


def _router(settings: FhirListener, intake: Intake, address: str, guard: Guard | None) -> Router:
    path = settings.path.rstrip("/")
    scheme = "https" if settings.certificate_file else "http"
    endpoint = (settings.base_url or f"{scheme}://{address}{path}").rstrip("/")
    base = endpoint if settings.base_url else path
    reading = Reading(max_bytes=settings.max_bytes, max_bytes_at_once=settings.max_bytes_at_once)
    submit = functools.partial(Submit, reading=reading, base=base, endpoint=endpoint)
    appointment = frozenset({"Appointment"})
    at_base = submit(intake=intake, bundle_types=BUNDLE_TYPES, resource_types=appointment)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    inside: dict[str, Endpoint] = {
        **{base_path: at_base for base_path in (path, f"{path}/") if base_path},
        f"{path}/Appointment": submit(intake=intake, resource_types=appointment),
        f"{path}/$process-message": submit(intake=intake, bundle_types=frozenset({"message"})),
        f"{path}/Task/{{id}}": TaskState(intake),
        **{
            f"/channels/{name}/requests": submit(intake=RequestIntake(intake, kind), resource_types=frozenset({"Task"}))
            for name, kind in KINDS.items()
        },
    }
    # What the door takes, and that it asks for tokens, is told to anyone.
    metadata = Metadata(capability_statement(endpoint, since, tokens=guard is not None))
    routes = [
        *(Route(at, Guarded(guard, found) if guard else found) for at, found in inside.items()),
        Route(f"{path}/metadata", metadata),
    ]
    return Router(routes, redirect_slashes=False, default=NotFound())


def _configuration(settings: FhirListener, application: Router, limits: ConnectionLimits) -> uvicorn.Config:
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
        timeout_keep_alive=settings.idle_within,
        timeout_graceful_shutdown=settings.close_within,
        ssl_certfile=settings.certificate_file,
        ssl_keyfile=settings.key_file,
        ssl_ca_certs=settings.client_ca_file,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.client_ca_file else ssl.CERT_NONE,
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
