"""Reads a definition, such as a Questionnaire, from a FHIR R4 server by its canonical URL and version.

Source: FHIR R4 references.html#canonical; search.html (url and version of definitions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.fhir_client import FhirClient, FhirServer
from connectors.fhir_read import read_all


@dataclass(kw_only=True)
class FhirDefinitions(FhirServer):
    """A FHIR server that holds definitions; read only."""

    async def read(self, kind: str, canonical: str) -> dict[str, Any] | None:
        """Return the definition of a type with this canonical (`url|version`); None: not one, or several.

        Raises:
            OSError: not reached, refused with a status, or no FHIR in the answer.
        """
        url, _, version = canonical.rpartition("|")
        client = FhirClient(self)
        try:
            pages = read_all(client, self.base, kind, [("url", url), ("version", version)], page=10)
            found = [one async for one in pages if (one.get("url"), one.get("version")) == (url, version)]
        finally:
            await client.close()
        return found[0] if len(found) == 1 else None
