"""What a page of a search holds: each resource that was found, with those that came along and that it refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.fhir_envelope import is_id
from connectors.fhir_merge import dumps
from connectors.fhir_reply import version_of

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One version of a resource."""

    #: `Type/id/_history/version`.
    name: str
    updated: datetime
    #: A Bundle of type collection: the resource first, then what it refers to.
    body: bytes = field(repr=False)


def changes(bundle: Mapping[str, Any], kind: str, base: str) -> Iterator[Change]:
    """Return what was found, in the order in which the page has it.

    Raises:
        ConnectionError: the page is no searchset of resources with ids, versions and times.
    """
    try:
        matches = [entry for entry in bundle.get("entry", []) if _mode(entry) == "match"]
        along = {_name(entry["resource"]): entry for entry in bundle.get("entry", []) if _mode(entry) == "include"}
        for entry in matches:
            resource = entry["resource"]
            if resource["resourceType"] == kind:
                yield Change(
                    name=f"{_name(resource)}/_history/{_version(resource)}",
                    updated=datetime.fromisoformat(resource["meta"]["lastUpdated"]),
                    body=dumps(_collection([entry, *_referred_to(resource, along, base)], base)),
                )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ConnectionError("the server's page holds resources without id, version or time") from None


def _mode(entry: Entry) -> str:
    mode: str = entry.get("search", {}).get("mode", "match")
    return mode


def _name(resource: Mapping[str, Any]) -> str:
    if not is_id(resource["id"]):
        raise ValueError("not an id")
    return f"{resource['resourceType']}/{resource['id']}"


def _version(resource: Mapping[str, Any]) -> str:
    version = version_of(resource)
    if not is_id(version):
        raise ValueError("not a version")
    return str(version)


def _referred_to(resource: Mapping[str, Any], along: Mapping[str, Entry], base: str) -> list[Entry]:
    """Return the entries that a resource refers to, and those that these refer to, each once."""
    found: dict[str, Entry] = {}
    ahead = list(_references(resource))
    while ahead:
        name = ahead.pop(0).removeprefix(f"{base}/").partition("/_history/")[0]
        if name in along and name not in found:
            found[name] = along[name]
            ahead += _references(along[name]["resource"])
    return list(found.values())


def _references(element: Any) -> Iterator[str]:
    if isinstance(element, dict):
        if isinstance(element.get("reference"), str):
            yield element["reference"]
        for value in element.values():
            yield from _references(value)
    elif isinstance(element, list):
        for item in element:
            yield from _references(item)


def _collection(entries: list[Entry], base: str) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": entry.get("fullUrl") or f"{base}/{_name(entry['resource'])}", "resource": entry["resource"]}
            for entry in entries
        ],
    }
