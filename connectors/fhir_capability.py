"""The CapabilityStatement of the FHIR door: only what it really does.

Source: FHIR R4 CapabilityStatement; kind `instance` needs `implementation`.
"""

from __future__ import annotations

from typing import Any

import orjson

#: Source: HL7 terminology, restful-security-service.
OAUTH = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "OAuth"}],
    "text": "OAuth 2.0 access token of the site's identity provider, as a bearer token (RFC 6750)",
}
PROCESS_MESSAGE = "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"


def capability_statement(endpoint: str, since: str, *, tokens: bool = False) -> bytes:
    """Return the statement for the door at `endpoint`, open `since` (a FHIR dateTime); `tokens`: it asks for them."""
    return orjson.dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": since,
            "kind": "instance",
            "software": {"name": "plugin-host"},
            "implementation": {"description": "Intake of the channels of this plugin host", "url": endpoint},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "json"],
            "rest": [_rest(tokens=tokens)],
        }
    )


def _rest(*, tokens: bool) -> dict[str, Any]:
    return {
        "mode": "server",
        "documentation": (
            "An intake, not a repository: what is accepted is stored and delivered, and can be followed as a Task, but "
            "not read back. 202 says that it is on disk; the same request again is answered the same and does nothing. "
            "Bundles of type collection and message are taken at the base as well."
        ),
        "security": {"cors": False, **({"service": [OAUTH]} if tokens else {})},
        "resource": [
            {
                "type": "Appointment",
                "interaction": [{"code": "create", "documentation": "Answered with 202 and the Location of a Task."}],
                "versioning": "no-version",
                "conditionalCreate": False,
            },
            {
                "type": "Task",
                "interaction": [{"code": "read", "documentation": "How the delivery of an accepted message stands."}],
                "versioning": "no-version",
            },
        ],
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
        "operation": [{"name": "process-message", "definition": PROCESS_MESSAGE}],
    }
