"""FHIR's JSON, read strictly: what two readers could understand differently is refused.

Sources: FHIR R4, JSON format (names are unique, decimals keep their precision); RFC 8259; RFC 7493 (I-JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

import orjson
from jsonschema_rs import Draft4Validator

from messages.problem import Problem, Problems
from transformers.fhir_finding import root

MAX_DEPTH = 64
MAX_TOKENS = 2_000_000
#: Characters of a number, and powers of ten: more than any measurement needs, less than harms the reader.
MAX_DIGITS = 64
MAX_EXPONENT = 308
MAX_PROBLEMS = 100

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")


def load_strict(body: bytes) -> dict[str, Any]:
    """Parse one FHIR resource. Integers are int; a number with a fraction or an exponent is a Decimal.

    Raises:
        Problems: JSON_INVALID (no JSON in UTF-8 without a byte order mark, or a number out of reach),
            JSON_DUPLICATE_NAME (each with the place), JSON_TOO_DEEP, JSON_TOO_LARGE, and FHIR_INVALID for JSON that
            is no resource. No text holds anything of `body`.
    """
    document: dict[str, Any]
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse_unreadable(body, error)
    if type(document) is not dict:
        _refuse("FHIR_INVALID", "a FHIR resource is a JSON object; this is none")
    if len(body) > MAX_TOKENS and _more_tokens_than(MAX_TOKENS, body):
        _refuse("JSON_TOO_LARGE", f"more than {MAX_TOKENS:,} names, values and marks")
    plain = _PLAIN.is_valid(document)
    if not plain and _deeper_than(MAX_DEPTH, document):
        _refuse_depth()
    # One colon follows each name, and the others stand in strings, which come out as they went in. Only a colon that
    # was written as \u003a could make up for a name that was dropped.
    if b"\\u003" in body or body.count(b":") != orjson.dumps(document).count(b":"):
        duplicates = list(_duplicates(body, root(document)))
        if duplicates:
            raise Problems(duplicates[:MAX_PROBLEMS])
    if not plain:
        document = _with_decimals(body)
    if type(document.get("resourceType")) is not str:
        _refuse("FHIR_INVALID", "resourceType is missing or is not a string", issue_type="required")
    return document


def load_again(body: bytes) -> dict[str, Any]:
    """Parse what `load_strict` has taken before; gives the same."""
    document: dict[str, Any] = orjson.loads(body)
    return document if _PLAIN.is_valid(document) else _with_decimals(body)


def _plain_schema() -> dict[str, Any]:
    """A schema for JSON that is not too deep and has no number but integers: most of it, told in one quick pass."""
    leaves = ["string", "boolean", "null", "integer"]
    definitions: dict[str, Any] = {"0": {"type": leaves}}
    for depth in range(1, MAX_DEPTH + 1):
        deeper = {"$ref": f"#/definitions/{depth - 1}"}
        definitions[str(depth)] = {
            "type": [*leaves, "object", "array"],
            "additionalProperties": deeper,
            "items": deeper,
        }
    return {"$ref": f"#/definitions/{MAX_DEPTH}", "definitions": definitions}


#: In Draft 4, 1.0 is not an integer: exactly what is asked here.
_PLAIN = Draft4Validator(_plain_schema())


def _more_tokens_than(limit: int, body: bytes) -> bool:
    # At most one name or value follows each of these marks, and each bracket is closed: enough for most bodies, which
    # are large because of one long string.
    opening = body.count(b"{") + body.count(b"[")
    if 3 * opening + 2 * (body.count(b",") + body.count(b":")) < limit:
        return False
    return sum(1 for _ in _TOKEN.finditer(body)) > limit


def _deeper_than(depth: int, document: Any) -> bool:
    level = [document]
    for _ in range(depth):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return bool(level)


def _with_decimals(body: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(body, parse_float=_decimal, parse_int=_integer)
    return loaded


def _decimal(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= MAX_DIGITS else None
    if number is None or (number and abs(number.adjusted()) > MAX_EXPONENT):
        _refuse_number()
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        _refuse_number()
    return int(text)


class _Container:
    """An object or array that is being read."""

    def __init__(self, path: str, opened_by: bytes) -> None:
        self.path = path
        self.is_object = opened_by == b"{"
        self.names: set[str] = set()
        self.name = ""
        self.awaits_name = self.is_object
        self.index = 0

    def child_path(self) -> str:
        if not self.is_object:
            return f"{self.path}[{self.index}]"
        # A name that no element can have may be anything, even a patient's: the place ends before it.
        return f"{self.path}.{self.name}" if _NAME.fullmatch(self.name) else self.path


def _duplicates(body: bytes, path: str) -> Iterator[Problem]:
    """Find the names that stand twice in one object. `body` is known to be JSON."""
    open_: list[_Container] = []
    for match in _TOKEN.finditer(body):
        token = match.group()
        if token in (b"{", b"["):
            open_.append(_Container(open_[-1].child_path() if open_ else path, token))
        elif token in (b"}", b"]"):
            open_.pop()
        elif token == b",":
            open_[-1].index += 1
            open_[-1].awaits_name = open_[-1].is_object
        elif open_[-1].awaits_name:
            here = open_[-1]
            here.name, here.awaits_name = orjson.loads(token), False
            if here.name in here.names:
                yield Problem(
                    code="JSON_DUPLICATE_NAME",
                    text="this name stands twice in one object",
                    expression=here.child_path(),
                    issue_type="structure",
                )
            here.names.add(here.name)


def _refuse_unreadable(body: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    if "depth limit" in error.msg:
        _refuse_depth()
    if body[:3] == b"\xef\xbb\xbf" or body[:2] in (b"\xfe\xff", b"\xff\xfe"):
        _refuse("JSON_INVALID", "the body begins with a byte order mark; send UTF-8 without one")
    if b"\0" in body[:4]:
        _refuse("JSON_INVALID", "the body is in UTF-16 or UTF-32; send UTF-8")
    _refuse("JSON_INVALID", f"no JSON at line {error.lineno}, column {error.colno}: {error.msg.partition(':')[0]}")


def _refuse_depth() -> NoReturn:
    _refuse("JSON_TOO_DEEP", f"objects and arrays are nested more than {MAX_DEPTH} deep")


def _refuse_number() -> NoReturn:
    _refuse("JSON_INVALID", f"a number has more than {MAX_DIGITS} digits or an exponent beyond {MAX_EXPONENT}")


def _refuse(code: str, text: str, *, issue_type: str = "structure") -> NoReturn:
    raise Problems([Problem(code=code, text=text, issue_type=issue_type)])
