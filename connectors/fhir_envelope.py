"""What a transformer hands to the FHIR sender: one change to a FHIR server, as a JSON object.

The words are those of FHIR's own Bundle.entry.request where it has them; the rest says how a change is made without
losing what others wrote, and without an identifier in a URL.

| key | what it is |
|---|---|
| method | `POST` creates, `PUT` creates or updates, `PATCH` changes what is there by a JSON Patch of the \
transformer's (give it `test` operations: a resend applies it again) |
| path | a type (`Appointment`), a resource (`Appointment/8c1f`), or `""` for a Bundle |
| body | the resource; for PATCH a JSON Patch (RFC 6902); for `""` a Bundle of type transaction or batch |
| find | which resource is meant, where only a type is given: searches, tried in order until one finds something; \
each an object of search parameters; a value is text as FHIR writes it, or `{"system": …, "value": …}` |
| missing | `create` (default) or `refuse`: what to do when nothing is found; with PATCH it is always `refuse` |
| merge | PUT only. true (default): elements of the body replace those of the server's resource, null removes one, all \
others stay. false: the body is the whole resource |
| join | lists whose items are merged one by one: `{"identifier": ["system", "value"]}` says which elements tell items \
apart; items that the body does not name stay |
| only_if | `{"status": ["proposed", "booked"]}`: the change is refused when the server's element is none of these \
(null: when it is absent; an instant may be written in another zone) |
| if_match | a version: the change is refused when the server's resource is in another |

With POST, `find` means: create, unless it is there already; then nothing is changed.

Example (PowerServer says that it has booked what a patient proposed):

    {"method": "PUT", "path": "Appointment",
     "find": [{"identifier": {"system": "urn:oid:2.25.1002", "value": "F-77"}},
              {"identifier": {"system": "urn:oid:2.25.1001", "value": "appt-77"}}],
     "join": {"identifier": ["system", "value"]}, "only_if": {"status": ["proposed", "pending", "booked"]},
     "body": {"resourceType": "Appointment", "status": "booked", "start": "2025-11-24T09:00:00-03:00", …}}

Sources: FHIR R4 http.html (2.21.0.8 conditional create, .10 conditional update, .12 patch), search.html (escaping).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from connectors.fhir_merge import loads

_TYPE = r"[A-Z][A-Za-z]{1,63}"
_ID = r"[A-Za-z0-9\-.]{1,64}"
_PATH = re.compile(rf"(?:{_TYPE}(?:/{_ID})?)?")
_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\|,$"})
_KEYS = {"method", "path", "body", "find", "missing", "merge", "join", "only_if", "if_match"}


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a search: a code or an identifier in its system."""

    system: str
    value: str

    def __str__(self) -> str:
        return f"{self.system.translate(_ESCAPED)}|{self.value.translate(_ESCAPED)}"


