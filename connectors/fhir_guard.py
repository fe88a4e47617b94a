"""The guard of the FHIR door: behind it come only requests with a token that counts here.

Source: RFC 6750 (bearer tokens, WWW-Authenticate).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from connectors.base import Arrival, Intake
from connectors.fhir_endpoints import Endpoint
from connectors.fhir_refusals import TOKEN_MISSING, TOKEN_REFUSED, TOKEN_UNCHECKED, TOKEN_WITHOUT_SCOPE, Refusal
from connectors.fhir_response import Receive, Response, Scope, refused
from connectors.fhir_submit import peer_of, record_refusal
from connectors.token_check import NO_SCOPE, KeysUnavailable, TokenCheck, TokenRefused


@dataclass(slots=True, kw_only=True)
class Guard:
    """Checks the tokens of all addresses of a door."""

    check: TokenCheck
    intake: Intake
    #: Asks the issuer for its keys: one thread, so that an issuer that does not answer holds up nothing else.
    _asking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "keys"))

    async def refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that must not come in; None for one that may."""
        token = _token(scope["headers"])
        if token is None:
            return await self._refuse(scope, TOKEN_MISSING, b"Bearer")
        try:
            if self.check.is_quick(token):
                self.check.claims(token)
            else:
                await asyncio.get_running_loop().run_in_executor(self._asking, self.check.claims, token)
        except KeysUnavailable:
            return await self._refuse(scope, TOKEN_UNCHECKED)
        except TokenRefused as error:
            if str(error) == NO_SCOPE:
                return await self._refuse(scope, TOKEN_WITHOUT_SCOPE, b'Bearer error="insufficient_scope"')
            return await self._refuse(scope, TOKEN_REFUSED, b'Bearer error="invalid_token"', why=str(error))
        return None

    async def _refuse(self, scope: Scope, refusal: Refusal, challenge: bytes = b"", why: str | None = None) -> Response:
        arrival = Arrival(body=b"", content_type="", peer=peer_of(scope))
        (problem,) = refusal.problems.problems
        told = replace(refusal, text=f"{refusal.text[:-1]} ({why}).") if why else refusal
        await record_refusal(self.intake, arrival, told)
        headers = [(b"www-authenticate", challenge)] if challenge else []
        return refused(refusal, *headers, problems=(replace(problem, hint=why),))

    def close(self) -> None:
        """Ask for no more keys."""
        self._asking.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True)
class Guarded(Endpoint):
    """An address behind the guard."""

    guard: Guard
    inside: Endpoint

    async def response(self, scope: Scope, receive: Receive) -> Response:
        """Answer what may come in as the address does, and the rest with its refusal."""
        return await self.guard.refusal(scope) or await self.inside.response(scope, receive)


def _token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the one token that a request brings; None when there is none, or several."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, token = given[0].decode("latin-1").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
