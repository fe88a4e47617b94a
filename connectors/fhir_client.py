"""A FHIR R4 server as we call it: its settings, its token, and one call at a time.

Source: FHIR R4 http.html; RFC 6750 (bearer tokens); RFC 9110 (Retry-After).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from connectors.http import HttpAnswer, HttpClient, Limits, tls_context
from connectors.oauth_token import Grant, TokenSource, token_source

FHIR_JSON = "application/fhir+json"
#: What we ask for; a server of another version of FHIR answers 406 instead of something that looks alike.
ACCEPT = f"{FHIR_JSON}; fhirVersion=4.0"
FORM = "application/x-www-form-urlencoded"
#: On a search: a parameter that the server does not know is an error, instead of left out silently.
STRICTLY = {"Prefer": "handling=strict"}
#: Statuses by which a server, or a gateway before it, says that it takes nothing now.
UNAVAILABLE = frozenset({429, 502, 503, 504})

#: Seconds after which a silent server is asked for a sign of life before a message is sent.
_QUIET = 30.0
#: Seconds that we wait at most because a server asks for it.
_LONGEST_WAIT = 900.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(kw_only=True)
class FhirServer:
    """The settings that everything has in common which calls a FHIR server, such as OmegaAI's."""

    base: str = field(metadata={"help": "The server's FHIR base, such as https://fhir.example.org/r4."})
    connect_within: float = field(default=10.0, metadata={"help": "Seconds to wait until the line stands."})
    answer_within: float = field(
        default=30.0, metadata={"help": "Seconds from a request's first byte to the answer's last."}
    )
    max_answer_bytes: int = field(
        default=10 * 1024 * 1024, metadata={"help": "Longest answer that is read, after decompression."}
    )
    ca_file: str | None = field(
        default=None, metadata={"help": "PEM file of the authorities to trust; empty: the system's."}
    )
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate, for servers that ask for one."}
    )
    key_file: str | None = field(default=None, metadata={"help": "PEM file of our certificate's private key."})
    proxy: str | None = field(default=None, metadata={"help": "http://HOST:PORT of the proxy to go through."})
    insecure_plaintext: str | None = field(
        default=None, metadata={"help": "Why http:// is allowed to another machine; without a reason it is not."}
    )
    authority: str | None = field(
        default=None,
        metadata={
            "help": "Who gives tokens, as Azure AD B2C (https://TENANT.b2clogin.com/TENANT.onmicrosoft.com/POLICY) or "
            "Entra ID write it; empty here and in oidc_authority: calls carry no token."
        },
    )
    oidc_authority: str | None = field(
        default=None, metadata={"help": "Issuer of any other OpenID provider, instead of authority."}
    )
    client_id: str | None = field(default=None, metadata={"help": "Who we are to the authority."})
    client_secret: str | None = field(
        default=None,
        repr=False,
        metadata={
            "secret": True,
            "help": "${secret:NAME}: our secret there, or the private key (PEM) of client_certificate_file.",
        },
    )
    client_certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of the certificate that the authority knows us by."}
    )
    scope: str | None = field(default=None, metadata={"help": "What the token is for: https://…/API/.default."})
    authority_ca_file: str | None = field(
        default=None, metadata={"help": "PEM file of the authorities to trust for the token's provider."}
    )
    secrets_folder: str | None = field(
        default=None, metadata={"help": "Folder of secrets: files of mode 0600, named like the secret."}
    )

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show.

        Raises:
            ValueError: names the field and what it must be; never repeats a secret.
        """
        self.base = self.base.rstrip("/")
        parts = urlsplit(self.base)
        more = parts.username or parts.query or parts.fragment
        if parts.scheme not in ("http", "https") or not parts.hostname or more:
            raise ValueError("base must be http(s)://HOST/PATH, and nothing behind it")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not self.insecure_plaintext:
            raise ValueError("base must begin with https://, or insecure_plaintext must say why it does not")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs certificate_file")
        self.grant()

    def grant(self) -> Grant | None:
        """Return what tokens are asked for with; None where calls carry none.

        Raises:
            ValueError: it is incomplete or contradicts itself.
        """
        if self.authority is None and self.oidc_authority is None:
            if self.client_id or self.client_secret or self.scope:
                raise ValueError("client_id, client_secret and scope need authority or oidc_authority")
            return None
        if not (self.client_id and self.client_secret and self.scope):
            raise ValueError("authority needs client_id, client_secret and scope")
        return Grant(
            authority=self.authority, oidc_authority=self.oidc_authority, client_id=self.client_id,
            client_secret=self.client_secret, certificate_file=self.client_certificate_file, scope=self.scope,
            ca_file=self.authority_ca_file, secrets_folder=self.secrets_folder, proxy=self.proxy,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. What identifies a person belongs into the content, never into the path."""

    method: str
    #: Behind the base, beginning with a slash; "" for the base itself.
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = FHIR_JSON
    #: Repeating it does no harm: a broken exchange may be begun once more.
    repeatable: bool


