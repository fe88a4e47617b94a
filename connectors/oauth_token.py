"""Access tokens for calls that we make: OAuth 2.0 client credentials, by MSAL, from any OpenID provider over https.

A token is kept until a minute before it ends. One thread at a time asks for the next; whoever holds a token that still
counts does not wait for it. While the provider fails, a token serves to its very end, and the provider is asked at most
once per back-off. Nothing here is logged, and no text holds a token or a secret.

Sources: RFC 6749 4.4 (client credentials); OpenID Connect Discovery 1.0; MSAL Python.
"""

from __future__ import annotations

import asyncio
import functools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connectors.secret import read_secret, secret_name

#: Seconds before its end that a token is renewed; half its life, where that is shorter.
RENEW_BEFORE = 60.0
#: First and longest wait between calls to a provider that fails.
WAITS = (1.0, 60.0)
#: Seconds before a token that a server rejected is exchanged once more.
BETWEEN_REJECTIONS = 30.0
#: Seconds for the connection, and for each piece of the answer.
_PATIENCE = (5.0, 10.0)
# RFC 6749 5.2: invalid_client and its like; anything longer is no code.
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What is asked for, of whom, and in whose name. Equal grants share one token."""

    #: Azure AD B2C: https://TENANT.b2clogin.com/TENANT.onmicrosoft.com/POLICY; Entra: https://HOST/TENANT.
    authority: str | None = None
    #: Any OpenID provider: its issuer; /.well-known/openid-configuration is put behind it.
    oidc_authority: str | None = None
    client_id: str
    #: `${secret:NAME}`: the client's secret, or the private key (PEM) that goes with `certificate_file`.
    client_secret: str = field(repr=False)
    #: PEM file of the certificate that the provider knows us by, instead of a shared secret.
    certificate_file: str | None = None
    scope: str
    #: PEM file of the authorities to trust; None: those that requests brings.
    ca_file: str | None = None
    secrets_folder: str | None = None
    proxy: str | None = None

    def __post_init__(self) -> None:
        """Check what MSAL would otherwise say late, or not at all.

        Raises:
            ValueError: names the setting and what it must be.
        """
        given = [(name, url) for name in ("authority", "oidc_authority") if (url := self._address(name))]
        if len(given) != 1:
            raise ValueError("one of authority and oidc_authority must be given, and only one")
        name, url = given[0]
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or not parts.path.strip("/"):
            raise ValueError(f"{name} must be https://HOST/TENANT…: MSAL takes no other")
        if name == "authority" and parts.path.rstrip("/").endswith("/v2.0"):
            raise ValueError("authority must not end in /v2.0, which MSAL adds; or name it oidc_authority")
        secret_name(self.client_secret)

    def _address(self, name: str) -> str | None:
        return self.authority if name == "authority" else self.oidc_authority


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    #: By the monotonic clock, so that setting the clock neither shortens nor prolongs it.
    renew_at: float
    ends_at: float


class TokenSource:
    """The token of one grant, for all connections of this process."""

    def __init__(self, grant: Grant, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that only grow; a test may bring its own."""
        self._grant = grant
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._failures = 0
        self._not_before = 0.0
        self._failure = ""
        self._exchanged_at = float("-inf")

    async def token(self, rejected: str | None = None) -> str:
        """Return a token to send; `rejected` is one that the server has just answered with 401.

        The same token comes back when a rejected one was already exchanged within the last half minute: then it is
        not the token's fault.

        Raises:
            ConnectionError: there is none: the provider cannot be reached, or refuses us.
        """
        held = self._token
        if held is not None and held.value != rejected and self._clock() < held.renew_at:
            return held.value
        return await asyncio.to_thread(self._renew, rejected)

    def _renew(self, rejected: str | None) -> str:
        still_good = self._still_good(rejected)
        # Whoever has a token does not wait for the thread that fetches the next.
        if not self._lock.acquire(blocking=still_good is None):
            return still_good or ""
        try:
            return self._next(rejected)
        finally:
            self._lock.release()

    def _next(self, rejected: str | None) -> str:
        held, now = self._token, self._clock()
        if held is not None and held.value == rejected:
            if now - self._exchanged_at < BETWEEN_REJECTIONS:
                return held.value
            self._exchanged_at = now
        elif held is not None and now < held.renew_at:
            return held.value  # renewed while we waited
        if now >= self._not_before:
            try:
                self._token = held = _mint(self._grant, now)
            except Exception as error:  # noqa: BLE001 - MSAL raises many kinds for what a provider may send
                self._failures += 1
                self._failure = _why(error)
                self._not_before = now + min(WAITS[0] * 2.0 ** min(self._failures - 1, 10), WAITS[1])
            else:
                self._failures, self._not_before = 0, 0.0
                return held.value
        still_good = self._still_good(rejected)
        if still_good is None:
            raise ConnectionError(f"no access token: {self._failure}; asked again at most every {WAITS[1]:g} s")
        return still_good

    def _still_good(self, rejected: str | None) -> str | None:
        held = self._token
        if held is None or held.value == rejected or self._clock() >= held.ends_at:
            return None
        return held.value


