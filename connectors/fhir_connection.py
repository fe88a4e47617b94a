"""One HTTP connection of the FHIR door: uvicorn's, with the limits and the manners that it leaves to others.

Added: a limit on connections, a deadline and a size for the request head, OperationOutcomes for broken framing (with
a record of it), and earlier requests of a pipeline are answered before a broken one ends the connection.
"""

from __future__ import annotations

import asyncio
import http
from asyncio import TimerHandle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from connectors import fhir_answers
from connectors.fhir_refusals import HEAD_LATE, HEAD_TOO_LARGE, HTTP_INVALID, Refusal
from connectors.fhir_request import FHIR_JSON
from connectors.fhir_response import LINGER_SECONDS

ASGIApp = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may cost, and who is told."""

    connections: int
    #: Seconds for a whole request head, from its first byte (or from the connection's start).
    head_within: float
    max_head_bytes: int
    #: The ASGI application of a connection over the limit.
    crowded: ASGIApp
    #: Records a refusal of the peer at an address.
    record: Callable[[str, Refusal], None]


class FhirConnection(HttpToolsProtocol):
    """A connection with limits."""

    def __init__(self, *, limits: ConnectionLimits, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._head_timer: TimerHandle | None = None
        self._head_bytes = 0
        self._answering: RequestResponseCycle | None = None
        #: Framing is lost or a limit passed: what still comes is forgotten.
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take the connection; one over the limit is told so, one over twice the limit is dropped."""
        super().connection_made(transport)
        if len(self.connections) > 2 * self._limits.connections:
            transport.abort()
        elif len(self.connections) > self._limits.connections:
            self.app = self._limits.crowded
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and watch a head that does not come to its end."""
        if self._deaf:
            return
        super().data_received(data)
        if self._deaf or self.transport.is_closing() or (self.cycle is not None and not self.cycle.response_complete):
            return
        self._head_bytes += len(data)
        if self._head_bytes > self._limits.max_head_bytes:
            self._refuse(HEAD_TOO_LARGE)
            self._limits.record(self._address(), HEAD_TOO_LARGE)
        elif self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._head_done()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are replaced by an OperationOutcome
        """Answer broken framing; what was asked before it on this connection is answered first."""
        self._deaf = True
        running = self._answering
        if running is None or running.response_complete:
            self._refuse(HTTP_INVALID)
            self._limits.record(self._address(), HTTP_INVALID)
        elif running is self.cycle and running.more_body:
            # The broken part is the body that the application waits for: it records, as cut off.
            self._refuse(HTTP_INVALID)
            running.disconnected = True
            running.message_event.set()
        else:
            # The request that is being answered is whole: it keeps its own answer, and the connection ends with it.
            running.keep_alive = False
            self.pipeline.clear()
            self._limits.record(self._address(), HTTP_INVALID)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: clients offer h2c and the like by habit, and RFC 9110 (7.8) lets us ignore the offer."""

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._limits.head_within, self._head_late)

    def _head_done(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        if self._head_bytes:
            self._refuse(HEAD_LATE)
            self._limits.record(self._address(), HEAD_LATE)
        else:
            self.transport.close()

    def _address(self) -> str:
        return self.client[0] if self.client else "unknown"

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without any application, and close when the peer has, or soon."""
        self._deaf = True
        self._head_done()
        body = fhir_answers.operation_outcome(refusal.problems.problems)
        head = (
            f"HTTP/1.1 {refusal.status} {http.HTTPStatus(refusal.status).phrase}\r\n"
            f"content-type: {FHIR_JSON.decode()}\r\ncontent-length: {len(body)}\r\n"
            "x-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        if self.transport.can_write_eof():
            # As in fhir_response: to close with bytes unread would reset the connection before this is read.
            self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()
