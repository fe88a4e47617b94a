"""The tests of a mapping file that reads HL7 or writes FHIR, checked. Never on the way of a message."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import datetime

from messages.problem import Problems
from transformers import er7, fhir_model, hl7_path
from transformers.fhir_to_fhir_model import FhirMapping
from transformers.hl7_mapping_model import Hl7Mapping
from transformers.mapping_desk import Desk, Where
from transformers.mapping_examples import WORDS
from transformers.mapping_file import did_you_mean, safe_name
from transformers.mapping_model import Test

#: One step of `Appointment.participant[1].status`.
STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\[(\d+)\])?")
#: Checks `given:` and `change:` of a test.
CheckGiven = Callable[[Desk, Where, Test], None]


def check_examples(desk: Desk, mapping: Hl7Mapping | FhirMapping, given: CheckGiven | None = None) -> None:
    """Note what is wrong with the tests of a mapping; `given` checks its documents where they are not HL7."""
    names: dict[str, int] = {}
    for number, test in enumerate(mapping.tests):
        where = ("tests", number)
        if test.name in names:
            desk.add("E450", (*where, "name"), f"another test has this name, at line {names[test.name]}")
        names[test.name] = desk.document.place((*where, "name")).line
        (given or _given)(desk, where, test)
        if test.now is not None and not _has_offset(test.now):
            words = f"'{test.now}' is no time with an offset"
            desk.add("E453", (*where, "now"), words, "such as 2025-11-20T15:30:00-03:00")
        if test.destination is not None and test.destination not in mapping.destinations:
            hint = did_you_mean(test.destination, mapping.destinations)
            desk.add("E444", (*where, "destination"), f"there is no destination '{test.destination}'", hint)
        resources = {part.resource for part in mapping.destinations.values()} & fhir_model.resource_types()
        for word, value in test.expect.items():
            _expected(desk, (*where, "expect", word), word, value, resources)


def _has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _given(desk: Desk, where: Where, test: Test) -> None:
    place = (*where, "given")
    if not safe_name(test.given):
        desk.add("E006", place, f"'{test.given}' is not a file inside the site's folder")
        return
    path = desk.site.folder / test.given
    if not path.is_file():
        folder = desk.site.folder
        near = did_you_mean(test.given, (one.relative_to(folder).as_posix() for one in folder.rglob("*.hl7")))
        desk.add("E451", place, f"there is no file {test.given}", near)
        return
    try:
        segments = er7.parse(path.read_bytes()).segments
    except Problems:
        desk.add("E451", place, f"{test.given} is not an HL7 message")
        return
    for spot, wanted in (test.change or {}).items():
        try:
            segments = changed(segments, spot, None if wanted is None else str(wanted))
        except ValueError as error:
            desk.add("E452", (*where, "change", spot), str(error), key=True)


def _expected(desk: Desk, where: Where, word: str, value: str, resources: set[str]) -> None:
    if word == "action" and value not in desk.actions:
        desk.add("E430", where, f"no line of the route does '{value}'", did_you_mean(value, desk.actions))
    elif word == "message" and not (safe_name(value) and (desk.site.folder / value).is_file()):
        desk.add("E451", where, f"there is no file {value}")
    elif word not in WORDS:
        resource, _, rest = word.partition(".")
        if not resources:
            return  # said at the destination
        if resource not in resources:
            hint = did_you_mean(word, WORDS) or f"{' or '.join(sorted(resources))}.…, or one of {', '.join(WORDS)}"
            desk.add("E460", where, f"'{word}' is no place in the resource", hint, key=True)
            return
        kind = resource
        for step in rest.split("."):
            match = STEP.fullmatch(step)
            element = fhir_model.element(kind, match[1]) if match else None
            if element is None:
                near = did_you_mean(step, fhir_model.names(kind))
                desk.add("E461", where, f"{kind} has no element '{step}'", near, key=True)
                return
            kind = element.types[0]


def changed(segments: list[er7.Segment], name: str, value: str | None) -> list[er7.Segment]:
    """Return a message with one value replaced in its first such segment; None removes the field, or the segment.

    Args:
        segments: of `er7.parse`.
        name: an HL7 path such as SCH-25.4, or a segment's name.
        value: as on the wire for a field (`^` and `~` separate), plain text for a component.

    Raises:
        ValueError: no path, or the message has no such segment.
    """
    if len(name) == 3 and value is None:
        if not any(one[0] == name for one in segments):
            raise ValueError(f"the message has no segment {name}")
        return [one for one in segments if one[0] != name]
    path = hl7_path.parse(name)
    segments = copy.deepcopy(segments)
    segment = next((one for one in segments if one[0] == path.segment), None)
    if segment is None:
        raise ValueError(f"the message has no segment {path.segment}")
    segment += [[] for _ in range(path.field + 1 - len(segment))]
    if path.component is None and path.repetition is None:
        repetitions = value.split("~") if value else []
        segment[path.field] = [[part.split("&") for part in one.split("^")] for one in repetitions]
        return segments
    repetitions = segment[path.field]
    at = (path.repetition or 1) - 1
    repetitions += [[] for _ in range(at + 1 - len(repetitions))]
    if path.component is None:
        repetitions[at] = [part.split("&") for part in (value or "").split("^")]
        return segments
    components = repetitions[at]
    components += [[""] for _ in range(path.component - len(components))]
    inner = components[path.component - 1]
    number = path.subcomponent or 1
    inner += [""] * (number - len(inner))
    inner[number - 1] = value or ""
    return segments
