"""Receives FHIR R4 over HTTP from Blume and OmegaAI: the settings of the door.

fhir_door opens it, fhir_endpoints and fhir_submit are what stands behind it; docs/fhir-intake.md says it to the
sender's programmers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from connectors.base import Intake


@dataclass(kw_only=True)
class FhirListener:
    """SourceConnector for FHIR R4 resources that are posted to us."""

    host: str = field(
        default="127.0.0.1", metadata={"help": "Address to listen at; the default takes this machine only."}
    )
    port: int = field(metadata={"help": "TCP port to listen at; 0 lets the system choose one."})
    path: str = field(default="/fhir", metadata={"help": "Path of the FHIR base; Bundles are posted to it."})
    base_url: str | None = field(
        default=None,
        metadata={
            "help": "URL of the FHIR base as senders see it, for Location; empty: Location is a path on this host."
        },
    )
    max_bytes: int = field(default=10 * 1024 * 1024, metadata={"help": "Longest body that is taken, in bytes."})
    max_bytes_at_once: int = field(
        default=128 * 1024 * 1024,
        metadata={"help": "Bytes of unfinished bodies held in memory, all connections together."},
    )
    body_within: float = field(default=30.0, metadata={"help": "Seconds for a whole body to come in."})
    head_within: float = field(default=10.0, metadata={"help": "Seconds for a whole request head to come in."})
    max_head_bytes: int = field(default=32 * 1024, metadata={"help": "Longest request line and headers, in bytes."})
    idle_within: int = field(default=60, metadata={"help": "Seconds an idle connection is kept open."})
    close_within: int = field(
        default=5, metadata={"help": "Seconds that requests in flight may take when the host closes."}
    )
    connections: int = field(default=256, metadata={"help": "Connections open at once; more are answered 503."})
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate chain: the door speaks HTTPS only."}
    )
    key_file: str | None = field(default=None, metadata={"help": "PEM file of our certificate's private key."})
    client_ca_file: str | None = field(
        default=None,
        metadata={"help": "PEM file of the authorities whose client certificates are let in; no other is."},
    )
    authority: str | None = field(
        default=None,
        metadata={
            "help": "Who gives the tokens that senders bring, as Azure AD B2C "
            "(https://TENANT.b2clogin.com/TENANT.onmicrosoft.com/POLICY) or Entra write it; empty here and in "
            "oidc_authority: no token is asked for."
        },
    )
    oidc_authority: str | None = field(
        default=None, metadata={"help": "The same for any OpenID provider: the URL of its issuer."}
    )
    audience: str | None = field(default=None, metadata={"help": "For whom a token must be issued (aud): this door."})
    scopes: tuple[str, ...] = field(
        default=(), metadata={"help": "One of these must stand in the token's scp, scope or roles."}
    )
    policies: tuple[str, ...] = field(
        default=(), metadata={"help": "User flows of Azure AD B2C that may have issued a token (tfp, acr); empty: any."}
    )
    token_ca_file: str | None = field(
        default=None, metadata={"help": "PEM file of the authorities to trust for the tokens' issuer."}
    )
    insecure_open: str | None = field(
        default=None,
        metadata={"help": "Why other machines may send without TLS, or without a certificate or token; else none may."},
    )

    def __post_init__(self) -> None:
        """Check what one field alone does not show.

        Raises:
            ValueError: names the field and what it must be.
        """
        if not self.path.startswith("/") or "{" in self.path or "?" in self.path:
            raise ValueError("path must begin with / and hold neither { nor ?")
        if self.base_url is not None and urlsplit(self.base_url).scheme not in {"http", "https"}:
            raise ValueError("base_url must be an absolute http or https URL")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file needs certificate_file: client certificates come with HTTPS only")
        self._check_tokens()
        self._check_who_may_send()

    @property
    def asks_for_tokens(self) -> bool:
        """True where a request needs a token."""
        return self.authority is not None or self.oidc_authority is not None

    def _check_tokens(self) -> None:
        if not self.asks_for_tokens:
            if self.audience is not None or self.scopes or self.policies:
                raise ValueError("audience, scopes and policies need authority or oidc_authority: who gives the tokens")
            return
        from connectors.token_check import discovery_address  # noqa: PLC0415  # for doors with tokens only

        discovery_address(authority=self.authority, oidc_authority=self.oidc_authority)
        if self.audience is None or not self.scopes:
            raise ValueError("audience and scopes must be given where tokens are asked for: else any token would do")

    def _check_who_may_send(self) -> None:
        if self.insecure_open or _is_loopback(self.host):
            return
        if self.certificate_file is None:
            raise ValueError("certificate_file must be given where other machines send, or insecure_open say why not")
        if self.client_ca_file is None and not self.asks_for_tokens:
            raise ValueError(
                "client_ca_file, or authority for tokens, must be given where other machines send, or insecure_open "
                "say why anybody may"
            )

    async def serve(self, intake: Intake, ready: Callable[[str], None]) -> None:
        """Listen until cancelled; then finish the requests in flight, for `close_within` seconds at most.

        Raises:
            OSError: the address cannot be had; the text names host and port.
        """
        from connectors import fhir_door  # noqa: PLC0415  # a server is for the process that opens the door

        await fhir_door.serve(self, intake, ready)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
