"""Writes to a FHIR R4 server, such as OmegaAI's, what a transformer says in a request envelope (fhir_envelope).

No identifier stands in a URL: resources are found by POST _search. Only what may safely be repeated is, and once; a
POST that nothing guards and nobody answered is for the mapping (`when_unanswered`) to decide.
How a change is put into what the server holds is in fhir_change; what its answers mean in fhir_reply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from connectors.base import Reply
from connectors.fhir_change import Change
from connectors.fhir_client import FhirClient, FhirServer
from connectors.fhir_envelope import Envelope, read_envelope
from messages.lifecycle import Event


@dataclass(kw_only=True)
class FhirSender(FhirServer):
    """DestinationConnector for a FHIR R4 server."""

    conditional: Literal["search", "server"] = field(
        default="search",
        metadata={
            "help": "How a resource is found: search: POST _search, then a write with If-Match. server: the server's "
            "conditional update, whose URL holds the identifier, and which replaces the whole resource."
        },
    )
    update_with: Literal["put", "patch"] = field(
        default="put", metadata={"help": "How a change is written: the whole resource, or a JSON Patch of it."}
    )
    unversioned: Literal["refuse", "write"] = field(
        default="refuse",
        metadata={"help": "What to do where the server gives no version, so that a change of others could be lost."},
    )
    _client: FhirClient | None = field(default=None, init=False, repr=False, compare=False)

    async def open(self) -> None:
        """Make sure that the server is there and that we have a token; cheap while it answers.

        Raises:
            OSError: it is not, it asked us to wait (Retry-After), or there is no token. Nothing has left.
        """
        if self._client is None:
            self._client = FhirClient(self)
        await self._client.reach()

    async def send(self, encoded: bytes, control_id: str) -> Reply:
        """Carry out the change; `control_id` goes along as X-Request-Id.

        Raises:
            TimeoutError: no whole answer within `answer_within`.
            ConnectionError: broken off, or no answer that counts.
        """
        try:
            envelope = read_envelope(encoded)
            self._check(envelope)
        except ValueError as unsendable:  # no resend will mend it: to a person
            return Reply(raw=b"", event=Event.REFUSED, reason=f"not sent: {unsendable}")
        if self._client is None:
            self._client = FhirClient(self)
        change = Change(self._client, envelope, control_id, self.update_with, self.unversioned)
        if envelope.is_bundle:
            return await change.bundle()
        if self._leaves_it_to_the_server(envelope):
            return await change.conditional_update()
        return await change.put_in()

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _leaves_it_to_the_server(self, envelope: Envelope) -> bool:
        return self.conditional == "server" and envelope.method == "PUT" and bool(envelope.find)

    def _check(self, envelope: Envelope) -> None:
        if self._leaves_it_to_the_server(envelope) and (
            envelope.join or envelope.only_if or envelope.if_match or len(envelope.find) > 1
        ):
            raise ValueError("join, only_if, if_match and a second search in find need conditional: search")
