"""One HTTP connection of the FHIR door: uvicorn's, with the limits and the manners that it leaves to others.

Added: a limit on connections; deadlines for head and body, and a size for the head; OperationOutcomes for broken
framing; a record of every request that did not come whole. A timer runs only while something is missing.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from connectors.fhir_answers import operation_outcome
from connectors.fhir_refusals import BODY_CUT_OFF, BODY_LATE, HEAD_LATE, HEAD_TOO_LARGE, HTTP_INVALID, Refusal
from connectors.fhir_request import FHIR_JSON
from connectors.fhir_response import LINGER_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may cost, and who is told."""

    connections: int
    #: Seconds for a whole request head, from its first byte (or from the connection's start).
    head_within: float
    max_head_bytes: int
    #: Seconds for a whole body, from the end of its head.
    body_within: float
    #: The ASGI application of a connection over the limit.
    crowded: Callable[..., Any]
    #: Records a refusal of the peer at an address.
    record: Callable[[str, Refusal], None]


class FhirConnection(HttpToolsProtocol):
    """A connection with limits."""

    def __init__(self, *, limits: ConnectionLimits, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        #: The request that the application has; `self.cycle` is the newest, and may wait behind it (pipelining).
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
        self._wait(self._limits.head_within, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; record a request that was cut off."""
        self._waited()
        if not self._deaf and self._awaits_body():
            self._record(BODY_CUT_OFF)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and watch a head or a body that does not come to its end."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._broken()
        if self._deaf or self.transport.is_closing():
            return
        if self._awaits_body():
            if self._timer is None:
                self._wait(self._limits.body_within, self._body_late)
        elif self.cycle is None or self.cycle.response_complete:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_head_bytes:
                self._refuse(HEAD_TOO_LARGE)
            elif self._timer is None:
                self._wait(self._limits.head_within, self._head_late)

    def on_headers_complete(self) -> None:
        """Start the request; one that offers to upgrade is read anew, see below."""
        if self.parser.should_upgrade():
            return
        self._waited()
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take note that the body is whole."""
        if self.parser.should_upgrade():
            return
        self._waited()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Read a request that offers another protocol as if it did not (RFC 9110, 7.8).

        Java's client offers h2c by itself, with any POST; httptools would then skip the body.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(HTTP_INVALID)
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                tokens = (token.strip() for token in value.split(b","))
                lines += [b"connection: " + token for token in tokens if token.lower() == b"close"]
            elif name != b"upgrade":
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _broken(self) -> None:
        """Answer broken framing; a whole request that is being answered keeps its answer, and the connection ends."""
        running = self._answering
        if running is None or running.response_complete or (running is self.cycle and running.more_body):
            self._refuse(HTTP_INVALID)
            return
        self._deaf = True
        running.keep_alive = False
        self.pipeline.clear()
        self._record(HTTP_INVALID)

    def _awaits_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_started

    def _wait(self, seconds: float, late: Callable[[], None]) -> None:
        self._timer = self.loop.call_later(seconds, late)

    def _waited(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_late(self) -> None:
        if self._head_bytes:
            self._refuse(HEAD_LATE)
        else:
            self.transport.close()

    def _body_late(self) -> None:
        if self._answering is self.cycle and self._awaits_body():
            self._refuse(BODY_LATE)
        else:  # it waits behind another request, unread by us: that is not the sender's delay
            self._wait(self._limits.body_within, self._body_late)

    def _record(self, refusal: Refusal) -> None:
        self._limits.record(self.client[0] if self.client else "unknown", refusal)

    def _refuse(self, refusal: Refusal) -> None:
        """Record, answer in the application's place, and close when the peer has, or soon."""
        self._deaf = True
        self._waited()
        self._record(refusal)
        if self._awaits_body():  # the application is told that nobody is there any more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = operation_outcome(refusal.problems.problems)
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
