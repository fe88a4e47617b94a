"""Rules of FHIR R4 that no schema can say, as a table: the standard's own names, and what breaks them.

Each rule gets a resource, which may be misshapen, and its parts (of the one repeated element that the type's rules
speak of), and returns the places that break it. Source: the constraints of the resources' structure definitions,
http://hl7.org/fhir/R4/<type>.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from transformers.fhir_finding import Finding, Json

#: An object of the document, and the rest of the path from there.
Place = tuple[Json, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One invariant."""

    #: As in the standard; None where the standard has it only in words.
    id: str | None
    text: str
    broken: Callable[[Json, Sequence[Json]], Sequence[Place]]


def check(resource_type: str, resource: Json) -> list[Finding]:
    """Return a finding for each place of a resource, of a type that has RULES, that breaks one."""
    parts = _objects(resource, PARTS.get(resource_type, ""))
    return [
        Finding(node, suffix, f"{rule.id}: {rule.text}" if rule.id else rule.text, "invariant")
        for rule in RULES[resource_type]
        for node, suffix in rule.broken(resource, parts)
    ]


def _objects(parent: Json, name: str) -> list[Json]:
    value = parent.get(name)
    return [item for item in value if type(item) is dict] if type(value) is list else []


def _participant_is_somebody(_: Json, participants: Sequence[Json]) -> Sequence[Place]:
    return [(one, "") for one in participants if "type" not in one and "actor" not in one]


def _start_and_end_go_together(appointment: Json, _: Sequence[Json]) -> Sequence[Place]:
    if ("start" in appointment) == ("end" in appointment):
        return ()
    return [(appointment, ".end" if "start" in appointment else ".start")]


def _times_are_known(appointment: Json, _: Sequence[Json]) -> Sequence[Place]:
    if "start" in appointment or "end" in appointment:  # one alone: app-2
        return ()
    return [(appointment, ".start")] if appointment.get("status") not in ("proposed", "cancelled", "waitlist") else ()


def _reason_only_when_cancelled(appointment: Json, _: Sequence[Json]) -> Sequence[Place]:
    if "cancelationReason" not in appointment or appointment.get("status") in ("cancelled", "noshow"):
        return ()
    return [(appointment, ".cancelationReason")]


def _end_after_start(resource: Json, _: Sequence[Json]) -> Sequence[Place]:
    start, end = resource.get("start"), resource.get("end")
    if start is None or end is None or _is_before(start, end):
        return ()
    return [(resource, ".end")]


def _is_before(start: Any, end: Any) -> bool:
    """Compare two instants; what is none is left to the schema."""
    if type(start) is not str or type(end) is not str:
        return True
    if start[19:] == end[19:]:  # the same fraction and zone, as nearly always
        return start < end
    try:
        return _instant(start) < _instant(end)
    except (ValueError, TypeError):
        return True


def _instant(text: str) -> datetime:
    # Python knows no leap second.
    return datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if text[17:19] == "60" else text)


def _modified_after_authored(task: Json, _: Sequence[Json]) -> Sequence[Place]:
    authored, modified = task.get("authoredOn"), task.get("lastModified")
    if type(authored) is not str or type(modified) is not str or modified == authored:
        return ()
    if "T" in authored and "T" in modified:
        earlier = _is_before(modified, authored)
    else:
        known = min(len(authored.partition("T")[0]), len(modified.partition("T")[0]))
        earlier = modified[:known] < authored[:known]
    return [(task, ".lastModified")] if earlier else ()


def _response_is_somebodys(response: Json, _: Sequence[Json]) -> Sequence[Place]:
    return () if "participantType" in response or "actor" in response else [(response, "")]


def _detail_has_a_code(request: Json, _: Sequence[Json]) -> Sequence[Place]:
    return [(request, ".orderDetail")] if "orderDetail" in request and "code" not in request else ()


def _items_below_item_or_answer(_: Json, items: Sequence[Json]) -> Sequence[Place]:
    broken: list[Place] = []
    waiting = list(items)
    for item in waiting:  # grows while it is walked
        if "item" in item and "answer" in item:
            broken.append((item, ""))
        waiting += _objects(item, "item")
        for answer in _objects(item, "answer"):
            waiting += _objects(answer, "item")
    return broken


def _name_or_query(_: Json, entities: Sequence[Json]) -> Sequence[Place]:
    return [(entity, "") for entity in entities if "name" in entity and "query" in entity]


def _total_only_in_results(bundle: Json, _: Sequence[Json]) -> Sequence[Place]:
    return [(bundle, ".total")] if "total" in bundle and bundle.get("type") not in ("searchset", "history") else ()


