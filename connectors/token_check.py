"""Checks tokens that others issued and bring to us: signed JWTs, by the keys that their issuer publishes.

Nothing here is logged, and no text holds a token or a claim. Sources: RFC 7515, 7517, 7519 (JWS, JWK, JWT); RFC 8725
(what to refuse); OpenID Connect Core 1.0 3.1.3.7, Discovery 1.0 4; Microsoft identity platform (`tfp`, `scp`, `roles`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.oauth_token import http_session

#: Signatures that are taken: by a key pair. `none` and those by a shared secret (HS…) never are.
ALGORITHMS = ("RS256", "PS256", "ES256")
#: Characters of a token, seconds that clocks may differ, and longest life of a token in seconds.
LONGEST, LEEWAY, LONGEST_LIFE = 8192, 60, 86_400
#: Seconds after which keys are asked for anew, and for which they serve while the issuer cannot be reached.
FRESH, STALE = 3600.0, 86_400.0
#: Seconds between two questions, so that tokens with made-up key ids do not make us ask; and before the first answer.
BETWEEN, BETWEEN_FIRST = 60.0, 5.0

#: Gets a JSON object from an https address. Raises OSError or ValueError.
Fetch = Callable[[str], Mapping[str, Any]]


class TokenRefused(ValueError):
    """The token lets nobody in. The text is a word for people, never a part of the token."""


class KeysUnavailable(ConnectionError):
    """No token can be checked now: the issuer's keys could never be had, or not for too long."""


def discovery_address(*, authority: str | None = None, oidc_authority: str | None = None) -> str:
    """Return where an issuer says of itself what it is and where its keys are.

    >>> discovery_address(authority="https://c.b2clogin.com/c.onmicrosoft.com/B2C_1_x")
    'https://c.b2clogin.com/c.onmicrosoft.com/B2C_1_x/v2.0/.well-known/openid-configuration'
    >>> discovery_address(authority="https://c.ciamlogin.com/")
    'https://c.ciamlogin.com/c.onmicrosoft.com/v2.0/.well-known/openid-configuration'
    >>> discovery_address(oidc_authority="https://id.example/realm")
    'https://id.example/realm/.well-known/openid-configuration'

    Raises:
        ValueError: not one https address.
    """
    if (authority is None) == (oidc_authority is None):
        raise ValueError("one of authority and oidc_authority must be given, and only one")
    address = (authority or oidc_authority or "").rstrip("/")
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{'authority' if authority else 'oidc_authority'} must be an https address")
    if authority is None:
        return f"{address}/.well-known/openid-configuration"
    tenant, _, rest = parts.hostname.partition(".")
    if rest == "ciamlogin.com" and not parts.path:
        # Entra External ID may be written without its tenant: then the first part of the host is it.
        address += f"/{tenant}.onmicrosoft.com"
    return f"{address}/v2.0/.well-known/openid-configuration"


def fetch_with(ca_file: str | None) -> Fetch:
    """Return what gets a JSON object from an address that the authorities in `ca_file` vouch for."""

    def fetch(address: str) -> Mapping[str, Any]:
        with http_session(ca_file) as session:
            answer = session.get(address)
        if answer.status_code != 200:
            raise ConnectionError(f"answered {answer.status_code}")
        found = answer.json()
        if not isinstance(found, dict):
            raise ValueError("no JSON object")  # noqa: TRY004  # the wrong content, not the wrong call
        return found

    return fetch


@dataclass(frozen=True, slots=True)
class _Keys:
    issuer: str
    #: Key id → key.
    by_id: Mapping[str, Any]
    at: float


