"""What the FHIR door answers, as FHIR R4 resources in bytes. Pure: no input, no output, no value of a patient.

Sources: FHIR R4 OperationOutcome, Bundle (transaction-response, batch-response), MessageHeader.response, Task.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.base import Answer
from messages.lifecycle import OPEN, SHARES, Status
from messages.message import Message
from messages.problem import Problem

ACCEPTED = 202

#: System of `Problem.code` in `issue.details.coding`.
CODE_SYSTEM = "urn:plugin-host:problem"
#: System of a delivery's status in `Task.output.valueCoding`.
STATUS_SYSTEM = "urn:plugin-host:delivery-status"

_RESPONSE_TYPES = {"transaction": "transaction-response", "batch": "batch-response"}
_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def operation_outcome(problems: Iterable[Problem]) -> bytes:
    """Return an OperationOutcome with one issue for each problem."""
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [_issue(problem) for problem in problems]})


def _issue(problem: Problem) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": problem.severity,
        "code": problem.issue_type,
        "details": {"coding": [{"system": CODE_SYSTEM, "code": problem.code}], "text": problem.text},
    }
    if problem.hint:
        issue["diagnostics"] = problem.hint
    if problem.expression:
        issue["expression"] = [problem.expression]
    return issue


def accepted(document: Any, messages: Sequence[Message], base: str, endpoint: str) -> Answer:
    """Return the answer to a document that is being stored as `messages`.

    Args:
        document: The parsed body: a Bundle or another resource.
        messages: What it became; `focus` is the entry's number, None the whole Bundle.
        base: What stands before `/Task/…` in the Location header: an absolute URL or a path.
        endpoint: Our own address, for `MessageHeader.source`.
    """
    bundle_type = document.get("type") if document.get("resourceType") == "Bundle" else None
    by_entry, warnings = _by_entry(document, messages), _warnings(document, messages)
    if bundle_type in _RESPONSE_TYPES:
        body = _entry_responses(_RESPONSE_TYPES[bundle_type], len(document.get("entry", ())), by_entry, warnings)
    elif bundle_type == "message":
        body = _message_response(document, _accepted_outcome(by_entry, warnings), endpoint)
    else:
        body = _accepted_outcome(by_entry, warnings)
    location = {"Location": f"{base}/Task/{messages[0].id}"} if messages else {}
    return Answer(status=ACCEPTED, body=orjson.dumps(body), headers=location)


#: Issues of an OperationOutcome by entry number; None for the document itself.
Issues = Mapping[int | None, list[dict[str, Any]]]


def _by_entry(document: Mapping[str, Any], messages: Iterable[Message]) -> dict[int | None, list[str]]:
    """Task ids by entry number."""
    tasks: dict[int | None, list[str]] = {}
    whole = _whole(document)
    for message in messages:
        tasks.setdefault(whole if message.focus is None else message.focus, []).append(message.id)
    return tasks


def _warnings(document: Mapping[str, Any], messages: Iterable[Message]) -> Issues:
    """What the sender is warned of, by entry number."""
    issues: dict[int | None, list[dict[str, Any]]] = {}
    for message in messages:
        for warning in message.warnings:
            number = _whole(document) if message.focus is None else message.focus
            issues.setdefault(number, []).append(_issue(warning))
    return issues


def _whole(document: Mapping[str, Any]) -> int | None:
    """Return the entry at which a message about the whole Bundle stands: its first Appointment."""
    if document.get("resourceType") != "Bundle":
        return None
    types = [entry.get("resource", {}).get("resourceType") for entry in document.get("entry", ())]
    return types.index("Appointment") if "Appointment" in types else (0 if types else None)


def _entry_responses(
    response_type: str, entries: int, by_entry: Mapping[int | None, list[str]], warnings: Issues
) -> dict[str, Any]:
    answers = []
    for number in range(entries):
        response: dict[str, Any] = {"status": "202 Accepted"}
        if number in by_entry:
            first, *others = by_entry[number]
            response["location"] = f"Task/{first}"
            told = warnings.get(number, [])
            if others or told:  # several channels took the same entry, and `location` holds one
                accepted_too = _accepted_outcome({number: others})["issue"] if others else []
                response["outcome"] = {"resourceType": "OperationOutcome", "issue": [*told, *accepted_too]}
        answers.append({"response": response})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": response_type}
    if answers:
        bundle["entry"] = answers
    return bundle


def _accepted_outcome(by_entry: Mapping[int | None, list[str]], warnings: Issues | None = None) -> dict[str, Any]:
    issues = [issue for told in (warnings or {}).values() for issue in told]
    for number, tasks in by_entry.items():
        for task in tasks:
            issue: dict[str, Any] = {
                "severity": "information",
                "code": "informational",
                "details": {"text": f"Accepted and stored. Its way can be followed at Task/{task}."},
            }
            if number is not None:
                issue["expression"] = [f"Bundle.entry[{number}]"]
            issues.append(issue)
    if not issues:
        nothing = {"text": "Accepted and stored. No channel has anything to do with it."}
        issues.append({"severity": "information", "code": "informational", "details": nothing})
    return {"resourceType": "OperationOutcome", "issue": issues}


def _message_response(document: Mapping[str, Any], outcome: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """A message Bundle that answers another one (FHIR R4, 2.4.4; bdl-12: the header is the first entry)."""
    entries = document.get("entry") or [{}]
    asked = entries[0].get("resource", {})
    answer_id, outcome_id = str(uuid.uuid4()), str(uuid.uuid4())
    header: dict[str, Any] = {"resourceType": "MessageHeader", "id": answer_id}
    header |= {name: asked[name] for name in ("eventCoding", "eventUri") if name in asked}
    header["source"] = {"endpoint": endpoint}
    header["response"] = {
        "identifier": _header_id(entries[0]),
        "code": "ok",
        "details": {"reference": f"urn:uuid:{outcome_id}"},
    }
    return {
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": _instant(datetime.now(UTC).timestamp()),
        "entry": [
            {"fullUrl": f"urn:uuid:{answer_id}", "resource": header},
            {"fullUrl": f"urn:uuid:{outcome_id}", "resource": {**outcome, "id": outcome_id}},
        ],
    }


def _header_id(entry: Mapping[str, Any]) -> str:
    """The id to answer to: MessageHeader.id, else the last part of its fullUrl (`urn:uuid:…`)."""
    given = entry.get("resource", {}).get("id") or re.split(r"[:/]", entry.get("fullUrl", ""))[-1]
    return given if _FHIR_ID.fullmatch(given) else "unknown"


def task(message_id: str, deliveries: Sequence[Mapping[str, object]]) -> bytes:
    """Return the state of an accepted message as a Task: how it stands, and each destination's status.

    The `reason` of a delivery is left out on purpose: it is for persons at the host, and may quote a peer's words.
    """
    statuses = [Status(str(delivery["status"])) for delivery in deliveries]
    resource: dict[str, Any] = {
        "resourceType": "Task",
        "id": message_id,
        "status": _task_status(statuses),
        "intent": "order",
        "code": {"text": "Deliver an accepted message"},
    }
    if Status.ERROR in statuses:
        resource["statusReason"] = {"text": "Parked: a person at the host decides. The Task's id is all they need."}
    times = [float(str(delivery["at"])) for delivery in deliveries if delivery.get("at") is not None]
    if times:
        resource["lastModified"] = _instant(max(times))
    if deliveries:
        resource["output"] = [
            {
                "type": {"text": str(delivery["destination"])},
                "valueCoding": {"system": STATUS_SYSTEM, "code": status.value},
            }
            for delivery, status in zip(deliveries, statuses, strict=True)
        ]
    return orjson.dumps(resource)


def _task_status(statuses: Sequence[Status]) -> str:
    """Task.status (FHIR R4 value set task-status) of all deliveries together, the worst news first."""
    present = frozenset(statuses)
    if Status.ERROR in present:
        return "on-hold"
    if present & OPEN:
        return "accepted" if present == {Status.RECEIVED} else "in-progress"
    if Status.CANCELLED in present:
        return "cancelled"
    if present & SHARES["delivered"] or not present:
        return "completed"
    return "rejected"  # every destination FILTERED: a rule of the mapping said no


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
