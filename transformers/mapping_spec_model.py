"""What an interface specification holds, whichever way the mapping goes, and what a mapping file says at a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.mapping_file import Document, Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One field of the message, or element of the resource, that is sent."""

    destination: str
    #: `PID-3`, `Appointment.status`.
    field: str
    #: "Patient Identifier List"; "" where the standard has but one name.
    name: str
    #: HL7's or FHIR's.
    datatype: str
    #: required or optional, by the standard.
    standard: str
    #: always, or when the source gives something.
    sent: str
    #: Actions of the route; "all".
    events: str
    source: str
    #: Format, table, default.
    conversion: str
    condition: str
    note: str
    #: From a test.
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the route."""

    when: str
    then: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """All that the two sides agree on."""

    channel: str
    title: str
    owner: str
    #: The text at the head of the file.
    file: str
    #: (name, value) of what concerns the whole channel.
    facts: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]
    #: (name, what it stands for) of `let:`.
    names: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    #: Table -> its rows, each with the code first, under the header.
    tables: Mapping[str, tuple[tuple[str, ...], ...]]
    #: Tests, each a sentence.
    examples: tuple[str, ...]
    #: (kind, how many a test touches, how many there are).
    coverage: tuple[tuple[str, int, int], ...]
    #: What no test touches: (file as plans name it, line, words).
    untouched: tuple[tuple[str, int, str], ...]
    #: The mapping file and its fragments: name as plans have it -> text.
    sources: Mapping[str, str]


class NotDescribable(ValueError):
    """There is no specification for this kind of mapping."""


class Words:
    """What the file says at a place beside the rule itself: notes and conditions, of the blocks around it too."""

    def __init__(self, document: Document, file: str, folder: Path) -> None:
        """`file` is how the plan names the mapping file."""
        self._data = document.data
        fragments = {name: f"{folder.resolve().name}/{part[0]}" for name, part in document.fragments.items()}
        self._paths = {
            f"{fragments.get(place.file, file)}:{place.line}:{place.column}": path
            for path, place in document.keys.items()
        }

    def at(self, place: str) -> list[Mapping[str, Any]]:
        """Return the mappings around a place, from the outside; the rule itself is the last."""
        path = self._paths.get(place, ())
        found = []
        for length in range(1, len(path) + 1):
            value = _follow(self._data, path[:length])
            if isinstance(value, Mapping):
                found.append(value)
        return found


def _follow(data: Any, path: Steps) -> Any:
    for step in path:
        data = data[step]
    return data


def listed(value: Any) -> list[str]:
    """Return what may stand alone or in a list as a list of texts."""
    return [value] if isinstance(value, str) else [str(item) for item in value or []]


def spoken(value: Any) -> str:
    """Return words with values as they are read."""
    if isinstance(value, Mapping):
        return ", ".join(f"{word} → {spoken(inner)}" for word, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def condition(when: Any) -> str:
    """Return a condition as it is read: a FHIRPath, or HL7 places with the values that they must have."""
    if not isinstance(when, Mapping):
        return str(when or "")
    return " and ".join(f"{place} = {' or '.join(listed(values))}" for place, values in when.items())