@functools.cache
def token_source(grant: Grant) -> TokenSource:
    """Return the process's one source for a grant, so that several connections share token and back-off."""
    return TokenSource(grant)


class _Refused(Exception):
    """The provider's answer is an error; the text is its code."""


def _mint(grant: Grant, now: float) -> _Token:
    """Ask the provider for a token; blocks.

    MSAL is made anew each time: its own caches would keep a changed secret, or an old failure, alive.
    """
    import msal  # type: ignore[import-untyped]  # noqa: PLC0415 - 22 MB that only channels with a token need

    with http_session(grant.ca_file, grant.proxy) as session:
        client = msal.ConfidentialClientApplication(
            grant.client_id,
            client_credential=_credential(grant),
            authority=grant.authority,
            oidc_authority=grant.oidc_authority,
            http_client=session,
            instance_discovery=False,  # the site says whom it trusts; Microsoft is not asked about it
        )
        answer: dict[str, Any] = client.acquire_token_for_client([grant.scope])
    if "access_token" not in answer:
        code = str(answer.get("error", ""))
        raise _Refused(code if _ERROR_CODE.fullmatch(code) else "an answer without a token")
    lifetime = float(answer.get("expires_in", 0))
    return _Token(answer["access_token"], now + max(lifetime - RENEW_BEFORE, lifetime / 2), now + lifetime)


def _credential(grant: Grant) -> str | dict[str, str]:
    secret = read_secret(grant.client_secret, grant.secrets_folder)
    if grant.certificate_file is None:
        return secret
    return {"private_key": secret, "public_certificate": Path(grant.certificate_file).read_text("utf-8")}


def http_session(ca_file: str | None, proxy: str | None = None) -> Any:
    """Return an HTTP session for an identity provider: it trusts whom the site trusts, and follows no redirect."""
    import requests  # noqa: PLC0415 - comes with msal

    session = requests.Session()
    session.trust_env = False  # REQUESTS_CA_BUNDLE would outweigh `verify`
    session.verify = ca_file or True
    session.max_redirects = 0  # a redirected request would carry the secret elsewhere
    if proxy:
        session.proxies = {"https": proxy}
    session.request = functools.partial(session.request, timeout=_PATIENCE)  # type: ignore[method-assign]
    return session


def _why(error: Exception) -> str:
    """Why there is no token, without a word of the provider's that might repeat what it was sent."""
    if isinstance(error, _Refused):
        return f"the identity provider refuses ({error})"
    if isinstance(error, FileNotFoundError | PermissionError) and str(error).startswith("secret "):
        return str(error)
    return f"the identity provider cannot be used ({type(error).__name__})"