def _search_only_in_results(bundle: Json, entries: Sequence[Json]) -> Sequence[Place]:
    if bundle.get("type") == "searchset":
        return ()
    return [(entry, ".search") for entry in entries if "search" in entry]


def _request_where_it_belongs(bundle: Json, entries: Sequence[Json]) -> Sequence[Place]:
    if "type" not in bundle:
        return ()
    wanted = bundle.get("type") in ("batch", "transaction", "history")
    return [(entry, ".request") for entry in entries if ("request" in entry) is not wanted]


def _response_where_it_belongs(bundle: Json, entries: Sequence[Json]) -> Sequence[Place]:
    if "type" not in bundle:
        return ()
    wanted = bundle.get("type") in ("batch-response", "transaction-response", "history")
    return [(entry, ".response") for entry in entries if ("response" in entry) is not wanted]


def _entry_says_something(_: Json, entries: Sequence[Json]) -> Sequence[Place]:
    told = {"resource", "request", "response"}
    return [(entry, "") for entry in entries if told.isdisjoint(entry)]


def _full_url_is_unique(bundle: Json, entries: Sequence[Json]) -> Sequence[Place]:
    if bundle.get("type") == "history":
        return ()
    named = [entry for entry in entries if "fullUrl" in entry]
    if len({str(entry["fullUrl"]) for entry in named}) == len(named):
        return ()
    seen: set[tuple[str, str]] = set()
    broken: list[Place] = []
    for entry in named:
        key = (str(entry["fullUrl"]), str(_version(entry.get("resource"))))
        if key in seen:
            broken.append((entry, ".fullUrl"))
        seen.add(key)
    return broken


def _version(resource: Any) -> Any:
    meta = resource.get("meta") if isinstance(resource, dict) else None
    return meta.get("versionId") if isinstance(meta, dict) else None


def _full_url_without_version(_: Json, entries: Sequence[Json]) -> Sequence[Place]:
    return [(e, ".fullUrl") for e in entries if "/_history/" in str(e.get("fullUrl"))]


def _message_begins_with_header(bundle: Json, entries: Sequence[Json]) -> Sequence[Place]:
    if bundle.get("type") != "message":
        return ()
    first = next(iter(entries), {}).get("resource")
    return () if isinstance(first, dict) and first.get("resourceType") == "MessageHeader" else [(bundle, ".entry")]


#: The one repeated element that a type's rules speak of: looked up once for all of them.
PARTS = {"Appointment": "participant", "AuditEvent": "entity", "Bundle": "entry", "QuestionnaireResponse": "item"}

_END_AFTER_START = Rule(None, "end must be after start", _end_after_start)

RULES: dict[str, tuple[Rule, ...]] = {
    "Appointment": (
        Rule("app-1", "a participant has a type or an actor", _participant_is_somebody),
        Rule("app-2", "start and end are both there, or neither", _start_and_end_go_together),
        Rule("app-3", "only proposed, cancelled or waitlisted appointments lack start and end", _times_are_known),
        Rule("app-4", "cancelationReason only when cancelled or noshow", _reason_only_when_cancelled),
        _END_AFTER_START,
    ),
    "AppointmentResponse": (
        Rule("apr-1", "participantType or actor must be there", _response_is_somebodys),
        _END_AFTER_START,
    ),
    "AuditEvent": (Rule("sev-1", "an entity has a name or a query, not both", _name_or_query),),
    "Bundle": (
        Rule("bdl-1", "total only in a searchset or history", _total_only_in_results),
        Rule("bdl-2", "entry.search only in a searchset", _search_only_in_results),
        Rule("bdl-3", "entry.request in a batch, transaction or history, and only there", _request_where_it_belongs),
        Rule("bdl-4", "entry.response in a response or history, and only there", _response_where_it_belongs),
        Rule("bdl-5", "an entry has a resource, a request or a response", _entry_says_something),
        Rule("bdl-7", "fullUrl is unique, or the versions differ", _full_url_is_unique),
        Rule("bdl-8", "fullUrl names no version", _full_url_without_version),
        Rule("bdl-12", "a message begins with a MessageHeader", _message_begins_with_header),
    ),
    "QuestionnaireResponse": (
        Rule("qrs-1", "items stand below an item or below its answer, not both", _items_below_item_or_answer),
    ),
    "ServiceRequest": (Rule("prr-1", "orderDetail only with a code", _detail_has_a_code),),
    "Slot": (_END_AFTER_START,),
    "Task": (Rule("inv-1", "lastModified is not before authoredOn", _modified_after_authored),),
}
