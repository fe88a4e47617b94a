"""What the simulated OmegaAI holds: FHIR R4 resources with their versions, in memory.

Written from FHIR R4 http.html, search.html and bundle.html; as much as the channels use, no more: create, conditional
create, read, update, conditional update, JSON Patch of whole elements, search with paging, transaction and batch.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

Resource = dict[str, Any]
_REFERENCE = r'"reference": "([A-Za-z]+)/([A-Za-z0-9.-]+)"'
_SEARCHABLE = ("identifier", "_id", "_lastUpdated", "status", "actor", "category", "date", "patient", "url",
               "version")  # fmt: skip
_STEERING = ("_count", "_sort", "_offset", "_include", "_include:iterate")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status, headers that go with it, and the resource that is the answer."""

    status: int
    resource: Resource
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, taken apart."""

    method: str
    #: Behind the base, without slashes at its ends.
    path: str
    query: str = ""
    #: Names in lower case.
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Refused(Exception):
    """The request is answered with an error; nothing was done."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.outcome = Outcome(status, operation_outcome("error", text))


def operation_outcome(severity: str, text: str, code: str = "processing") -> Resource:
    """Return an OperationOutcome with one issue."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, "diagnostics": text}]}


class Records:
    """The resources, and what a request does to them."""

    def __init__(self, base: str = "http://127.0.0.1/fhir") -> None:
        self.base = base
        self._held: dict[tuple[str, str], list[Resource]] = {}
        self._ids = itertools.count(1)

    def read(self, kind: str, identity: str) -> Resource:
        """Return the current version.

        Raises:
            Refused: 404.
        """
        versions = self._held.get((kind, identity))
        if not versions:
            raise Refused(404, f"there is no {kind} with this id")
        return versions[-1]

    def all(self, kind: str) -> list[Resource]:
        """Return the current versions of a type, in the order of their creation."""
        return [versions[-1] for (held, _), versions in self._held.items() if held == kind]

    def write(self, resource: Resource, identity: str | None = None) -> Resource:
        """Store a new version, or a new resource, whatever it was before; return it with its id and meta."""
        identity = identity or f"o{next(self._ids)}"
        kind = resource["resourceType"]
        versions = self._held.setdefault((kind, identity), [])
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        meta = {**resource.get("meta", {}), "versionId": str(len(versions) + 1), "lastUpdated": now}
        versions.append({**resource, "id": identity, "meta": meta})
        return versions[-1]

    def carry_out(self, asked: Asked) -> Outcome:
        """Do what a request asks for, and return the answer."""
        try:
            return self._carry_out(asked)
        except Refused as refused:
            return refused.outcome
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return Outcome(400, operation_outcome("error", f"the request cannot be read ({type(error).__name__})"))

    def _carry_out(self, asked: Asked) -> Outcome:
        kind, _, rest = asked.path.partition("/")
        match asked.method, kind, rest:
            case "POST", "", "":
                return self._bundle(json.loads(asked.body))
            case ("POST", _, "_search") | ("GET", _, ""):
                return self._searched(kind, asked)
            case "GET", _, _:
                resource = self.read(kind, rest)
                return Outcome(200, resource, self._marks(resource))
            case "POST", _, "":
                return self._create(kind, json.loads(asked.body), asked.headers.get("if-none-exist"))
            case (("PUT" | "PATCH"), _, _):
                return self._update(asked, kind, rest)
        raise Refused(405, "this server does not do that")

    def _create(self, kind: str, resource: Resource, if_none_exist: str | None) -> Outcome:
        if resource["resourceType"] != kind:
            raise Refused(400, "the resource is of another type than the address")
        if if_none_exist:
            found = self._one(kind, if_none_exist)
            if found is not None:
                return Outcome(200, found, self._marks(found))
        written = self.write(resource)
        return Outcome(201, written, self._marks(written))

    def _update(self, asked: Asked, kind: str, identity: str) -> Outcome:
        if identity:
            before = self.read(kind, identity)
        else:
            found = self._one(kind, asked.query)
            if found is None:
                return self._create(kind, json.loads(asked.body), None)
            before, identity = found, found["id"]
        expected = asked.headers.get("if-match")
        if expected is not None and expected != self._marks(before)["ETag"]:
            raise Refused(412, "the resource has another version by now")
        given = json.loads(asked.body)
        written = self.write(_patched(before, given) if asked.method == "PATCH" else given, identity)
        return Outcome(200, written, self._marks(written))

    def _bundle(self, bundle: Resource) -> Outcome:
        """Do the entries in their order; a transaction is undone as a whole when one cannot be done."""
        before = {key: list(versions) for key, versions in self._held.items()}
        answers = []
        for entry in bundle["entry"]:
            request = entry["request"]
            path, _, query = request["url"].partition("?")
            headers = {"if-none-exist": request.get("ifNoneExist"), "if-match": request.get("ifMatch")}
            asked = Asked(
                method=request["method"], path=path, query=query, body=json.dumps(entry.get("resource")).encode(),
                headers={name: value for name, value in headers.items() if value},
            )  # fmt: skip
            outcome = self.carry_out(asked)
            if outcome.status >= 400 and bundle["type"] == "transaction":
                self._held = before
                return outcome
            answers.append(_entry_answer(outcome))
        return Outcome(200, {"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": answers})

    def _one(self, kind: str, query: str) -> Resource | None:
        found = self._matching(kind, parse_qsl(query))
        if len(found) > 1:
            raise Refused(412, "more than one resource matches")
        return found[0] if found else None

    def _searched(self, kind: str, asked: Asked) -> Outcome:
        form = asked.body.decode() if asked.method == "POST" else ""
        criteria = parse_qsl(asked.query) + parse_qsl(form)
        unknown = [name for name, _ in criteria if name not in _SEARCHABLE + _STEERING]
        if unknown and "handling=strict" in asked.headers.get("prefer", ""):
            raise Refused(400, "the search has a parameter that this server does not know")
        found = sorted(self._matching(kind, criteria), key=lambda resource: str(resource["meta"]["lastUpdated"]))
        steering = dict(criteria)
        offset, count = int(steering.get("_offset", 0)), int(steering.get("_count", 50))
        page = found[offset : offset + count]
        along = self._referred_to(page) if "_include" in steering else []
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "entry": [self._entry(item, "match") for item in page] + [self._entry(item, "include") for item in along],
        }
        if offset + count < len(found):
            further = [*((name, value) for name, value in criteria if name != "_offset"), ("_offset", offset + count)]
            bundle["link"] = [{"relation": "next", "url": f"{self.base}/{kind}?{urlencode(further)}"}]
        return Outcome(200, bundle)

    def _entry(self, resource: Resource, mode: str) -> Resource:
        url = f"{self.base}/{resource['resourceType']}/{resource['id']}"
        return {"fullUrl": url, "resource": resource, "search": {"mode": mode}}

    def _referred_to(self, resources: list[Resource]) -> list[Resource]:
        """Return what the resources refer to, whatever _include names, and what that refers to."""
        found: dict[tuple[str, str], Resource] = {}
        ahead = [name for resource in resources for name in re.findall(_REFERENCE, json.dumps(resource))]
        while ahead:
            name = ahead.pop()
            versions = self._held.get(name)
            if versions and name not in found:
                found[name] = versions[-1]
                ahead += re.findall(_REFERENCE, json.dumps(versions[-1]))
        return list(found.values())

    def _matching(self, kind: str, criteria: list[tuple[str, str]]) -> list[Resource]:
        return [
            item
            for item in self.all(kind)
            if all(_matches(item, name, value) for name, value in criteria if name in _SEARCHABLE)
        ]

    def _marks(self, resource: Resource) -> dict[str, str]:
        version = resource["meta"]["versionId"]
        location = f"{self.base}/{resource['resourceType']}/{resource['id']}/_history/{version}"
        return {"ETag": f'W/"{version}"', "Location": location}


def _matches(resource: Resource, name: str, value: str) -> bool:
    if name == "identifier":
        system, _, wanted = value.rpartition("|")
        return any(
            item.get("value") == wanted and (not system or item.get("system") == system)
            for item in resource.get("identifier", [])
        )
    if name == "_lastUpdated":
        when = datetime.fromisoformat(resource["meta"]["lastUpdated"])
        bound = datetime.fromisoformat(value[2:])
        return when >= bound if value.startswith("ge") else when > bound
    if name in {"patient", "actor"}:
        of = resource.get("patient") or resource.get("subject") or {}
        actors = (one.get("actor", {}) for one in resource.get("participant", []))
        return value in {one.get("reference") for one in (actors if name == "actor" else [of])}
    if name == "category":
        return any(code.get("code") == value for one in resource.get("category", []) for code in one.get("coding", []))
    if name == "date":  # as much as the channels ask: the day, or later
        return str(resource.get("start", "")) >= value.removeprefix("ge")
    return resource.get(name.removeprefix("_")) in value.split(",")


def _patched(resource: Resource, patch: list[dict[str, Any]]) -> Resource:
    """Apply a JSON Patch (RFC 6902) of elements at the top of a resource.

    Raises:
        Refused: 422, a test failed, or the operation is not one of these.
    """
    result = dict(resource)
    for operation in patch:
        name = operation["path"].removeprefix("/")
        match operation["op"]:
            case "test" if result.get(name) != operation["value"]:
                raise Refused(422, "a test of the patch failed")
            case "test":
                continue
            case "add" | "replace":
                result[name] = operation["value"]
            case "remove":
                del result[name]
            case _:
                raise Refused(422, "this server does not know the patch's operation")
    return result


def _entry_answer(outcome: Outcome) -> Resource:
    response: Resource = {"status": str(outcome.status)}
    if outcome.resource["resourceType"] == "OperationOutcome":
        return {"response": response | {"outcome": outcome.resource}}
    marks = {"location": outcome.headers["Location"], "etag": outcome.headers["ETag"]}
    return {"resource": outcome.resource, "response": response | marks}
