"""The Questionnaires that a channel knows beside those of its messages: the site's own, and what was read elsewhere.

A message that lacks its Questionnaire is completed with it before it is mapped: the rules find it as if Blume had
sent it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from transformers import fhir_validation


class Known:
    """Questionnaires by their canonical, `url|version`."""

    def __init__(self, forms: Mapping[str, Any], *, elsewhere: bool) -> None:
        """`elsewhere`: the lanes can read what is not here from a FHIR server."""
        self._forms = dict(forms)
        self._elsewhere = elsewhere

    def find(self, canonical: str) -> Mapping[str, Any] | None:
        """Return a Questionnaire; one that is named without a version only where there is no other version of it."""
        if "|" in canonical:
            return self._forms.get(canonical)
        versions = [form for name, form in self._forms.items() if name.partition("|")[0] == canonical]
        return versions[0] if len(versions) == 1 else None

    def completed(self, document: Any) -> Any:
        """Return a Bundle with the Questionnaires that it lacks and that are known, behind its own entries."""
        found = [form for canonical in _lacking(document) if (form := self.find(canonical)) is not None]
        if not found:
            return document
        return {**document, "entry": [*document["entry"], *({"resource": form} for form in found)]}

    def missing(self, document: Any) -> list[str]:
        """Return what could be read elsewhere: the canonicals that a Bundle lacks, named with their version."""
        return [canonical for canonical in _lacking(document) if self._elsewhere and "|" in canonical]

    def learn(self, canonical: str, body: bytes) -> bool:
        """Take a Questionnaire that was read elsewhere; False: it is another one, or not valid."""
        form = orjson.loads(body)
        if not isinstance(form, dict) or form.get("resourceType") != "Questionnaire":
            return False
        if f"{form.get('url')}|{form.get('version')}" != canonical:
            return False
        if any(problem.severity == "error" for problem in fhir_validation.validate(form)):
            return False
        self._forms[canonical] = form
        return True


def _lacking(document: Any) -> list[str]:
    """Return the canonicals that the responses of a Bundle name and that are no Questionnaires of it."""
    resources = list(_resources(document))
    brought = set()
    for one in resources:
        if one.get("resourceType") == "Questionnaire":
            brought |= {one.get("url"), f"{one.get('url')}|{one.get('version')}"}
    named = [one.get("questionnaire") for one in resources if one.get("resourceType") == "QuestionnaireResponse"]
    return [name for name in dict.fromkeys(named) if isinstance(name, str) and name not in brought]


def _resources(document: Any) -> Iterator[Mapping[str, Any]]:
    entries = document.get("entry") if isinstance(document, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource
