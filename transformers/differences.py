"""What is different between two encodings of the same message, in the words of its format. Never on its way.

HL7 v2 field by field, JSON element by element, DICOM attribute by attribute, anything else as a whole. Fields that the
host itself writes anew at every mapping are left out: they say nothing about the mapping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from messages.problem import Problems
from transformers import er7, hl7_tables
from transformers.base import Difference
from transformers.hl7_path import HL7Path, parse

#: Fields that the host writes: the moment of the mapping and the control id. Masked when messages are compared.
HOST_WRITES = frozenset({"MSH-7", "MSH-10"})
#: How the host writes MSH-7 (fhir_to_hl7.py).
_MOMENT = "%Y%m%d%H%M%S.%f%z"


def differences(before: bytes, after: bytes) -> list[Difference]:
    """Return what is different, in the order of the message; nothing when only masked fields are."""
    if before == after:
        return []
    if before.startswith(b"MSH") and after.startswith(b"MSH"):
        try:
            one, other = er7.parse(before), er7.parse(after)
        except Problems:
            return [Difference(path="bytes", before=_text(before), after=_text(after))]
        return list(_segments(one.segments, other.segments))
    if before[128:132] == after[128:132] == b"DICM":
        from transformers.dicom_dataset import decoded  # noqa: PLC0415  # pydicom only where DICOM is compared

        return list(_elements("", decoded(before), decoded(after)))
    try:
        documents = orjson.loads(before), orjson.loads(after)
    except orjson.JSONDecodeError:
        return [Difference(path="bytes", before=_text(before), after=_text(after))]
    return list(_elements("", *documents))


def moment(encoded: bytes) -> datetime | None:
    """Return when the host made an HL7 message (its MSH-7); None for another format."""
    if not encoded.startswith(b"MSH"):
        return None
    fields = encoded.split(b"\r", 1)[0].split(encoded[3:4])
    try:
        return datetime.strptime(fields[6].decode("ascii"), _MOMENT)  # noqa: DTZ007  # %z is in it
    except (IndexError, ValueError):
        return None


def words(path: str, version: str) -> str:
    """Return a path with the field's name.

    >>> words("PID-8", "2.5.1"), words("Patient.gender", "2.5.1")
    ('PID-8 Administrative Sex', 'Patient.gender')
    """
    try:
        field = parse(path)
        return f"{path} {hl7_tables.fields(version, field.segment)[field.field - 1].name}"
    except (ValueError, KeyError, IndexError):
        return path


def version(encoded: bytes) -> str:
    """Return MSH-12 of an HL7 message; the default of mappings for anything else."""
    fields = encoded.split(b"\r", 1)[0].split(encoded[3:4]) if encoded.startswith(b"MSH") else []
    return fields[11].split(b"^")[0].decode("ascii", "replace") if len(fields) > 11 else "2.5.1"


# -- HL7 v2 ------------------------------------------------------------------------------------------------------


def _segments(before: list[er7.Segment], after: list[er7.Segment]) -> Iterator[Difference]:
    """Compare the n-th segment of each name with the n-th of the same name."""
    one, other = _numbered(before), _numbered(after)
    for key in dict.fromkeys([*one, *other]):
        name = key[0]
        if key not in one or key not in other:
            yield Difference(path=name, before=_segment(one.get(key)), after=_segment(other.get(key)))
        else:
            yield from _fields(name, one[key], other[key])
    shared = [[key for key in keys if key in one and key in other] for keys in (one, other)]
    if shared[0] != shared[1]:
        yield Difference(path="order of segments", before=_order(shared[0]), after=_order(shared[1]))


def _numbered(segments: list[er7.Segment]) -> dict[tuple[str, int], er7.Segment]:
    counts: Counter[str] = Counter()
    found = {}
    for segment in segments:
        counts[segment[0]] += 1
        found[segment[0], counts[segment[0]]] = segment
    return found


def _fields(name: str, before: er7.Segment, after: er7.Segment) -> Iterator[Difference]:
    for number in range(1, max(len(before), len(after))):
        one = _trimmed(before[number]) if number < len(before) else []
        other = _trimmed(after[number]) if number < len(after) else []
        path = str(HL7Path(name, number))
        if one != other and path not in HOST_WRITES:
            yield Difference(path=path, before=_field(one), after=_field(other))


def _trimmed(field: Any) -> Any:
    """Return a field with all that says nothing taken from its ends: `A^^` is `A`."""
    if not isinstance(field, list):
        return field
    items = [_trimmed(item) for item in field]
    while items and items[-1] in ("", []):
        items.pop()
    return items


def _field(field: Any) -> str:
    if isinstance(field, str):
        return field
    return "~".join("^".join("&".join(part) for part in repetition) for repetition in field)


def _segment(segment: er7.Segment | None) -> str:
    return "" if segment is None else "|".join([segment[0], *(_field(field) for field in segment[1:])])


def _order(keys: list[tuple[str, int]]) -> str:
    return " ".join(name for name, _ in keys)


# -- JSON --------------------------------------------------------------------------------------------------------


def _elements(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _elements(f"{path}.{name}" if path else name, before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from _elements(path, one, other)
    elif before != after:
        yield Difference(path=path or "document", before=_json(before), after=_json(after))


def _json(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
