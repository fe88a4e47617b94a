"""Hands Bundles of results to a FHIR door of the host's own, and asks how each stands. See docs/fhir-intake.md.

What the door has answered 202 is stored, and one of its channels maps it; the Task that it names says how far it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from connectors.fhir_client import UNAVAILABLE, Call, FhirClient, FhirServer
from connectors.http import HttpAnswer
from connectors.share_base import Refused

_TASK = re.compile(r"Task/([0-9A-HJKMNP-TV-Z]{26})")
#: A code of the door's, as its OperationOutcome has it; anything else is not repeated.
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}")


@dataclass(kw_only=True)
class FhirDoor(FhirServer):
    """A FHIR door of this host. See `connectors.share_base.ResultsDoor`; the same Bundle again is the same message."""

    base: str = field(metadata={"help": "The door's FHIR base, such as http://127.0.0.1:8080/fhir."})
    _client: FhirClient | None = field(default=None, init=False, repr=False, compare=False)

    async def hand_over(self, bundle: bytes) -> str:
        """See `ResultsDoor.hand_over`."""
        answer = await self._ask(Call(method="POST", path="", content=bundle, repeatable=True))
        try:
            response = json.loads(answer.body)["entry"][0]["response"]
        except (ValueError, KeyError, TypeError, IndexError):
            raise ConnectionError(f"the FHIR door answers {answer.status}, but no entry of it") from None
        found = _TASK.fullmatch(str(response.get("location", "")))
        if found is None:
            raise Refused("no channel of the FHIR door takes laboratory results")
        return found[1]

    async def stands(self, message: str) -> str:
        """See `ResultsDoor.stands`."""
        answer = await self._ask(Call(method="GET", path=f"/Task/{message}", repeatable=True))
        try:
            return str(json.loads(answer.body)["status"])
        except (ValueError, KeyError, TypeError):
            raise ConnectionError(f"the FHIR door answers {answer.status} without the Task") from None

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _ask(self, call: Call) -> HttpAnswer:
        if self._client is None:
            self._client = FhirClient(self)
        answer = await self._client.ask(call, "")
        if 200 <= answer.status < 300:
            return answer
        if answer.status in UNAVAILABLE or answer.status >= 500 or answer.status in {401, 408}:
            raise ConnectionError(f"the FHIR door answers {answer.status}")
        raise Refused(f"the FHIR door answers {answer.status}{_code(answer)}")


def _code(answer: HttpAnswer) -> str:
    """Return the code of a refusal; its words may quote the document."""
    try:
        code = str(json.loads(answer.body)["issue"][0]["details"]["coding"][0]["code"])
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
    return f" ({code})" if _CODE.fullmatch(code) else ""
