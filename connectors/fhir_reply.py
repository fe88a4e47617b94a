"""What a FHIR server's answer means for a delivery, and what of it is kept.

An acceptance is a 2xx with FHIR in it and no error in that. A login page with status 200 is no answer that counts.
Source: FHIR R4 http.html (status codes), operationoutcome.html, bundle.html (transaction-response).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from connectors.base import Reply
from connectors.fhir_merge import loads
from connectors.http import HttpAnswer
from messages.lifecycle import Event

#: Somebody else was quicker: read again, put our change in again, write once more.
CONFLICTS = frozenset({409, 412})

# What the status says about trying again; what is not here goes by its class.
_EVENTS = {
    401: Event.DEFERRED,  # the token was renewed already: it is for a person, who may mend it in time
    408: Event.DEFERRED,
    409: Event.DEFERRED,
    412: Event.DEFERRED,
    423: Event.DEFERRED,
    425: Event.DEFERRED,
    429: Event.DEFERRED,
    501: Event.REFUSED,
    505: Event.REFUSED,
}
_CLASSES = {2: Event.ACCEPTED, 3: Event.DEFERRED, 4: Event.REFUSED, 5: Event.DEFERRED}
_KEPT_HEADERS = ("content-type", "etag", "last-modified", "location", "retry-after", "www-authenticate", "x-request-id")
_MARKS_OF_FHIR = ("etag", "last-modified", "location")
_LONGEST_REASON = 500


def read_reply(answer: HttpAnswer, entries: int | None = None) -> Reply:
    """Return what the answer to a write means; `entries`: how many answers a Bundle of them must hold.

    Raises:
        ConnectionError: a 2xx whose content is no FHIR, or does not answer every entry: no answer that counts.
    """
    document = _document(answer)
    if not 200 <= answer.status < 300:
        event = _EVENTS.get(answer.status, _CLASSES.get(answer.status // 100, Event.REFUSED))
        return reply(answer, event, f"{_phrase(answer)}: {_said(answer, document)}")
    if entries is not None:
        return _bundle_reply(answer, document, entries)
    if document is None:
        if answer.body or (answer.status not in (201, 204) and not any(n in answer.headers for n in _MARKS_OF_FHIR)):
            raise ConnectionError(f"the answer is {answer.status}, but what came with it is no FHIR")
        return reply(answer, Event.ACCEPTED, f"{_phrase(answer)} {_name(answer, {})}")
    if errors := _issues(document, ("fatal", "error")):
        return reply(answer, Event.REFUSED, f"{_phrase(answer)}, but: {errors}")
    warnings = _issues(document, ("warning",))
    said = f"; warned: {warnings}" if warnings else ""
    return reply(answer, Event.ACCEPTED, f"{_phrase(answer)} {_name(answer, document)}{said}")


def reply(answer: HttpAnswer, event: Event, reason: str) -> Reply:
    """Return a reply that keeps the answer as its evidence."""
    return Reply(raw=transcript(answer), event=event, reason=reason.strip(" :")[:_LONGEST_REASON])


def transcript(answer: HttpAnswer) -> bytes:
    """Return an answer to keep: the status, the headers that say what was written, the content."""
    lines = [f"HTTP {_phrase(answer)}"]
    lines += [f"{name}: {answer.headers[name]}" for name in _KEPT_HEADERS if name in answer.headers]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body


def read_refusal(answer: HttpAnswer) -> Reply | None:
    """Return why a read or a search gave nothing to work with; None where it gave a resource.

    Raises:
        ConnectionError: a 2xx with neither a resource nor an error in it: no answer that counts.
    """
    document = _document(answer)
    is_found = 200 <= answer.status < 300
    if is_found and document is not None and document["resourceType"] != "OperationOutcome":
        return None
    refusal = read_reply(answer)
    if refusal.event is Event.ACCEPTED:
        raise ConnectionError(f"the answer is {answer.status}, but no resource came with it")
    return refusal


def read_resource(answer: HttpAnswer) -> dict[str, Any]:
    """Return the resource that a read or a search gave, once `read_refusal` has found nothing.

    Raises:
        ConnectionError: there is none.
    """
    document = _document(answer)
    if document is None:
        raise ConnectionError(f"the answer is {answer.status}, but what came with it is no FHIR")
    return document


def read_matches(answer: HttpAnswer, kind: str) -> list[dict[str, Any]]:
    """Return the resources that a search found, without what came along (`include`, `outcome`).

    Raises:
        ConnectionError: not a Bundle.
    """
    bundle = read_resource(answer)
    entries = bundle.get("entry", [])
    if bundle["resourceType"] != "Bundle" or not isinstance(entries, list):
        raise ConnectionError("the answer to the search is no Bundle")
    found = []
    for entry in entries:
        resource, search = (entry.get(name) for name in ("resource", "search")) if isinstance(entry, dict) else (0, 0)
        mode = search.get("mode", "match") if isinstance(search, dict) else "match"
        if isinstance(resource, dict) and resource.get("resourceType") == kind and mode == "match":
            found.append(resource)
    return found


def version_of(resource: Mapping[str, Any]) -> str | None:
    """Return meta.versionId."""
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def _bundle_reply(answer: HttpAnswer, document: dict[str, Any] | None, entries: int) -> Reply:
    """A transaction is done as a whole; of a batch each entry has its own status, and one that failed is not done."""
    if document is not None and (errors := _issues(document, ("fatal", "error"))):
        return reply(answer, Event.REFUSED, f"{_phrase(answer)}, but: {errors}")
    given = document.get("entry") if document and document.get("resourceType") == "Bundle" else None
    if not isinstance(given, list) or len(given) != entries:
        raise ConnectionError(f"the answer is {answer.status}, but does not answer each of the {entries} entries")
    failed = [(number, response) for number, response in _responses(given) if not _is_done(response)]
    if not failed:
        return reply(answer, Event.ACCEPTED, f"{_phrase(answer)}, all {entries} entries")
    told = "; ".join(
        f"entry {number}: {response.get('status')} {_issues(response.get('outcome'), ('fatal', 'error'))}".strip()
        for number, response in failed[:3]
    )
    return reply(answer, Event.REFUSED, f"{_phrase(answer)}, but {len(failed)} of {entries} entries failed: {told}")


def _responses(entries: Sequence[Any]) -> list[tuple[int, Mapping[str, Any]]]:
    found = [entry.get("response") if isinstance(entry, dict) else None for entry in entries]
    return [(number, response if isinstance(response, dict) else {}) for number, response in enumerate(found)]


def _is_done(response: Mapping[str, Any]) -> bool:
    return str(response.get("status", "")).startswith("2") and not _issues(response.get("outcome"), ("fatal", "error"))


def _document(answer: HttpAnswer) -> dict[str, Any] | None:
    """Return the resource in an answer; None where there is none."""
    try:
        document = loads(answer.body) if answer.body else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("resourceType"), str) else None


def _phrase(answer: HttpAnswer) -> str:
    try:
        return f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        return str(answer.status)


def _name(answer: HttpAnswer, document: Mapping[str, Any]) -> str:
    """Return which resource was written, and in which version, as far as the answer says."""
    if document.get("id") and (version := version_of(document)):
        return f"{document['resourceType']}/{document['id']}/_history/{version}"
    return "/".join(answer.headers.get("location", "").split("/")[-4:])


def _said(answer: HttpAnswer, document: dict[str, Any] | None) -> str:
    asked = answer.headers.get("retry-after")
    wait = f"Retry-After {asked}; " if asked else ""
    if document is None:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        return f"{wait}no FHIR, but {kind or 'bytes without a type'}" if answer.body else wait.rstrip("; ")
    return wait + _issues(document, ("fatal", "error", "warning", "information"))


def _issues(document: Any, severities: Sequence[str]) -> str:
    """Return the issues of an OperationOutcome in words: code, place, text. For a person: it may hold patient data."""
    if not isinstance(document, dict) or document.get("resourceType") != "OperationOutcome":
        return ""
    issues = [issue for issue in document.get("issue") or [] if isinstance(issue, dict)]
    return "; ".join(_issue(issue) for issue in issues if issue.get("severity") in severities)


def _issue(issue: Mapping[str, Any]) -> str:
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    places = issue.get("expression") or issue.get("location") or []
    place = f" at {places[0]}" if isinstance(places, list) and places else ""
    said = text or issue.get("diagnostics") or ""
    return f"{issue.get('code', 'unknown')}{place}" + (f": {said}" if said else "")
