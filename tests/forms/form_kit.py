"""Submitted forms for the tests: the shipped samples, changed."""

import json
from pathlib import Path
from typing import Any

from store import reads
from store.connection import connect
from tests.cli.console_script import RunningHost, wait_until

SITE = Path(__file__).resolve().parents[2] / "mappings"
SAMPLES = SITE / "samples"
MAPPING = "form-to-document-viewer.yaml"
#: The line of the mapping behind which more of `document:` may be said.
QUESTIONNAIRE = '  form: "%questionnaire"\n'


def bundle(name: str = "clinical", **changes: Any) -> dict[str, Any]:
    """Return a sample with elements of its QuestionnaireResponse replaced; None takes one out."""
    document: dict[str, Any] = json.loads((SAMPLES / f"form-{name}.json").read_bytes())
    response = resource(document, "QuestionnaireResponse")
    for element, value in changes.items():
        if value is None:
            response.pop(element, None)
        else:
            response[element] = value
    return document


def resource(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the resource of a kind in a Bundle."""
    return next(entry["resource"] for entry in document["entry"] if entry["resource"]["resourceType"] == kind)


def body(document: dict[str, Any]) -> bytes:
    """Return a Bundle as it is sent."""
    return json.dumps(document, ensure_ascii=False).encode()


def version(number: int, minute: int = 29, **changes: Any) -> bytes:
    """Return a version of the clinical form, answered in some minute, with an answer of its own."""
    document = bundle(
        "clinical",
        meta={"versionId": str(number)},
        authored=f"2025-11-20T15:{minute:02}:00-03:00",
        status="completed" if number == 1 else "amended",
    )
    response = resource(document, "QuestionnaireResponse")
    response["item"][0]["answer"][0]["item"][0]["answer"][0]["valueString"] = f"Iodo, versão {number}"
    response.update(changes)
    return body(document)


def reason_of(host: RunningHost, message: str) -> str:
    """Return why a form stands where it stands."""
    link = connect(host.data)
    try:
        return reads.line(link, message).deliveries[0].reason or ""
    finally:
        link.close()


def sent(host: RunningHost, body: bytes) -> str:
    """Book a form and wait until it is sent; return its message."""
    message = host.book(body)
    wait_until(lambda: host.status_of(message) == "SENT", "the form is sent")
    return message
