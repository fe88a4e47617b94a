"""What a check of a FHIR document found, and the FHIRPath of the place, which is worked out only when needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from messages.problem import Problem
from transformers import fhir_model

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at an object of the document; `text` holds nothing of the message."""

    #: The very object in the document (not a copy).
    node: Json
    #: From there on: `.participant[0].status`, or nothing.
    suffix: str
    text: str
    #: FHIR issue-type, http://hl7.org/fhir/R4/valueset-issue-type.html.
    issue_type: str
    code: str = "FHIR_INVALID"
    hint: str | None = None


def problems(document: Json, findings: Sequence[Finding]) -> list[Problem]:
    """Return the findings as problems, each with the FHIRPath of its place."""
    paths = _paths(document, {id(finding.node) for finding in findings})
    return [
        Problem(
            code=finding.code,
            text=finding.text,
            hint=finding.hint,
            expression=paths[id(finding.node)] + finding.suffix,
            issue_type=finding.issue_type,
        )
        for finding in findings
    ]


def root(document: Json) -> str:
    """Return the first word of a FHIRPath: the resource type, if it is one."""
    named = document.get("resourceType")
    return named if isinstance(named, str) and named in fhir_model.all_resource_types() else "Resource"


def steps(path: Iterable[str | int]) -> str:
    """Return the names and indexes below an object as the rest of a FHIRPath.

    >>> steps(["participant", 0, "status"])
    '.participant[0].status'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _paths(document: Json, wanted: set[int]) -> dict[int, str]:
    """Find the objects with these identities, in one pass."""
    found: dict[int, str] = {}
    waiting: list[tuple[Any, str]] = [(document, root(document))]
    while waiting and len(found) < len(wanted):
        value, path = waiting.pop()
        if isinstance(value, dict):
            if id(value) in wanted:
                found[id(value)] = path
            waiting += [(child, f"{path}.{name}") for name, child in value.items() if isinstance(child, dict | list)]
        else:
            waiting += [(child, f"{path}[{n}]") for n, child in enumerate(value) if isinstance(child, dict | list)]
    return found
