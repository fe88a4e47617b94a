"""A FHIR R4 document checked at the door, all problems at once: shapes, references, invariants.

Compiled JSON schemas check the shapes (fhir_shape.py), one walk finds the references (fhir_references.py), a table
holds the invariants (fhir_invariants.py). Not checked: profiles, terminology beyond the required bindings of codes, and
what other servers hold.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from messages.problem import Problem
from transformers import fhir_finding, fhir_invariants, fhir_model, fhir_references, fhir_shape
from transformers.fhir_finding import Finding, Json

MAX_PROBLEMS = 100


def validate(document: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with a document that `fhir_json.load_strict` has read; nothing when it is valid R4.

    Each problem has the FHIRPath of its place (`Bundle.entry[3].resource.status`) and an issue-type; none has anything
    of the message in its text. At most 100 are returned. FHIR_NOT_SUPPORTED: valid perhaps, but not understood here.
    """
    survey = fhir_references.survey(document)
    ours = fhir_model.resource_types()
    findings: list[Finding] = []
    for resource, _ in survey.resources:
        resource_type = resource.get("resourceType")
        if type(resource_type) is not str or resource_type not in ours:
            findings.append(_not_ours(resource, resource_type))
            continue
        if not fhir_shape.validator(resource_type).is_valid(resource):
            findings += islice(fhir_shape.check(resource_type, resource), MAX_PROBLEMS)
        if resource_type in fhir_invariants.RULES:
            findings += fhir_invariants.check(resource_type, resource)
        if len(findings) >= MAX_PROBLEMS:
            break
    findings += islice(fhir_references.check(document, survey), MAX_PROBLEMS)
    return fhir_finding.problems(document, findings[:MAX_PROBLEMS]) if findings else []


def _not_ours(resource: Json, resource_type: object) -> Finding:
    if type(resource_type) is not str:
        return Finding(resource, ".resourceType", "is required and missing", "required")
    return Finding(
        resource, "", "resources of this type are not taken here", "not-supported", code="FHIR_NOT_SUPPORTED"
    )
