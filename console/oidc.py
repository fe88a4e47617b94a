"""Sign-in by an identity provider: OpenID Connect, authorization code with PKCE, by MSAL.

What was begun, and what the provider answers, stay in this process: the browser gets a random id for the way there and
back. No token is kept: of the ID token, name and roles are read once.

MSAL proves state, nonce and PKCE, but since its 1.38 nothing of the ID token itself: its signature, issuer, audience
and times are checked by `Provider.check`.

Sources: OpenID Connect Core 1.0 3.1; RFC 7636; OAuth 2.0 Form Post Response Mode.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from console.access import ROLES, Role, Visitor

#: Seconds for which a sign-in that was begun can be ended, and how many may be under way.
UNDER_WAY, AT_MOST = 600.0, 200
#: Characters of a name that are shown.
NAME = 100


class SignInRefused(Exception):
    """The provider, or what it said, lets nobody in. The text is a word for the log, never what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The identity provider of the site, and what its claims mean here."""

    #: Azure AD B2C: https://TENANT.b2clogin.com/TENANT.onmicrosoft.com/POLICY; Entra: https://TENANT.ciamlogin.com/…
    authority: str | None = None
    #: Any OpenID provider, by its issuer.
    oidc_authority: str | None = None
    client_id: str
    #: None: a public client, which PKCE alone protects.
    client_secret: Callable[[], str] | None = field(default=None, repr=False)
    #: Claim with the roles: a list, or words between commas or spaces.
    roles_claim: str = "roles"
    #: Value of the claim → role.
    roles: Mapping[str, str]
    #: Values of the claim that bring the right to read bodies.
    bodies: Sequence[str] = ()
    name_claim: str = "preferred_username"
    #: Makes an HTTP session that trusts whom the site trusts.
    http_client: Callable[[], Any] = field(repr=False)
    #: Returns the claims of an ID token that this provider signed for `client_id`; raises OSError or ValueError.
    check: Callable[[str], Mapping[str, Any]] = field(repr=False)


class SignIn:
    """Sign-ins that are under way."""

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._clock = clock
        self._turn = threading.Lock()
        #: id → until when, and what MSAL wants back.
        self._flows: dict[str, tuple[float, dict[str, Any]]] = {}

    def begin(self, redirect: str) -> tuple[str, str]:
        """Begin a sign-in; return its id, and the address of the provider to go to.

        Raises:
            SignInRefused: the provider cannot be used.
        """
        # `openid` and `profile` are what MSAL asks for by itself; no API is called, so nothing else is.
        flow = self._ask(lambda app: app.initiate_auth_code_flow([], redirect, response_mode="form_post"))
        identifier, now = secrets.token_urlsafe(32), self._clock()
        with self._turn:
            self._flows = {key: value for key, value in self._flows.items() if value[0] > now}
            while len(self._flows) >= AT_MOST:
                del self._flows[next(iter(self._flows))]
            self._flows[identifier] = (now + UNDER_WAY, flow)
        return identifier, str(flow["auth_uri"])

    def end(self, identifier: str, answer: Mapping[str, str]) -> Visitor:
        """Return who signed in: the id was given by `begin`, the answer came from the provider. Each id counts once.

        Raises:
            SignInRefused: unknown or too late, refused by the provider, or without a role here.
        """
        with self._turn:
            until, flow = self._flows.pop(identifier, (0.0, {}))
        if until <= self._clock():
            raise SignInRefused("unknown or too late")
        given = {key: value for key, value in answer.items() if len(value) < 8192}
        result = self._ask(lambda app: app.acquire_token_by_auth_code_flow(flow, given))
        if "id_token" not in result:
            raise SignInRefused("refused by the provider")
        try:
            claims = self._provider.check(result["id_token"])
        except (OSError, ValueError) as error:
            raise SignInRefused(str(error)) from None
        return visitor_of(self._provider, claims)

    def _ask(self, question: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        import msal  # type: ignore[import-untyped]  # noqa: PLC0415  # 22 MB that only sites with a provider need

        # Its debugging lines hold the code and the verifier.
        logging.getLogger("msal").setLevel(logging.WARNING)
        provider = self._provider
        try:
            with provider.http_client() as client:
                common: dict[str, Any] = {
                    "authority": provider.authority,
                    "oidc_authority": provider.oidc_authority,
                    "http_client": client,
                    "instance_discovery": False,  # the site says whom it trusts; Microsoft is not asked about it
                }
                if provider.client_secret is None:
                    return question(msal.PublicClientApplication(provider.client_id, **common))
                secret = provider.client_secret()
                return question(msal.ConfidentialClientApplication(provider.client_id, secret, **common))
        except Exception as error:  # noqa: BLE001  # MSAL raises many kinds for what a provider, or a browser, may send
            raise SignInRefused(type(error).__name__) from None


def visitor_of(provider: Provider, claims: Mapping[str, Any]) -> Visitor:
    """Return who the claims of an ID token say it is; the highest of several roles counts.

    Raises:
        SignInRefused: no role here, or no name.
    """
    given = claims.get(provider.roles_claim, ())
    values = given.replace(",", " ").split() if isinstance(given, str) else list(given)
    roles = {provider.roles[value] for value in values if isinstance(value, str) and value in provider.roles}
    if not roles:
        raise SignInRefused("no role")
    name = claims.get(provider.name_claim)
    name = name[0] if isinstance(name, list) and name else name
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise SignInRefused("no name")
    return Visitor(
        name=name[:NAME],
        role=cast("Role", max(roles, key=ROLES.index)),
        bodies=any(value in provider.bodies for value in values),
    )