class FhirClient:
    """Calls one server, with a token where the settings name an authority. To be used in one event loop."""

    def __init__(self, server: FhirServer) -> None:
        """Nothing is opened yet.

        Raises:
            OSError: a certificate file cannot be read.
        """
        limits = Limits(
            connect_within=server.connect_within, answer_within=server.answer_within,
            max_answer_bytes=server.max_answer_bytes,
        )  # fmt: skip
        is_secure = server.base.startswith("https:")
        tls = tls_context(server.ca_file, server.certificate_file, server.key_file) if is_secure else None
        self._http = HttpClient(server.base, limits, tls, server.proxy)
        grant = server.grant()
        self._tokens: TokenSource | None = token_source(grant) if grant else None
        self._heard_at = -math.inf
        self._not_before = -math.inf

    async def reach(self) -> None:
        """Make sure that the server is there and that we have a token; cheap while it answers.

        Raises:
            OSError: it is not, it asked us to wait, or there is no token. Nothing has left.
        """
        now = time.monotonic()
        if now < self._not_before:
            raise ConnectionError(f"the server asked us to wait {self._not_before - now:.0f} s more")
        if now - self._heard_at < _QUIET:
            if self._tokens is not None:
                await self._tokens.token()
            return
        answer = await self.ask(Call(method="HEAD", path="/metadata", repeatable=True), "")
        if answer.status in UNAVAILABLE:
            raise ConnectionError(f"the server takes nothing now ({answer.status})")
        if 300 <= answer.status < 400:
            raise ConnectionError(f"the server has moved ({answer.status}); correct the base, nothing is followed")

    async def ask(self, call: Call, request_id: str) -> HttpAnswer:
        """Make a call and return its answer, whatever the status; a token that is rejected is renewed once.

        Raises:
            OSError: no answer that counts; unless the call is repeatable, it may have been carried out.
        """
        token = await self._tokens.token() if self._tokens else None
        answer = await self._once_more(call, request_id, token)
        if answer.status == 401 and self._tokens is not None:
            renewed = await self._renewed(token)
            if renewed is not None:
                answer = await self._once_more(call, request_id, renewed)
        self._note(answer)
        return answer

    async def close(self) -> None:
        """Hang up."""
        await self._http.close()

    async def _renewed(self, rejected: str | None) -> str | None:
        """Return another token than the rejected one; None where there is no other."""
        assert self._tokens is not None  # noqa: S101 - tells the type; asked for only with tokens
        try:
            renewed = await self._tokens.token(rejected)
        except ConnectionError:  # the 401 is what counts: it says that nothing was done
            return None
        return renewed if renewed != rejected else None

    async def _once_more(self, call: Call, request_id: str, token: str | None) -> HttpAnswer:
        headers = {"Accept": ACCEPT, "User-Agent": "plugin-host", **call.headers}
        if request_id:
            headers["X-Request-Id"] = request_id
        if call.content is not None:
            headers["Content-Type"] = call.content_type
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._heard_at = -math.inf
        try:
            return await self._http.ask(call.method, call.path, headers, call.content)
        except ConnectionError:  # a server that has just restarted broke the lines that we kept
            if not call.repeatable:
                raise
            return await self._http.ask(call.method, call.path, headers, call.content)

    def _note(self, answer: HttpAnswer) -> None:
        if answer.status in UNAVAILABLE:
            self._not_before = time.monotonic() + min(retry_after(answer), _LONGEST_WAIT)
        else:
            self._heard_at = time.monotonic()


def retry_after(answer: HttpAnswer) -> float:
    """Return the seconds that Retry-After asks for (a number or a date: RFC 9110, 10.2.3); 0.0 without one.

    >>> retry_after(HttpAnswer(status=503, headers={"retry-after": "120"}, body=b""))
    120.0
    """
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        at = parsedate_to_datetime(asked)
    except ValueError:
        return 0.0
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)
    return max(0.0, seconds.total_seconds())