class Issuer:
    """An issuer of tokens: its name and its keys, asked for when they are needed and kept."""

    def __init__(self, discovery: str, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._discovery = discovery
        self._fetch = fetch
        self._clock = clock
        self._turn = threading.Lock()
        self._keys: _Keys | None = None
        self._asked_at = float("-inf")

    def has(self, key_id: str) -> bool:
        """Tell whether a key is here and need not be asked for."""
        keys = self._keys
        return keys is not None and key_id in keys.by_id and self._clock() - keys.at < FRESH

    def key(self, key_id: str) -> tuple[str, Any]:
        """Return the issuer's name and its key of this id; it may be asked for, which takes seconds.

        Raises:
            TokenRefused: the issuer has no such key.
            KeysUnavailable: its keys cannot be had.
        """
        if not self.has(key_id):
            self._ask()
        keys = self._keys
        if keys is None or self._clock() - keys.at >= STALE:
            raise KeysUnavailable("the keys of the tokens' issuer cannot be had")
        if key_id not in keys.by_id:
            raise TokenRefused("its key is unknown")
        return keys.issuer, keys.by_id[key_id]

    def _ask(self) -> None:
        """Ask for the keys, one thread at a time and not too often; what cannot be had leaves what there is."""
        with self._turn:
            # While there are no keys at all nothing can be checked: then it is asked again sooner.
            if self._clock() - self._asked_at < (BETWEEN if self._keys else BETWEEN_FIRST):
                return
            # Whoever asked is told that there are none, or is served by those that there are.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found = self._fetch(self._discovery)
                keys = self._fetch(_https(found["jwks_uri"]))
                self._keys = _Keys(str(found["issuer"]), dict(_usable(keys["keys"])), self._clock())
            self._asked_at = self._clock()


def _https(address: object) -> str:
    if not isinstance(address, str) or urlsplit(address).scheme != "https":
        raise ValueError("the keys must be at an https address")
    return address


def _usable(keys: list[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """Return the keys for signatures by a key pair, with their ids; others are left out."""
    import jwt  # noqa: PLC0415  # only where tokens are checked

    found = []
    for key in keys:
        if key.get("kty") in {"RSA", "EC"} and key.get("use") in {None, "sig"} and isinstance(key.get("kid"), str):
            with contextlib.suppress(jwt.PyJWTError):  # of a kind or curve that we do not take
                found.append((key["kid"], jwt.PyJWK.from_dict(dict(key)).key))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCheck:
    """What a token must say to count here."""

    issuer: Issuer
    #: `aud`: for whom it was issued; exactly this, and nobody else.
    audience: str
    #: `tfp` or `acr`: the user flows of Azure AD B2C that may have issued it; empty: any.
    policies: tuple[str, ...] = ()
    #: One of them must stand in `scp`, `scope` or `roles`; empty: none needs to.
    scopes: tuple[str, ...] = ()

    def is_quick(self, token: str) -> bool:
        """Tell whether `claims` will answer at once, without asking the issuer for its keys."""
        try:
            return self.issuer.has(_key_id(token))
        except TokenRefused:
            return True

    def claims(self, token: str) -> Mapping[str, Any]:
        """Return what a token says.

        Raises:
            TokenRefused: it does not count here.
            KeysUnavailable: it cannot be checked now.
        """
        import jwt  # noqa: PLC0415  # as above

        issuer, key = self.issuer.key(_key_id(token))
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=ALGORITHMS, audience=self.audience, issuer=issuer, leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "strict_aud": True},
            )  # fmt: skip
            lives = int(claims["exp"]) - int(claims["iat"])
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise TokenRefused(_WHY.get(type(error).__name__, "it is not sound")) from None
        if lives > LONGEST_LIFE:
            raise TokenRefused("it lives too long")
        if self.policies and (claims.get("tfp") or claims.get("acr")) not in self.policies:
            raise TokenRefused("another policy issued it")
        if self.scopes and not _held(claims) & set(self.scopes):
            raise TokenRefused(NO_SCOPE)
        return claims


#: Of a token that is sound, and does not permit this.
NO_SCOPE = "it does not permit this"

_WHY = {
    "ExpiredSignatureError": "it has expired",
    "ImmatureSignatureError": "it does not count yet",
    "InvalidAudienceError": "it is for somebody else",
    "InvalidIssuerError": "somebody else issued it",
    "InvalidSignatureError": "its signature is wrong",
    "InvalidAlgorithmError": "its signature is of a kind that is not taken",
}


def _key_id(token: str) -> str:
    """Return the id of the key that a token names; nothing of it counts yet."""
    import jwt  # noqa: PLC0415  # as above

    if len(token) > LONGEST:
        raise TokenRefused("it is too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenRefused("it is no signed token") from None
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefused("its signature is of a kind that is not taken")
    if {"crit", "jku", "jwk", "x5u", "x5c"} & header.keys() or not isinstance(header.get("kid"), str):
        # A key that a token brings or points to itself proves nothing; `kid` alone names one of the issuer's.
        raise TokenRefused("its key is unknown")
    key_id: str = header["kid"]
    return key_id


def _held(claims: Mapping[str, Any]) -> set[str]:
    held: set[str] = set()
    for name in ("scp", "scope", "roles"):
        value = claims.get(name)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        held |= {word for word in words if isinstance(word, str)}
    return held
