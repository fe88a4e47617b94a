"""What pydantic says about a file, as problems with the place of the word and "did you mean"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from messages.problem import Problem
from transformers.mapping_file import Document, Steps, did_you_mean
from transformers.mapping_words import Part

#: pydantic's error types: our sentence, filled with the error's own values, and what to do.
_SENTENCES: dict[str, tuple[str, str | None]] = {
    "string_type": ("text is expected here", None),
    "string_too_short": ("the text is empty", "leave the word out, or give it a value"),
    "literal_error": ("one of these is expected: {expected}", None),
    "int_parsing": ("a whole number is expected", None),
    "int_type": ("a whole number is expected", None),
    "greater_than_equal": ("the number must be at least {ge}", None),
    "less_than_equal": ("the number must be at most {le}", None),
    "model_type": ("words with values are expected here, as in {{ word: value }}", None),
    "model_attributes_type": ("words with values are expected here, as in {{ word: value }}", None),
    "dict_type": ("words with values are expected here, as in {{ word: value }}", None),
    "list_type": ("a list is expected here", None),
    "too_short": ("at least one entry is expected", None),
    "extra_forbidden": ("unknown word", None),
}

_PATTERNS: dict[str, str] = {
    r"^[1-9][0-9]*(s|m|h|d)$": "a time is a number and s, m, h or d, such as 15m",
    r"^([1-9][0-9]*(s|m|h|d)|off)$": "a time is a number and s, m, h or d, such as 15m; or off",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "a time of day is written as 07:30",
    r"^\$\{secret:[A-Za-z_][A-Za-z0-9_]*\}$": "a secret is written ${secret:NAME}, never itself",
    r"^(https://|http://(localhost|127\.0\.0\.1)[:/])[^\s?#@]+$": "https://… (http:// to this machine only)",
    r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$": "a day is written as 2026-01-31",
    r"^[A-Z][A-Za-z]+$": "a type of FHIR resources is written as FHIR does, such as HealthcareService",
    r"^[a-z][a-zA-Z0-9_]*$": "a name is a letter a-z, then letters, digits and _",
    r"^[a-z0-9][a-z0-9-]*$": "this name is written in small letters, digits and hyphens",
    r"^[a-z][a-z0-9_]*$": "an action is written in small letters, digits and _",
    r"^[A-Z][A-Z0-9_]*$": "a code is written in capitals, digits and _, such as FACILITY_UNKNOWN",
}


def read(document: Document, kind: type[Part], data: Any) -> tuple[Part | None, list[Problem], set[Steps]]:
    """Return the model, all problems of its shape, and the paths that were left out to go on checking the rest.

    None instead of a model when what is left is not enough to go on with.
    """
    problems: list[Problem] = []
    left_out: set[Steps] = set()
    for _ in range(8):
        try:
            return kind.model_validate(data), problems, left_out
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        for detail in details:
            way = _way(document, detail["loc"])
            if detail["type"] == "missing" and way in left_out:
                way = way[:-1]  # it was left out because it was wrong; without it the part says nothing
            # A part that is empty only because its broken entry was left out is not a mistake of its own.
            elif not any(cut[: len(way)] == way for cut in left_out) or detail["type"] == "missing":
                problems.append(_problem(document, kind, detail))
            if len(detail["loc"]) == 1 and detail["loc"][0] in _STAND_INS:
                data = data | {detail["loc"][0]: _STAND_INS[str(detail["loc"][0])]}
                continue
            cut = _smallest(way)
            if not cut or cut in (("from",), ("destinations",), ("map",), ("route",), ("version",)):
                return None, problems, left_out
            left_out.add(cut)
            data = _without(data, cut)
    return None, problems, left_out


#: What a file lacks at its top is reported, and the rest is checked with these.
_STAND_INS: dict[str, Any] = {"version": "1", "channel": "channel", "title": "title", "order": "'-'"}


def _way(document: Document, steps: Sequence[str | int]) -> Steps:
    """Return the way to a mistake as the file has it, without pydantic's tags and what is not there."""
    way: Steps = ()
    for step in steps:
        if (*way, step) in document:
            way = (*way, step)
    return way


def _smallest(way: Steps) -> Steps:
    """Return the entry to leave out: the innermost target of a `map:`, an item of let:, index: or route:, or itself."""
    if way[:1] == ("tests",):
        return way[:1]
    for position in range(len(way) - 2, -1, -1):
        if way[position] in ("map", "let", "index", "route"):
            return way[: position + 2]
    return way


def _without(data: Any, way: Steps) -> Any:
    """Return a copy of the data without one entry. In a list it is replaced: the places of the others must not move."""
    first, *rest = way
    if isinstance(data, list):
        position = int(first)
        item = _without(data[position], tuple(rest)) if rest else _harmless(data[position])
        return [*data[:position], item, *data[position + 1 :]]
    if not isinstance(data, dict) or first not in data:
        return data
    if rest:
        return data | {first: _without(data[first], tuple(rest))}
    return {key: value for key, value in data.items() if key != first}


def _harmless(line: Any) -> dict[str, str]:
    """Return a line of the route that is never true and keeps the action of the broken one."""
    action = line.get("do") if isinstance(line, dict) else None
    return {"when": "false", "do": action} if isinstance(action, str) else {"when": "false", "filter": "-"}


def _problem(document: Document, kind: type[Part], detail: ErrorDetails) -> Problem:
    steps = detail["loc"]
    way = _way(document, steps)
    if detail["type"] == "extra_forbidden":
        word = str(steps[-1])
        words = _words(kind, steps)
        hint = did_you_mean(word, words) or f"known here: {', '.join(words)}"
        return Problem(code="E020", text=f"unknown word '{word}'", hint=hint, place=document.key(way))
    if detail["type"] == "missing":
        word = str(steps[-1])
        where = f" in '{way[-1]}'" if way and isinstance(way[-1], str) else ""
        help_ = _help(_part(kind, steps), word)
        return Problem(code="E021", text=f"'{word}' is missing{where}", hint=help_, place=document.key(way))
    if detail["type"] == "string_pattern_mismatch":
        text = _PATTERNS[str(detail["ctx"]["pattern"])]
        place = document.key(way) if "[key]" in steps else document.place(way)
        return Problem(code="E023", text=text, place=place)
    sentence, advice = _SENTENCES.get(detail["type"], (detail["msg"][:1].lower() + detail["msg"][1:], None))
    text = sentence.format(**{"expected": "", **detail.get("ctx", {})}) if "{" in sentence else sentence
    of_what = f"'{way[-1]}': " if way and isinstance(way[-1], str) else ""
    return Problem(code="E022", text=f"{of_what}{text}", hint=advice, place=document.place(way))


def _part(kind: type[Part], steps: Sequence[str | int]) -> type[Part]:
    """Return the model of the part in which the last step stands."""
    return next((kind.PARTS[str(step)] for step in reversed(steps[:-1]) if str(step) in kind.PARTS), kind)


def _words(kind: type[Part], steps: Sequence[str | int]) -> list[str]:
    return [field.alias or name for name, field in _part(kind, steps).model_fields.items()]


def _help(part: type[Part], word: str) -> str | None:
    descriptions = {field.alias or name: field.description for name, field in part.model_fields.items()}
    return descriptions.get(word)
