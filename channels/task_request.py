"""Reads the FHIR Task that asks for a job: the one form into which every trigger (FHIR, HL7, a person) is mapped.

Source: FHIR R4 task.html. Inputs are found by the code of their type, whatever its system.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# FHIR R4 datatypes.html#id.
_ID = re.compile(r"Task/([A-Za-z0-9.-]{1,64})")


def inputs(task: Mapping[str, Any], code: str) -> list[str]:
    """Return the values of all inputs of a type, as text."""
    found: list[str] = []
    for one in _list(task, "input"):
        codes = {coding.get("code") for coding in _list(_dict(one, "type"), "coding")}
        if code in codes:
            found += [str(value).strip() for name, value in one.items() if name.startswith("value") and _plain(value)]
    return [text for text in found if text]


def one_input(task: Mapping[str, Any], code: str) -> str:
    """Return the value of the only input of a type; "" where there is none, or several."""
    found = inputs(task, code)
    return found[0] if len(found) == 1 else ""


def identifier(task: Mapping[str, Any], element: str, part: str = "value") -> str:
    """Return value or system of the identifier by which an element refers to something."""
    return _text(_dict(_dict(task, element), "identifier"), part)


def text(task: Mapping[str, Any], *path: str) -> str:
    """Return a text at a path of single elements; "" where it is not there."""
    inner: Mapping[str, Any] = task
    for name in path[:-1]:
        inner = _dict(inner, name)
    return _text(inner, path[-1])


def key(task: Mapping[str, Any]) -> str:
    """Return the request's own identifier, with its system; "" where it has none."""
    for one in _list(task, "identifier"):
        if _text(one, "value"):
            return f"{_text(one, 'system')}|{_text(one, 'value')}"
    return ""


def asked_by(task: Mapping[str, Any]) -> str | None:
    """Return the id of the Task at OmegaAI that asked for the job: `partOf`."""
    for one in _list(task, "partOf"):
        found = _ID.fullmatch(_text(one, "reference"))
        if found:
            return found[1]
    return None


def _dict(element: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = element.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(element: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = element.get(name)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(element: Mapping[str, Any], name: str) -> str:
    value = element.get(name)
    return value.strip() if isinstance(value, str) else ""


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
