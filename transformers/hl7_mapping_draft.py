"""The first draft of a mapping file from HL7 to FHIR, from an HL7 sample and the resource that it is to become.

As `mapping_draft` does it the other way: every element that FHIR requires is listed; where the sample has a field of a
type that fits, it is guessed; each guess, and each element without one, is marked as to be decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from transformers import fhir_model, hl7_tables
from transformers.er7 import Segment
from transformers.fhir_formats import FHIR_FORMATS
from transformers.fhir_model import Element
from transformers.hl7_tables import FieldDef
from transformers.mapping_draft import ABOUT, Frame, NoSuchMessage, likeness

#: FHIR types whose value is HL7's text.
_TEXTS = frozenset({"string", "markdown", "code"})
_TABLES = {"Identifier": "authorities", "CodeableConcept": "code_systems", "Coding": "code_systems"}
#: What a format that takes text gives -> HL7 types of such texts.
_WRITTEN = {"string": ("ST", "TX", "FT"), "positiveInt": ("NM",), "boolean": ("ID",)}
#: What each resource may have, and an integration seldom writes.
_SELDOM = frozenset({"id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"})


class NoSuchResource(ValueError):
    """FHIR has no such resource, or none that is known here; the text has the nearest."""


@dataclass(frozen=True, slots=True)
class _Guess:
    field: FieldDef
    path: str
    conversion: str | None
    score: int


def draft(sample: Sequence[Segment], frame: Frame) -> str:
    """Return the text of a mapping file; `frame.message` is the resource's type.

    Raises:
        NoSuchMessage: the sample's version does not know its message.
        NoSuchResource: the resource is not known.
    """
    if frame.message not in fhir_model.resource_types():
        near = hl7_tables.nearest(frame.message, fhir_model.resource_types())
        raise NoSuchResource(f"there is no resource {frame.message}" + (f"; did you mean {near}?" if near else ""))
    code = sample[0][9][0] if len(sample[0]) > 9 and sample[0][9] else [[""]]
    message = "^".join(part[0] for part in code[:2])
    if hl7_tables.message_structures(frame.version, message) is None:
        raise NoSuchMessage(f"HL7 {frame.version} has no message {message}")
    keys = _keys(frame, sample)
    return "\n".join([*_head(frame, message), *_names(sample, keys), *_map(frame, sample, keys), *_tests(frame), ""])


def _head(frame: Frame, message: str) -> Iterator[str]:
    yield "# A first draft. A line with 'to be decided' is a guess, or waits for one; delete the words once settled."
    yield "version: 1"
    yield f"channel: {frame.channel}"
    yield f"title: {message} → {frame.message}   # to be decided"
    yield "transformer: hl7-to-fhir"
    yield ""
    yield "from:"
    yield "  connector: mllp-listener"
    yield f"  station: {frame.source}   # to be decided: a station of site.yaml"
    yield f'  hl7: "{frame.version}"'
    yield f"  accept: [{message}]   # to be decided: which other messages of its structure"
    yield ""
    yield "destinations:"
    yield f"  {frame.destination}:"
    yield "    connector: fhir-sender"
    yield f"    station: {frame.destination}   # to be decided: a station of site.yaml"
    yield f"    resource: {frame.message}"
    yield '    find: { identifier: ["%key"] }   # to be decided: how the server finds the one that is meant'
    yield "    missing: create   # to be decided: create it, or refuse the message"
    yield ""


def _keys(frame: Frame, sample: Sequence[Segment]) -> list[str]:
    """Return the fields that identify the thing that the message is about, the likeliest first."""
    fields = [
        f"{segment[0]}-{field.number}{'' if field.maximum == 1 else '[1]'}"
        for segment, field in _fields(frame.version, sample)
        if field.datatype in ("EI", "CX") and frame.message in ABOUT.get(segment[0], ())
    ]
    return fields or ["PID-3[1]"]


def _names(sample: Sequence[Segment], keys: Sequence[str]) -> Iterator[str]:
    patient = "PID-3[1].1" if any(segment[0] == "PID" for segment in sample) else "MSH-10"
    yield f'order: ["{patient}"]   # to be decided: whose messages never overtake'
    yield f"about: {keys[0]}.1   # to be decided: %known, once accepted before"
    yield ""
    yield "let:"
    yield f'  key: {{ from: "{keys[0]}", as: Identifier, table: authorities }}   # to be decided'
    yield ""
    yield f'index: {{ key: "{keys[0]}.1" }}   # to be decided'
    yield ""
    yield "route:"
    yield "  # to be decided: which messages are sent, which are filtered, which are an error"
    yield "  - { otherwise: true, do: send }"
    yield ""


def _map(frame: Frame, sample: Sequence[Segment], keys: Sequence[str]) -> Iterator[str]:
    yield "map:"
    elements = {
        name: element
        for name, element in fhir_model.elements(frame.message).items()
        if name not in _SELDOM and len(element.types) == 1
    }
    chosen = _chosen(frame, sample, elements, {key.partition("[")[0] for key in keys[:1]})
    for name, element in elements.items():
        target = f"{frame.message}.{name}"
        if name == "identifier":
            yield f'  {target}{_many(element)}: {{ from: "%key", required: true }}   # To be decided'
        elif name in chosen:
            yield _guessed(target, element, chosen[name])
        elif element.minimum:
            yield from _required(target, element, "  ")


def _chosen(
    frame: Frame, sample: Sequence[Segment], elements: Mapping[str, Element], taken: set[str]
) -> dict[str, _Guess]:
    """Return a guess for elements: the likeliest pairs first; what one has taken is not guessed for another."""
    pairs = [
        (name, guess)
        for name, element in elements.items()
        if name != "identifier"
        for guess in _fitting(frame, sample, element)
    ]
    found: dict[str, _Guess] = {}
    for name, guess in sorted(pairs, key=lambda pair: -pair[1].score):
        if name not in found and guess.path not in taken:
            found[name] = guess
            taken.add(guess.path)
    return found


def _many(element: Element) -> str:
    return "" if element.maximum == 1 else "[]"


def _fields(version: str, sample: Sequence[Segment]) -> Iterator[tuple[Segment, FieldDef]]:
    """Yield the fields that have a value in the sample; of a segment that repeats those of the first."""
    seen: set[str] = set()
    for segment in sample:
        if segment[0] not in seen and segment[0] in hl7_tables.segment_names(version):
            seen.add(segment[0])
            for field in hl7_tables.fields(version, segment[0]):
                if field.number < len(segment) and segment[field.number]:
                    yield segment, field


def _fitting(frame: Frame, sample: Sequence[Segment], element: Element) -> Iterator[_Guess]:
    for segment, field in _fields(frame.version, sample):
        if segment[0] == "MSH" or not (score := likeness(field, element.name)):
            continue
        path = f"{segment[0]}-{field.number}"
        for name, one in FHIR_FORMATS.items():
            if one.gives == element.types[0] and (
                field.datatype in one.accepts or ("text" in one.accepts and field.datatype in _WRITTEN[one.gives])
            ):
                yield _Guess(field, path, name, score)
                break
        else:
            if element.types[0] in _TEXTS and element.codes is None and field.datatype in _WRITTEN["string"]:
                yield _Guess(field, path, None, score)


def _guessed(target: str, element: Element, guess: _Guess) -> str:
    one = element.maximum == 1
    path = f"{guess.path}[1]" if one and guess.field.maximum != 1 and guess.conversion != "lines" else guess.path
    words = [f'from: "{path}"']
    words += [f"as: {guess.conversion}"] if guess.conversion else []
    words += [f"table: {_TABLES[guess.conversion]}"] if guess.conversion in _TABLES else []
    words += ["required: true"] if element.minimum else []
    key = target if one else f"{target}[]"
    return f"  {key}: {{ {', '.join(words)} }}   # {guess.field.name}. To be decided: guessed by its type"


def _required(target: str, element: Element, indent: str) -> Iterator[str]:
    """Yield the lines of an element that FHIR requires and the sample has nothing for; those inside it, too."""
    kind = element.types[0]
    inner = [one for name, one in fhir_model.elements(kind).items() if one.minimum and name not in _SELDOM]
    if inner and kind not in fhir_model.primitive_types():
        yield f"{indent}{target}{_many(element)}:   # To be decided: FHIR requires it"
        block = f"{indent}  - " if element.maximum != 1 else f"{indent}  "
        yield f"{block}map:"
        for one in inner:
            yield from _required(f"{target}.{one.name}", one, f"{indent}      ")
        return
    codes = f"; codes are {', '.join(sorted(element.codes)[:8])}" if element.codes else ""
    yield f"{indent}{target}{_many(element)}: {{}}   # {kind}. To be decided: FHIR requires it{codes}"


def _tests(frame: Frame) -> Iterator[str]:
    yield ""
    yield "tests:"
    yield f"  - name: the sample becomes a change of {frame.message}"
    yield f"    given: {frame.given}"
    yield "    expect: { action: send }   # to be decided: what must stand in its elements"
