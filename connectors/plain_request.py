"""A request for a job in plain JSON becomes the Bundle with a Task that channels map, whoever asks. Pure.

`POST /channels/study-share/requests` and `POST /channels/pull-prior/requests` of the FHIR door; docs/study-share.md and
docs/pull-prior.md have the fields. Nothing of a request is repeated in a refusal: names of its fields may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.fhir_merge import dumps, loads
from messages.problem import Problem, Problems

#: System of the identifier by which two requests are one.
REQUEST = "urn:plugin-host:request"
#: Characters of one text, and texts of one list, at most.
_LONGEST, _MOST = 1000, 100


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be asked for at one address."""

    #: Task.code.
    code: str
    #: Field that names a study by its UID; it becomes Task.focus.
    study: str
    #: Field → type of Task.input; (several) where it takes a list.
    inputs: Mapping[str, tuple[str, bool]]
    #: Fields that must be there.
    required: frozenset[str]


KINDS = {
    "study-share": Kind(
        "share-study", "study",
        {"method": ("method", False), "recipients": ("recipient", True), "accession": ("accession", False)},
        frozenset({"id", "patient", "study", "organization", "method", "requestedBy"}),
    ),
    "pull-prior": Kind(
        "pull-prior", "currentStudy",
        {
            "from": ("from", False), "to": ("to", False), "monthsBack": ("months-back", False),
            "modality": ("modality", True), "description": ("description", True), "bodyPart": ("body-part", True),
            "type": ("type", True), "maximum": ("maximum", False), "station": ("station", True),
            "birthDate": ("birth-date", False),
        },
        frozenset({"id", "patient"}),
    ),
}  # fmt: skip
_COMMON = ("id", "patient", "organization", "requestedBy", "expiresAt", "reason")


def fields(kind: Kind) -> list[str]:
    """Return the fields of a request, in the order of the docs."""
    return [*_COMMON, kind.study, *kind.inputs]


def bundle_of(kind: Kind, body: bytes) -> bytes:
    """Return the Bundle for a request in plain JSON, or for a FHIR Task as it is.

    Raises:
        Problems: all that is wrong with it (`JSON_INVALID`, `REQUEST_INVALID`).
    """
    try:
        document = loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Problems([Problem(code="JSON_INVALID", text="the request is no JSON object", issue_type="structure")])
    task = document if document.get("resourceType") == "Task" else _task(kind, document)
    return dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": task}]})


def _task(kind: Kind, asked: Mapping[str, Any]) -> dict[str, Any]:
    wrong = _wrong(kind, asked)
    if wrong:
        raise Problems([Problem(code="REQUEST_INVALID", text=text, issue_type="value") for text in wrong])
    task: dict[str, Any] = {
        "resourceType": "Task",
        "identifier": [{"system": REQUEST, "value": asked["id"]}],
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"code": kind.code}]},
        "for": {"type": "Patient", "identifier": dict(asked["patient"])},
    }
    if kind.study in asked:
        identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{asked[kind.study]}"}
        task["focus"] = {"type": "ImagingStudy", "identifier": identifier}
    for name, element in (("organization", "owner"), ("requestedBy", "requester")):
        if name in asked:
            task[element] = {"identifier": {"value": asked[name]}}
    if "expiresAt" in asked:
        task["restriction"] = {"period": {"end": asked["expiresAt"]}}
    if "reason" in asked:
        task["reasonCode"] = {"text": asked["reason"]}
    given = [(code, value) for name, (code, _) in kind.inputs.items() for value in _values(asked.get(name, []))]
    if given:
        task["input"] = [{"type": {"coding": [{"code": code}]}, "valueString": value} for code, value in given]
    return task


def _values(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _wrong(kind: Kind, asked: Mapping[str, Any]) -> list[str]:
    known = fields(kind)
    found = [f"{name} is missing" for name in sorted(kind.required - asked.keys())]
    if asked.keys() - set(known):
        found.append(f"a field is none of {', '.join(known)}")
    for name in known:
        value = asked.get(name, "-")
        if name == "patient":
            parts = value.items() if isinstance(value, dict) else ()
            if {key for key, _ in parts} != {"system", "value"} or not all(_is_text(part) for _, part in parts):
                found.append("patient must be an object of system and value")
        elif name in kind.inputs and kind.inputs[name][1]:
            if not (isinstance(value, list) and len(value) <= _MOST and all(map(_is_text, value))) and name in asked:
                found.append(f"{name} must be a list of texts")
        elif not (_is_text(value) or (name in kind.inputs and type(value) is int)):
            found.append(f"{name} must be a text")
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= _LONGEST
