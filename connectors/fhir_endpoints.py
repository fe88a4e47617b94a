"""What stands at the addresses of the FHIR door, as raw ASGI: no Request or Response objects of a framework.

Every endpoint computes its whole answer first, and one place sends it, so that whatever goes wrong before is answered
with an OperationOutcome, once. Sources: FHIR R4 RESTful API 3.1.0 (status codes), RFC 9110 (methods).
"""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from dataclasses import dataclass, replace
from typing import ClassVar

from connectors.base import Intake
from connectors.fhir_answers import task
from connectors.fhir_refusals import (
    CLOSING,
    HOST_ERROR,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TASK_UNKNOWN,
    TOO_MANY_CONNECTIONS,
    Refusal,
)
from connectors.fhir_request import Headers, announces_body, answer_type, named
from connectors.fhir_response import Receive, Response, Scope, Send, refused
from messages.identity import message_id

logger = logging.getLogger(__name__)

#: Set in the scope by whoever has read the body to its end.
BODY_READ = "plugin_host.body_read"

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class Endpoint:
    """One address: which methods it takes, and what it answers. Without methods there is nothing."""

    methods: ClassVar[tuple[str, ...]] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self.response(scope, receive)
        except asyncio.CancelledError:
            # Only the server cancels, when closing took too long; the task ends here anyway, and the sender is told.
            response = refused(CLOSING)
        except Exception as error:  # noqa: BLE001 - a bug must not take the door down: it is logged and answered
            response = _host_error(error)
        await response.send(receive, send, unread=BODY_READ not in scope and announces_body(scope["headers"]))

    async def response(self, scope: Scope, receive: Receive) -> Response:
        """Answer what all addresses have in common, and leave the rest to `answer`."""
        headers = named(scope["headers"], scope["http_version"])
        if isinstance(headers, Refusal):
            return await self.refuse(headers, scope)
        if not self.methods:
            return refused(NOT_FOUND)
        if scope["method"] not in self.methods:
            allow = (b"allow", ", ".join(sorted((*self.methods, "OPTIONS"))).encode())
            if scope["method"] == "OPTIONS":
                return Response(status=204, headers=(allow,))
            return refused(METHOD_NOT_ALLOWED, allow)
        content_type = answer_type(headers.get(b"accept"), scope["query_string"])
        if isinstance(content_type, Refusal):
            return await self.refuse(content_type, scope)
        return await self.answer(scope, headers, content_type, receive)

    async def answer(self, scope: Scope, headers: Headers, content_type: bytes, receive: Receive) -> Response:
        """Answer one of `methods`, as `content_type`."""
        raise NotImplementedError

    async def refuse(self, refusal: Refusal, scope: Scope) -> Response:  # noqa: ARG002 - Submit needs the scope
        """Answer a refusal; the endpoint that takes messages records it, too."""
        return refused(refusal)


def _host_error(error: Exception) -> Response:
    """Log a bug under an id and answer with the id; the error's own text may hold a value of the message."""
    incident = message_id()
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename}:{frame.lineno}"
    logger.error("host error", extra={"incident": incident, "error": type(error).__name__, "at": where})
    (problem,) = HOST_ERROR.problems.problems
    return refused(HOST_ERROR, problems=(replace(problem, hint=f"The host's log has it as incident {incident}."),))


class NotFound(Endpoint):
    """Every address that has no endpoint."""


class Crowded(Endpoint):
    """What a connection over the limit is told, whatever it asks."""

    async def response(self, scope: Scope, receive: Receive) -> Response:  # noqa: ARG002 - every endpoint takes these
        """Say that there are too many."""
        return refused(TOO_MANY_CONNECTIONS)


@dataclass(slots=True)
class Metadata(Endpoint):
    """`GET /metadata`: the CapabilityStatement."""

    methods: ClassVar = ("GET", "HEAD")

    statement: bytes

    async def answer(self, scope: Scope, headers: Headers, content_type: bytes, receive: Receive) -> Response:  # noqa: ARG002 - every endpoint takes these
        """Return the statement."""
        return Response(status=200, body=self.statement, content_type=content_type)


@dataclass(slots=True)
class TaskState(Endpoint):
    """`GET /Task/{id}`: how an accepted message stands, without any value of a patient."""

    methods: ClassVar = ("GET", "HEAD")

    intake: Intake

    async def answer(self, scope: Scope, headers: Headers, content_type: bytes, receive: Receive) -> Response:  # noqa: ARG002 - every endpoint takes these
        """Return the Task; 404 when no accepted message has the id."""
        asked = scope["path_params"]["id"]
        deliveries = self.intake.state(asked) if _ULID.fullmatch(asked) else None
        if deliveries is None:
            return refused(TASK_UNKNOWN)
        return Response(status=200, body=task(asked, deliveries), content_type=content_type)
