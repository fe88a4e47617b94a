"""Notifications of a FHIR server's Subscriptions, taken as hints: something has changed, look now.

R4 rest-hook (an empty POST, or the resource by PUT or POST) and the R4 Subscriptions backport (a Bundle of type
history; handshake and heartbeat too) are answered alike. What a notification holds is not read and not kept: it may be
lost, doubled or out of order, and the look that it causes reads what is true now.
Sources: FHIR R4 subscription.html; Subscriptions R5 Backport 1.1, channels.html (rest-hook, handshake, heartbeat).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from connectors.http_server import Server, address_of, listen
from connectors.secret import read_secret

log = logging.getLogger(__name__)

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

#: Longest notification: a backport Bundle with full resources may be long, and is thrown away.
_MAX_BYTES = 4 * 1024 * 1024


class Hints:
    """A door for notifications; each one that is let in rings the bell."""

    def __init__(self, host: str, port: int, secret: str | None, folder: str | None) -> None:
        """`secret`: a reference to what senders carry as `Authorization: Bearer …`; None: all are let in."""
        self._host, self._port, self._secret, self._folder = host, port, secret, folder
        self.bell = asyncio.Event()

    async def serve(self, opened: Callable[[str], None]) -> None:
        """Listen until cancelled.

        Raises:
            OSError: the address, or the secret, cannot be had.
        """
        if self._secret is not None:
            read_secret(self._secret, self._folder)
        listening = listen(self._host, self._port)
        configuration = uvicorn.Config(
            self._answer, http="h11", ws="none", lifespan="off", interface="asgi3", loop="none", access_log=False,
            log_config=None, log_level="warning", proxy_headers=False, server_header=False, limit_concurrency=64,
        )  # fmt: skip
        server = Server(configuration, lambda: opened(address_of(listening)))
        try:
            await server.serve_at(listening)
        finally:
            listening.close()

    async def _answer(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        status = await self._status(scope, receive)
        if status == 200:
            self.bell.set()
        elif status != 413:
            log.warning("a notification was not let in", extra={"code": status})
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def _status(self, scope: _Message, receive: _Receive) -> int:
        headers = dict(scope["headers"])
        if scope["method"] not in {"POST", "PUT"}:
            return 405
        if self._secret is not None:
            carried = headers.get(b"authorization", b"")
            if not hmac.compare_digest(carried, f"Bearer {read_secret(self._secret, self._folder)}".encode()):
                return 401
        taken, more = 0, True
        while more:
            message = await receive()
            taken += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)
            if taken > _MAX_BYTES:
                return 413
        return 200
