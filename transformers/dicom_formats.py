"""The formats of mappings to DICOM, from FHIR's types to DICOM's value representations: `as: PN`, `as: DA`.

Sources: DICOM PS3.5 6.2 (representations), B.2 (UIDs derived from UUIDs); PS3.3 C.7.1.1 (Patient's Sex).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers.mapping_values import texts
from transformers.timestamps import hl7_timestamp

#: Of UIDs that are made of a text: any fixed UUID does.
_OURS = uuid.UUID("6f0d5b0e-7a3c-4f5c-9d0a-3f6c5a1e2b47")
_UID = re.compile(r"(?:urn:oid:)?((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+)")
_SEXES = {"male": "M", "female": "F", "other": "O"}
_ANY = "*"


@dataclass(frozen=True, slots=True)
class DicomFormat:
    """One way to write a FHIR value in DICOM."""

    #: FHIR types that it takes; "*" is any single value.
    accepts: frozenset[str]
    #: Value representations that it fits.
    fits: frozenset[str]
    #: The value and the zone of times. None: nothing to say. Raises ValueError with a sentence without the value.
    function: Callable[[Any, str], str | None]


def person_name(value: Any, _zone: str) -> str | None:
    """HumanName as PN: family^given^middle^prefix^suffix.

    >>> person_name({"family": "Sousa", "given": ["Ana", "Maria"], "prefix": ["Dr"]}, "UTC")
    'Sousa^Ana^Maria^Dr'
    """
    given = [str(name) for name in value.get("given") or []]
    parts = [
        str(value.get("family") or ""), *given[:1], *([""] if not given else []), " ".join(given[1:]),
        " ".join(value.get("prefix") or []), " ".join(value.get("suffix") or []),
    ]  # fmt: skip
    if not any(parts):
        parts = [str(value.get("text") or "")]
    # A backslash would part two names, ^ and = the parts of one: none of them is a letter of a name.
    cleaned = (re.sub(r"[\\^=]", " ", part) for part in parts)
    return "^".join(cleaned).rstrip("^") or None


def date(value: Any, zone: str) -> str | None:
    """A date, dateTime or instant as DA, in the zone.

    >>> date("2025-12-01T01:00:00Z", "America/Sao_Paulo"), date("1980-01-02", "UTC")
    ('20251130', '19800102')
    """
    found = hl7_timestamp(value, zone)
    if len(found) < 8:
        raise ValueError("the value names no day, and a DA is a whole day")
    return found[:8]


def time(value: Any, zone: str) -> str | None:
    """A dateTime, instant or time as TM, in the zone.

    >>> time("2025-12-01T12:00:00Z", "America/Sao_Paulo"), time("09:30:00", "UTC")
    ('090000', '093000')
    """
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?", str(value)):
        return str(value).replace(":", "")
    found = hl7_timestamp(value, zone)
    if len(found) < 14:
        raise ValueError("the value names no time of day")
    return found[8:14]


def date_time(value: Any, zone: str) -> str | None:
    """A date, dateTime or instant as DT, with its precision and the zone's offset.

    >>> date_time("2025-12-01T12:00:00Z", "America/Sao_Paulo"), date_time("2025-12", "UTC")
    ('20251201090000-0300', '202512')
    """
    return hl7_timestamp(value, zone)


def uid(value: Any, _zone: str) -> str | None:
    """An OID as UI: `urn:oid:` in front is left out.

    >>> uid("urn:oid:1.2.3", "UTC")
    '1.2.3'
    """
    match = _UID.fullmatch(str(value))
    if match is None or len(match[1]) > 64:
        raise ValueError("the value is no UID of at most 64 characters")
    return match[1]


def derived_uid(value: Any, _zone: str) -> str | None:
    """Any text as a UID that is always the same for it (PS3.5 B.2: 2.25 and a UUID as a number)."""
    text = next(iter(texts([value])), "")
    return f"2.25.{uuid.uuid5(_OURS, text).int}" if text else None


def document(value: Any, _zone: str) -> str | None:
    """A base64Binary, or an Attachment with its data, as the bytes of an OB; kept as base64 until it is written."""
    found = value.get("data") if isinstance(value, Mapping) else value
    if found is None:
        raise ValueError("the attachment has no data: a url is not fetched")
    return str(found)


_TIMES = frozenset({"date", "dateTime", "instant"})
_TEXTS = frozenset({"CS", "LO", "SH", "ST", "LT", "UT", "UC", "AE"})
DICOM_FORMATS: Mapping[str, DicomFormat] = {
    "PN": DicomFormat(frozenset({"HumanName"}), frozenset({"PN", "LO", "UT"}), person_name),
    "DA": DicomFormat(_TIMES, frozenset({"DA"}), date),
    "TM": DicomFormat(frozenset({"dateTime", "instant", "time"}), frozenset({"TM"}), time),
    "DT": DicomFormat(_TIMES, frozenset({"DT"}), date_time),
    "UI": DicomFormat(frozenset({"uri", "oid", "string", "id"}), frozenset({"UI"}), uid),
    "derived-uid": DicomFormat(frozenset({_ANY}), frozenset({"UI"}), derived_uid),
    "document": DicomFormat(frozenset({"base64Binary", "Attachment"}), frozenset({"OB"}), document),
    "sex": DicomFormat(frozenset({"code"}), frozenset({"CS"}), lambda value, _: _SEXES.get(value)),
    "upper": DicomFormat(frozenset({"string", "code", "id"}), _TEXTS, lambda value, _: str(value).upper()),
}


def converter(plan: Mapping[str, Any]) -> Callable[[Any, str], str | None]:
    """Return what makes a text of a value for a rule with a value representation (`vr`).

    Raises, when it is called:
        ValueError: with a sentence that does not hold the value.
    """
    from transformers.dicom_dictionary import fits  # noqa: PLC0415  # pydicom only where a channel writes DICOM

    vr = plan["vr"]
    function = DICOM_FORMATS[plan["as"]].function if "as" in plan else _as_it_is

    def convert(value: Any, zone: str) -> str | None:
        found = function(value, zone)
        if found is not None and vr != "OB" and not fits(vr, found):
            raise ValueError(f"the value is no {vr} (DICOM PS3.5, 6.2)")
        return found

    return convert


def _as_it_is(value: Any, _zone: str) -> str | None:
    return next(iter(texts([value])), None)
