"""The first draft of a mapping file, from a FHIR sample and the message that it is to become.

Every field that HL7 requires is listed. Where the sample has something of a type that fits, it is guessed; each guess,
and each field without one, is marked as to be decided. The draft is text for an analyst to go on with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import fhir_model, hl7_tables
from transformers.fhir_resources_in import Thing, things
from transformers.formats import FORMATS
from transformers.hl7_tables import FieldDef, Part

#: Segments that say something about resources of these types.
ABOUT: Mapping[str, tuple[str, ...]] = {
    "PID": ("Patient",),
    "PV1": ("Encounter",),
    "SCH": ("Appointment",),
    "TQ1": ("Appointment",),
    "NTE": ("Appointment",),
    "AIS": ("ServiceRequest", "Appointment"),
    "AIG": ("HealthcareService", "Device"),
    "AIL": ("Location",),
    "AIP": ("Practitioner",),
    "ORC": ("ServiceRequest",),
    "OBR": ("ServiceRequest", "DiagnosticReport"),
    "OBX": ("Observation",),
    "DG1": ("Condition",),
    "IN1": ("Coverage",),
    "NK1": ("RelatedPerson",),
    "AL1": ("AllergyIntolerance",),
    "TXA": ("DocumentReference",),
}
#: Words of HL7's field names, and the words that FHIR has for them.
_WORDS = {
    "sex": "gender", "phone": "telecom", "id": "identifier", "placer": "identifier", "filler": "identifier",
    "service": "code", "diagnosis": "code", "begin": "start", "provider": "practitioner", "personnel": "practitioner",
    "location": "location", "resource": "name", "comment": "comment", "plan": "class", "allergen": "code",
}  # fmt: skip
#: HL7 type -> FHIR types whose value is written as it is.
_WORDED, _COUNTED = ("string", "code", "markdown", "id"), ("positiveInt", "integer", "unsignedInt", "decimal")
_PLAIN = dict.fromkeys(("ST", "TX", "FT", "IS", "ID"), _WORDED) | dict.fromkeys(("NM", "SI"), _COUNTED)
#: HL7 types of which a resource has one element, so that the type alone says enough.
_TELLING = frozenset({"CX", "EI", "XPN", "XAD", "XTN", "XCN"})
#: The host writes these by itself.
_BY_THE_HOST = frozenset({"MSH-1", "MSH-2", "MSH-7", "MSH-9", "MSH-10", "MSH-11", "MSH-12", "MSH-18"})
_TABLES = {"CX": "authorities", "EI": "authorities", "XCN": "authorities", "HD": "authorities",
           "CE": "code_systems", "CWE": "code_systems"}  # fmt: skip


class NoSuchMessage(ValueError):
    """The HL7 version has no such message; the text has the nearest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a draft is told beside the sample."""

    channel: str
    #: What the sample becomes: `SIU^S12`, or a type of resource.
    message: str
    version: str
    #: The sample, as a test names it.
    given: str
    #: Stations of site.yaml: where messages come from, where they go.
    source: str
    destination: str


def draft(sample: Mapping[str, Any], frame: Frame) -> str:
    """Return the text of a mapping file.

    Raises:
        NoSuchMessage: the version does not know the message.
    """
    message = "^".join(frame.message.split("^")[:2])
    structure = hl7_tables.message_structures(frame.version, message)
    if structure is None:
        near = hl7_tables.nearest(message, hl7_tables.message_names(frame.version))
        raise NoSuchMessage(
            f"HL7 {frame.version} has no message {message}" + (f"; did you mean {near}?" if near else "")
        )
    found = things(sample)
    mapped = list(_map(frame.version, structure, found))
    around = [*_head(frame, found, f"{message}^{structure}"), *_searched(found)]
    lets = _lets(found, [*mapped, *around])
    return "\n".join([*around, *lets, *_ROUTE, "map:", *mapped[1:], "", *_tests(frame, message), ""])


def _head(frame: Frame, found: Sequence[Thing], message: str) -> Iterator[str]:
    focus = found[0]
    yield "# A first draft. A line with 'to be decided' is a guess, or waits for one; delete the words once settled."
    yield "version: 1"
    yield f"channel: {frame.channel}"
    yield f"title: {focus.type} → {message.rpartition('^')[0]}   # to be decided"
    yield ""
    yield "from:"
    yield "  connector: fhir-listener"
    yield f"  station: {frame.source}   # to be decided: a station of site.yaml"
    if focus.in_bundle:
        yield f"  each: Bundle.entry.resource.ofType({focus.type})   # to be decided: what one message is about"
    yield ""
    yield "destinations:"
    yield f"  {frame.destination}:"
    yield "    connector: mllp-sender"
    yield f"    station: {frame.destination}   # to be decided: a station of site.yaml"
    yield f'    hl7: "{frame.version}"'
    yield f"    message: {message}"
    yield ""
    patient = next((thing for thing in found if thing.type == "Patient"), focus)
    yield f'order: ["%{patient.name}.identifier.first().value"]   # to be decided: whose messages never overtake'
    yield f'about: "%{focus.name}.identifier.first().value"   # to be decided: %known, once accepted before'
    yield ""


def _lets(found: Sequence[Thing], lines: Iterable[str]) -> list[str]:
    """Return the names that the lines use, and those that these need."""
    needed = set(_NAME.findall("\n".join(lines)))
    kept: list[str] = []
    for thing in reversed(found):  # a name stands behind those that its way begins with
        if thing.name in needed:
            needed |= set(_NAME.findall(thing.path))
            kept.insert(0, f'  {thing.name}: "{thing.path}"')
    return ["let:", *kept, ""]


_NAME = re.compile(r"%(\w+)")


def _searched(found: Sequence[Thing]) -> Iterator[str]:
    yield "index:"
    for thing in found:
        if thing.type in {"Patient", found[0].type} and "identifier" in thing.resource:
            yield f'  {thing.name}: "%{thing.name}.identifier.first().value"   # to be decided'
    yield ""


_ROUTE = (
    "route:",
    "  # to be decided: which documents are sent, which are filtered, which are an error",
    "  - { otherwise: true, do: send }",
    "",
)


def _tests(frame: Frame, message: str) -> Iterator[str]:
    yield "tests:"
    yield f"  - name: the sample becomes {message}"
    yield f"    given: {frame.given}"
    yield "    expect: { action: send }   # to be decided: what must stand in its fields"


# -- the map -------------------------------------------------------------------------------------------------------


def _map(version: str, structure: str, found: Sequence[Thing]) -> Iterator[str]:
    named: dict[str, None] = {}
    root = hl7_tables.structure(version, structure)
    _segments(root, {thing.type for thing in found}, named, root.name, required=True)
    for segment in named:
        about = [thing for type_name in ABOUT.get(segment, ()) for thing in found if thing.type == type_name]
        lines = list(_segment(version, segment, about))
        if lines:
            yield from ("", *lines)


def _segment(version: str, segment: str, about: Sequence[Thing]) -> Iterator[str]:
    """Yield the lines of a segment. What the likeliest field has taken is not guessed for another one."""
    fields = [f for f in hl7_tables.fields(version, segment) if f"{segment}-{f.number}" not in _BY_THE_HOST]
    guesses = {field.number: sorted(_fitting(field, about), key=lambda guess: -guess.score) for field in fields}
    taken: set[str] = set()
    chosen: dict[int, _Guess] = {}
    for field in sorted(fields, key=lambda f: (f.minimum == 0, -max((g.score for g in guesses[f.number]), default=0))):
        guess = next(
            (guess for guess in guesses[field.number] if guess.is_likely(field) and guess.path not in taken), None
        )
        if guess is not None:
            chosen[field.number] = guess
            taken.add(guess.path)
    for field in fields:
        yield from _field(version, f"{segment}-{field.number}", field, chosen.get(field.number))


def _segments(part: Part, types: set[str], named: dict[str, None], root: str, *, required: bool) -> None:
    """Note the segments that HL7 requires, and those that say something about a resource of the sample."""
    for inner in part.parts:
        needed = required and inner.minimum > 0
        if not inner.is_segment:
            _segments(inner, types, named, root, required=needed)
        elif needed or (types & set(ABOUT.get(inner.name, ())) and (inner.name != "NTE" or part.name == root)):
            named.setdefault(inner.name)  # comments stand in many groups: only those of the whole message are meant


def _field(version: str, target: str, field: FieldDef, guess: _Guess | None) -> Iterator[str]:
    required = field.minimum > 0
    if field.name.startswith("Set ID"):
        yield f"  {target}: {{ number: true }}"
    elif guess is not None:
        key, rule = guess.written(target, field, required=required)
        yield f"  {key}: {rule}   # {field.name}. To be decided: guessed by its type"
    elif required:
        codes = _codes(version, field)
        yield f"  {target}: {{}}   # {field.name}, {field.datatype}. To be decided: HL7 requires it{codes}"


def _codes(version: str, field: FieldDef) -> str:
    table = hl7_tables.table(version, field.table) if field.table else None
    if not table:
        return ""
    codes = list(table)
    return f"; codes are {', '.join(codes[:8])}{' …' if len(codes) > 8 else ''}"


@dataclass(frozen=True, slots=True)
class _Guess:
    """An element that a field may come from."""

    path: str
    #: Gives several values.
    many: bool
    #: Format; None for a value that goes in as it is.
    conversion: str | None
    score: int

    def is_likely(self, field: FieldDef) -> bool:
        """Say whether this is more than luck: the names have a word in common, or the type says it all."""
        return self.score > 0 or (field.minimum > 0 and field.datatype in _TELLING)

    def written(self, target: str, field: FieldDef, *, required: bool) -> tuple[str, str]:
        """Return the key and the rule of a line."""
        repeats = self.many and field.maximum != 1
        path = f"{self.path}.first()" if self.many and not repeats else self.path
        words = [f'from: "{path}"']
        words += [f"as: {self.conversion}"] if self.conversion else []
        words += [f"table: {_TABLES[self.conversion]}"] if self.conversion in _TABLES else []
        words += ["required: true"] if required else []
        return f"{target}[]" if repeats else target, f"{{ {', '.join(words)} }}"


def _fitting(field: FieldDef, about: Iterable[Thing]) -> Iterator[_Guess]:
    """Yield the elements of resources whose type a format makes the field's data type of."""
    for thing in about:
        whole = _format(field, thing.type)
        if whole is not None:
            yield _Guess(f"%{thing.name}", many=False, conversion=whole, score=likeness(field, thing.type))
        for name in thing.resource:
            element = fhir_model.element(thing.type, name)
            for type_name in element.types if element else ():
                conversion = _format(field, type_name)
                if element and (conversion is not None or type_name in _PLAIN.get(field.datatype, ())):
                    score = likeness(field, name)
                    yield _Guess(f"%{thing.name}.{name}", element.maximum != 1, conversion, score)


def _format(field: FieldDef, type_name: str) -> str | None:
    """Return the format that makes a field's data type of a FHIR type."""
    if field.datatype in {"TS", "DTM", "DT"}:
        return {"date": "date", "dateTime": "timestamp", "instant": "timestamp"}.get(type_name)
    if field.table == "0001" and type_name == "code":
        return "sex"
    fitting = (f.name for f in FORMATS.values() if f.gives == field.datatype and type_name in f.accepts)
    return next(fitting, None)


def likeness(field: FieldDef, element: str) -> int:
    """Return how much two names have in common: words first, then how few others the field's name has."""
    words = re.findall(r"[A-Za-z]+", field.name)
    asked = {word.lower() for word in words}
    asked |= {_WORDS[word] for word in asked if word in _WORDS}
    given = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", element)} | {element.lower()}
    common = len(asked & given)
    return 100 * common - len(words) if common else 0


def undecided(text: str) -> int:
    """Return how many lines of a draft are to be decided."""
    return sum("o be decided" in line for line in text.splitlines()[1:])
