"""A whole HTTP answer of the FHIR door, and its way out through ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from connectors.fhir_answers import operation_outcome
from connectors.fhir_refusals import Refusal
from connectors.fhir_request import FHIR_JSON
from messages.problem import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# After a refusal the rest of the body is taken in and forgotten, within these limits: to close with bytes unread
# would reset the connection, and the sender would never read why.
LINGER_SECONDS = 2.0
_LINGER_BYTES = 64 * 1024 * 1024

_COMMON = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Status, body and headers."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = FHIR_JSON
    #: Close the connection, whatever became of the request's body.
    hang_up: bool = False

    async def send(self, receive: Receive, send: Send, *, unread: bool) -> None:
        """Send it all.

        Args:
            receive: Of the same request.
            send: Of the same request.
            unread: A part of the request's body is still to come. It is forgotten, and the connection closed: the
                next request could not be told from it.
        """
        headers = [*_COMMON, *self.headers]
        if self.body:
            headers.append((b"content-type", self.content_type))
        if self.status != 204:
            headers.append((b"content-length", b"%d" % len(self.body)))
        if self.hang_up or unread:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": unread})
        if unread:
            await _forget_the_rest(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _forget_the_rest(receive: Receive) -> None:
    forgotten = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while forgotten < _LINGER_BYTES:
                message = await receive()
                forgotten += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return


def refused(refusal: Refusal, *headers: tuple[bytes, bytes], problems: tuple[Problem, ...] | None = None) -> Response:
    """Return the answer to a refusal: its OperationOutcome (or that of `problems`), Retry-After where it has one."""
    if refusal.retry_after is not None:
        headers = (*headers, (b"retry-after", b"%d" % refusal.retry_after))
    return Response(
        status=refusal.status,
        body=operation_outcome(problems or refusal.problems.problems),
        headers=headers,
        hang_up=refusal.hang_up,
    )