#: The parameters of one search, in order.
Search = tuple[tuple[str, str | Token], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One change, checked."""

    method: Literal["POST", "PUT", "PATCH"]
    type: str
    #: Logical id; "" where the resource is found, or new.
    id: str = ""
    body: Any = field(repr=False)
    find: tuple[Search, ...] = field(default=(), repr=False)
    missing: Literal["create", "refuse"] = "create"
    merge: bool = True
    join: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only_if: Mapping[str, tuple[object, ...]] = field(default_factory=dict, repr=False)
    if_match: str | None = None

    @property
    def is_bundle(self) -> bool:
        """It goes to the server's base."""
        return not self.type


def query(search: Search) -> str:
    """Return a search as it stands in a form's content, in If-None-Exist, or behind a question mark.

    >>> query((("identifier", Token("urn:oid:2.25.1", "A,7|x")), ("status", "booked")))
    'identifier=urn%3Aoid%3A2.25.1%7CA%5C%2C7%5C%7Cx&status=booked'
    """
    return urlencode([(name, str(value)) for name, value in search])


def read_envelope(encoded: bytes) -> Envelope:
    """Read the bytes that a transformer gave.

    Raises:
        ValueError: what is wrong with them, without a value of the message.
    """
    try:
        given = loads(encoded)
    except ValueError:
        raise ValueError("the request is not JSON") from None
    if not isinstance(given, dict) or given.keys() - _KEYS:
        raise ValueError(f"the request must be a JSON object of: {', '.join(sorted(_KEYS))}")
    path = given.get("path")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise ValueError("path must be a type, a type and an id, or empty for a Bundle")
    kind, _, identity = path.partition("/")
    method = given.get("method")
    if method not in ("POST", "PUT", "PATCH"):
        raise ValueError("method must be POST, PUT or PATCH")
    envelope = Envelope(
        method=method, type=kind, id=identity, body=given.get("body"), find=_searches(given.get("find", [])),
        missing="refuse" if method == "PATCH" or identity else given.get("missing", "create"),
        merge=given.get("merge", True), join=_lists(given, "join"), only_if=_lists(given, "only_if"),
        if_match=given.get("if_match"),
    )  # fmt: skip
    _check(envelope)
    return envelope


def _check(envelope: Envelope) -> None:
    """Say the first thing by which the keys contradict each other."""
    if envelope.missing not in ("create", "refuse") or envelope.merge not in (True, False):
        raise ValueError("missing must be create or refuse; merge true or false")
    if envelope.if_match is not None and not isinstance(envelope.if_match, str):
        raise ValueError("if_match must be a version, as text")
    if envelope.is_bundle:
        if envelope.method != "POST" or envelope.find:
            raise ValueError("a Bundle is posted, and finds nothing")
        if not isinstance(envelope.body, dict) or envelope.body.get("type") not in ("transaction", "batch"):
            raise ValueError("the body must be a Bundle of type transaction or batch")
        return
    if envelope.method == "POST" and envelope.id:
        raise ValueError("POST creates: its path is a type")
    if envelope.method != "POST" and not envelope.id and not envelope.find:
        raise ValueError(f"{envelope.method} needs an id in the path, or find")
    _check_body(envelope)


def _check_body(envelope: Envelope) -> None:
    if envelope.method == "PATCH":
        if not isinstance(envelope.body, list) or not envelope.body:
            raise ValueError("the body of PATCH must be a JSON Patch")
    elif not isinstance(envelope.body, dict) or envelope.body.get("resourceType") != envelope.type:
        raise ValueError(f"the body must be a resource of type {envelope.type}")
    elif envelope.find and envelope.missing == "create" and not carries(envelope.body, envelope.find[0]):
        raise ValueError("the body must carry the identifier it is found by, or every resend creates it anew")


def is_id(value: object) -> bool:
    """Say whether a value can be the logical id of a resource (FHIR R4 datatypes.html, id)."""
    return isinstance(value, str) and re.fullmatch(_ID, value) is not None


def carries(resource: Mapping[str, Any], search: Search) -> bool:
    """Say whether a resource has every identifier that a search names by system and value."""
    identifiers = resource.get("identifier")
    held = identifiers if isinstance(identifiers, list) else [identifiers]
    pairs = {(item.get("system", ""), item.get("value")) for item in held if isinstance(item, dict)}
    return all(
        (value.system, value.value) in pairs
        for name, value in search
        if name == "identifier" and isinstance(value, Token)
    )


def _searches(given: object) -> tuple[Search, ...]:
    if not isinstance(given, list) or not all(isinstance(search, dict) and search for search in given):
        raise ValueError("find must be a list of objects of search parameters")
    return tuple(tuple((name, _value(value)) for name, value in search.items()) for search in given)


def _value(given: object) -> str | Token:
    if isinstance(given, str) and given:
        return given
    if isinstance(given, dict) and given.keys() == {"system", "value"}:
        system, value = given["system"], given["value"]
        if isinstance(system, str) and isinstance(value, str) and value:
            return Token(system, value)
    raise ValueError("a value in find must be text, or an object of system and value")


def _lists(given: Mapping[str, Any], key: str) -> dict[str, tuple[Any, ...]]:
    lists = given.get(key, {})
    if not isinstance(lists, dict) or not all(isinstance(items, list) and items for items in lists.values()):
        raise ValueError(f"{key} must be an object of lists")
    return {name: tuple(items) for name, items in lists.items()}
