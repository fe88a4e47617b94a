"""What became of a delivery, told to the channels that follow it (`from: { connector: outcomes, of: … }`).

The document is a FHIR Bundle of type collection, whatever the followed channel receives:

| entry | what it is |
|---|---|
| those of the message | a Bundle's own entries at their places; another resource as the first; no FHIR: a Binary |
| OperationOutcome | one issue for each thing that was said: `details.coding.code` and `details.text` |
| Parameters | `outcome`, `channel`, `destination`, `message`, `delivery`, `action`, `at`, `answer` (the peer's \
bytes), `focus` (the entry of the thing it was about: `%it`), `index` (parts: the searchable values of the message) |

Sources: FHIR R4 bundle.html (bdl-3: no `request` in a collection), operationoutcome.html, parameters.html.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from messages.lifecycle import Event

#: Words of `when:`, by the event of the lifecycle that they stand for.
OUTCOMES: dict[Event, str] = {
    Event.REFUSED: "refused",  # the peer said no for good
    Event.UNMAPPABLE: "parked",  # a rule of the mapping failed
    Event.HELD: "parked",  # no answer, and a person is to decide
    Event.ACCEPTED: "sent",
    Event.PROVEN: "verified",
    Event.RULED_OUT: "filtered",
    Event.CANCELLED: "cancelled",
}
WORDS = tuple(dict.fromkeys(OUTCOMES.values()))
#: What a follow-up message came as.
CONTENT_TYPE = "application/fhir+json"
_FAILED = frozenset({"refused", "parked", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that was said about a delivery: by a rule of the mapping, or by the peer."""

    #: RESOURCE_UNKNOWN, or the peer's own (ERR-5, MSA-1, OperationOutcome.issue.details).
    code: str
    #: May be the peer's words, and hold anything: stored and shown, never logged.
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one delivery. Holds patient data."""

    outcome: str
    channel: str
    destination: str
    #: ULID of the message.
    message: str
    delivery: int
    action: str | None
    #: Seconds since 1970-01-01 UTC.
    at: float
    #: At least one.
    issues: Sequence[Issue]
    answer: bytes | None = field(default=None, repr=False)
    index: Mapping[str, str] = field(default_factory=dict, repr=False)


def document(body: bytes, content_type: str, focus: int | None, outcome: Outcome) -> tuple[bytes, int | None]:
    """Return the document of an outcome, and the entry number of the thing that its message was about."""
    entries, about = _entries(body, content_type, focus)
    entries += [{"resource": _operation_outcome(outcome)}, {"resource": _parameters(outcome, about)}]
    bundle = {"resourceType": "Bundle", "type": "collection", "timestamp": _instant(outcome.at), "entry": entries}
    return orjson.dumps(bundle, default=_digits), about


def focus_of(told: Mapping[str, Any]) -> int | None:
    """Return the entry number of the thing that the message was about, from a document made by `document`."""
    resources = [entry.get("resource") or {} for entry in told.get("entry") or ()]
    last = (one for one in reversed(resources) if one.get("resourceType") == "Parameters")
    parameters: Mapping[str, Any] = next(last, {})
    found = (one.get("valueInteger") for one in parameters.get("parameter") or () if one.get("name") == "focus")
    return next(found, None)


def _entries(body: bytes, content_type: str, focus: int | None) -> tuple[list[dict[str, Any]], int | None]:
    try:
        resource = json.loads(body, parse_float=Decimal)  # the precision of a decimal is part of its value
    except ValueError:
        resource = None
    if not isinstance(resource, dict) or "resourceType" not in resource:
        data = base64.b64encode(body).decode()
        return [{"resource": {"resourceType": "Binary", "contentType": content_type, "data": data}}], None
    if resource["resourceType"] != "Bundle":
        return [{"resource": resource}], 0
    kept = ("fullUrl", "resource", "link")
    entries = [{name: entry[name] for name in kept if name in entry} for entry in resource.get("entry", [])]
    return entries, focus


def _digits(number: Decimal) -> orjson.Fragment:
    return orjson.Fragment(str(number))


def _operation_outcome(outcome: Outcome) -> dict[str, Any]:
    failed = outcome.outcome in _FAILED
    issues = [
        {
            "severity": "error" if failed else "information",
            "code": "business-rule" if failed else "informational",
            "details": {"coding": [{"code": issue.code}]} | ({"text": issue.text} if issue.text else {}),
        }
        for issue in outcome.issues
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _parameters(outcome: Outcome, focus: int | None) -> dict[str, Any]:
    texts = {
        "outcome": outcome.outcome, "channel": outcome.channel, "destination": outcome.destination,
        "message": outcome.message, "delivery": str(outcome.delivery), "action": outcome.action,
    }  # fmt: skip
    parameter: list[dict[str, Any]] = [{"name": name, "valueString": text} for name, text in texts.items() if text]
    parameter.append({"name": "at", "valueInstant": _instant(outcome.at)})
    if focus is not None:
        parameter.append({"name": "focus", "valueInteger": focus})
    if outcome.answer:
        parameter.append({"name": "answer", "valueBase64Binary": base64.b64encode(outcome.answer).decode()})
    parts = [{"name": name, "valueString": text} for name, text in outcome.index.items() if text]
    if parts:
        parameter.append({"name": "index", "part": parts})
    return {"resourceType": "Parameters", "parameter": parameter}


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
