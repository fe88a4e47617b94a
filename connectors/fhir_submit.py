"""The endpoint that takes messages: reads the body within limits, hands it to the intake, answers when it is stored.

This is the hot path of the host: one dictionary of headers, one body, one quick parse, no task or thread of its own.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from connectors.base import Arrival, IdentityConflict, Intake, StoreUnavailable
from connectors.fhir_answers import accepted, operation_outcome
from connectors.fhir_endpoints import BODY_READ, Endpoint
from connectors.fhir_refusals import (
    BODY_CUT_OFF,
    BODY_TOO_LARGE,
    BUNDLE_TYPE_UNSUPPORTED,
    IDENTITY_CONFLICT,
    RESOURCE_UNSUPPORTED,
    STORE_UNAVAILABLE,
    TOO_MUCH_AT_ONCE,
    Refusal,
)
from connectors.fhir_request import Headers, Submission, read_submission
from connectors.fhir_response import Receive, Response, Scope, refused
from messages.problem import Problem, Problems

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Reading:
    """The limits of all bodies that are being received at one door."""

    max_bytes: int
    max_bytes_at_once: int
    #: Bytes of unfinished bodies held now.
    held: int = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes | Refusal:
        """Return the whole body, or why it was not read to its end; the connection watches the time."""
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return BODY_CUT_OFF  # recorded by the connection, which knows whether it was cut, late or broken
                part: bytes = message["body"]
                parts.append(part)
                size += len(part)
                self.held += len(part)
                if not message["more_body"]:
                    scope[BODY_READ] = True
                if size > self.max_bytes:
                    return BODY_TOO_LARGE
                if self.held > self.max_bytes_at_once:
                    return TOO_MUCH_AT_ONCE
                if BODY_READ in scope:
                    return part if len(parts) == 1 else b"".join(parts)
        finally:
            self.held -= size


@dataclass(slots=True, kw_only=True)
class Submit(Endpoint):
    """`POST` of a Bundle or a resource."""

    methods: ClassVar = ("POST",)

    intake: Intake
    reading: Reading
    #: What stands before `/Task/…` in the Location header.
    base: str
    #: URL of the FHIR base, for a MessageHeader of ours.
    endpoint: str
    #: Types of Bundle that this address takes.
    bundle_types: frozenset[str] = frozenset()
    #: Types of resource, other than Bundle, that it takes.
    resource_types: frozenset[str] = frozenset()

    async def answer(self, scope: Scope, headers: Headers, content_type: bytes, receive: Receive) -> Response:
        """Take the message in; whatever the door itself refuses is recorded."""
        submission = read_submission(headers, scope["http_version"], self.reading.max_bytes)
        if isinstance(submission, Refusal):
            return await self.refuse(submission, scope)
        body = await self.reading.read(scope, receive)
        if body is BODY_CUT_OFF:
            return refused(BODY_CUT_OFF)
        if isinstance(body, Refusal):
            return await self.refuse(body, scope)
        arrival = Arrival(
            body=body, content_type=submission.content_type, peer=peer_of(scope), identity=submission.identity
        )
        document = _sketch(body)
        unwanted = self._unwanted(document)
        if unwanted is not None:
            await record_refusal(self.intake, arrival, unwanted)
            return refused(unwanted)
        return await self._accept(arrival, document, submission, content_type)

    async def _accept(
        self, arrival: Arrival, document: Mapping[str, Any], submission: Submission, content_type: bytes
    ) -> Response:
        compose = functools.partial(accepted, document, base=self.base, endpoint=self.endpoint)
        try:
            answer = await self.intake.accept(arrival, compose)
        except Problems as error:
            return _not_accepted(error.problems)
        except IdentityConflict:
            return refused(IDENTITY_CONFLICT)
        except StoreUnavailable:
            return refused(STORE_UNAVAILABLE)
        return Response(
            status=answer.status,
            body=b"" if submission.minimal else answer.body,
            headers=tuple((name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()),
            content_type=content_type,
        )

    def _unwanted(self, document: Mapping[str, Any]) -> Refusal | None:
        """Why the document does not belong at this address; what is no resource at all is for `accept` to refuse."""
        resource_type = document.get("resourceType")
        if not isinstance(resource_type, str) or resource_type in self.resource_types:
            return None
        if resource_type != "Bundle" or not self.bundle_types:
            return RESOURCE_UNSUPPORTED
        bundle_type = document.get("type")
        return (
            BUNDLE_TYPE_UNSUPPORTED if isinstance(bundle_type, str) and bundle_type not in self.bundle_types else None
        )

    async def refuse(self, refusal: Refusal, scope: Scope) -> Response:
        """Record a refusal whose body was not read, or not to its end, and answer it."""
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        await record_refusal(self.intake, Arrival(body=b"", content_type=content_type, peer=peer_of(scope)), refusal)
        return refused(refusal)


async def record_refusal(intake: Intake, arrival: Arrival, refusal: Refusal) -> None:
    """Record a refusal; where the store cannot, it stands in the log, and the sender is answered all the same."""
    try:
        await intake.refuse(arrival, refusal.problems)
    except StoreUnavailable:
        logger.error("refusal not recorded", extra={"code": refusal.code, "peer": arrival.peer})  # noqa: TRY400 - no trace


def _sketch(body: bytes) -> Mapping[str, Any]:
    """Parse quickly, to see what the body claims to be; empty when it is no JSON object, which `accept` refuses."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _not_accepted(problems: tuple[Problem, ...]) -> Response:
    """400 for what is no JSON; 422 for what is JSON and breaks FHIR, a profile or a rule of the business."""
    syntax = any(problem.code.startswith("JSON_") for problem in problems)
    return Response(status=400 if syntax else 422, body=operation_outcome(problems))


def peer_of(scope: Scope) -> str:
    """Return the network address of who asks."""
    client = scope.get("client")
    return client[0] if client else "unknown"
