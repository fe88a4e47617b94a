"""Changes to a resource that others write to as well: ours in, theirs kept. Pure functions over parsed JSON.

Decimals keep their digits (FHIR R4 datatypes.html: the precision of a decimal is part of its value).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

import orjson

Resource = dict[str, Any]


class Decimal(float):
    """A number of JSON with its digits as they were written: 1.10 stays 1.10."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def loads(body: bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: not JSON in UTF-8.
    """
    return json.loads(body, parse_float=Decimal)


def dumps(document: Any) -> bytes:
    """Return JSON, decimals as they were written."""
    return orjson.dumps(document, default=lambda number: orjson.Fragment(number.text))


def merged(theirs: Resource, ours: Resource, join: Mapping[str, tuple[str, ...]]) -> Resource:
    """Return the server's resource with our elements put in; null removes an element, and all others stay.

    Items of the lists in `join` are merged one by one; the elements given there tell the items apart.

    >>> merged({"id": "1", "status": "proposed", "comment": "x"}, {"status": "booked", "comment": None}, {})
    {'id': '1', 'status': 'booked'}
    """
    result = dict(theirs)
    for name, value in ours.items():
        if name in ("id", "meta"):
            continue  # the server's own
        if name in join and isinstance(value, list) and isinstance(theirs.get(name), list):
            result[name] = _joined(theirs[name], value, join[name])
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = value
        if f"_{name}" not in ours and result.get(name) != theirs.get(name):
            result.pop(f"_{name}", None)  # extensions of a value that is no longer there
    if result != theirs and "text" not in ours and _is_generated(theirs.get("text")):
        del result["text"]  # a narrative made from the old elements would contradict the new ones
    return result


def json_patch(before: Resource, after: Resource) -> list[dict[str, Any]]:
    """Return the JSON Patch (RFC 6902) from one resource to another, each old element tested before it goes.

    >>> json_patch({"status": "proposed"}, {"status": "booked", "comment": "x"})[1:]
    [{'op': 'replace', 'path': '/status', 'value': 'booked'}, {'op': 'add', 'path': '/comment', 'value': 'x'}]
    """
    patch: list[dict[str, Any]] = []
    for name in [*before, *(name for name in after if name not in before)]:
        path = f"/{name}"
        if name in before and before[name] != after.get(name):
            patch.append({"op": "test", "path": path, "value": before[name]})
            if name in after:
                patch.append({"op": "replace", "path": path, "value": after[name]})
            else:
                patch.append({"op": "remove", "path": path})
        elif name not in before:
            patch.append({"op": "add", "path": path, "value": after[name]})
    return patch


def _joined(theirs: list[Any], ours: list[Any], keys: tuple[str, ...]) -> list[Any]:
    result = list(theirs)
    for item in ours:
        identity = [_at(item, key) for key in keys]
        same = (n for n, other in enumerate(theirs) if [_at(other, key) for key in keys] == identity)
        at = next(same, None)
        if any(part is not None for part in identity) and at is not None:
            result[at] = _into(theirs[at], item)
        elif item not in result:
            result.append(item)
    return result


def _into(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Return an item of a list with ours put in: an object in it is merged too, so that what we do not name stays.

    >>> _into({"actor": {"reference": "Patient/1"}, "status": "needs-action"}, {"actor": {"type": "Patient"}})
    {'actor': {'reference': 'Patient/1', 'type': 'Patient'}, 'status': 'needs-action'}

    A Reference that names something else takes the whole place: the old one's url would still mean the old thing.

    >>> _into({"actor": {"reference": "HealthcareService/1", "display": "CT"}}, {"actor": {"display": "MR"}})
    {'actor': {'display': 'MR'}}
    """
    inner = {
        name: _into(theirs[name], value)
        for name, value in ours.items()
        if isinstance(value, dict) and isinstance(theirs.get(name), dict) and not _is_another(theirs[name], value)
    }
    return without_nulls({**theirs, **ours, **inner})


#: What a Reference names its thing by, and its other elements (FHIR R4 references.html).
_NAMES = ("reference", "identifier", "display")
_REFERENCE = frozenset({*_NAMES, "type", "id", "extension"})


def _is_another(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Say whether both are References, and ours names another thing."""
    if not (theirs.keys() | ours.keys()) <= _REFERENCE or not theirs.keys() & set(_NAMES):
        return False
    return any(ours.get(name) not in (None, theirs.get(name)) for name in _NAMES)


def without_nulls(element: dict[str, Any]) -> dict[str, Any]:
    """Return an element without the members that are null: FHIR's JSON has none."""
    return {name: value for name, value in element.items() if value is not None}


def _at(item: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(item, dict):
            return None
        item = _type_of(item) if name == "type" and "type" not in item else item.get(name)
    return item


def _type_of(reference: dict[str, Any]) -> str | None:
    """Return the type that a Reference without `type` names in its url (FHIR R4 references.html, Reference.type)."""
    url = reference.get("reference")
    parts = url.partition("/_history/")[0].split("/") if isinstance(url, str) else []
    return parts[-2] if len(parts) > 1 and parts[-2][:1].isupper() else None


def _is_generated(text: Any) -> bool:
    return isinstance(text, dict) and text.get("status") in ("generated", "extensions")
