"""The formats of mappings that read HL7, from HL7 data types to FHIR's: `as: HumanName`, `as: instant`.

Which component goes where: HL7 Version 2 to FHIR (http://hl7.org/fhir/uv/v2mappings), XPN, XAD, XTN, CX, EI, CE, CWE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers import hl7_times
from transformers.format import Repetition, UnknownCode
from transformers.hl7_scope import NULL, first

Json = dict[str, Any]

IDENTIFIER_TYPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v2-0203"
#: HL7 table 0200 -> HumanName.use; also what later versions write.
NAME_USES = {
    "L": "official", "D": "usual", "M": "maiden", "N": "nickname", "S": "anonymous", "U": "temp", "R": "official",
    "BAD": "old", "TEMP": "temp", "NAV": "temp", "MSK": "anonymous",
}  # fmt: skip
#: HL7 table 0190 -> Address.use.
ADDRESS_USES = {"H": "home", "B": "work", "O": "work", "C": "temp", "BI": "billing", "BA": "old"}
#: HL7 table 0201 -> ContactPoint.use.
TELECOM_USES = {"PRN": "home", "ORN": "home", "VHN": "home", "WPN": "work", "EMR": None, "ASN": None, "NET": None}
#: HL7 table 0202 -> ContactPoint.system.
TELECOM_SYSTEMS = {"PH": "phone", "CP": "phone", "FX": "fax", "BP": "pager", "Internet": "email", "X.400": "email"}
#: UCUM and what else stands in AIS-8 and SCH-10 -> minutes.
UNITS = {"min": 1.0, "minute": 1.0, "minutes": 1.0, "m": 1.0, "s": 1 / 60, "sec": 1 / 60, "h": 60.0, "hr": 60.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a format may know beside its value."""

    zone: str = "UTC"
    #: Rows of the line's table, in its order.
    rows: Sequence[Mapping[str, str]] = ()
    table: str = ""
    #: Values of the options; those that name a path have been read.
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirFormat:
    """One way to write an HL7 value in FHIR."""

    #: HL7 data types that it takes; "text" stands for all primitive ones.
    accepts: frozenset[str]
    #: FHIR type.
    gives: str
    #: One value; None: nothing to say. Raises ValueError with a sentence without the value; UnknownCode for the table.
    function: Callable[[Repetition, Context], Any]
    #: Columns that the line's table must have; empty: it takes none.
    columns: tuple[str, ...] = ()
    #: Name of an option -> what it does. Those in `paths` name a place in the message.
    options: Mapping[str, str] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()


def part(repetition: Repetition, component: int, subcomponent: int = 1) -> str:
    """Return one component as text; "" when it is not there or null."""
    if component > len(repetition) or subcomponent > len(repetition[component - 1]):
        return ""
    text = repetition[component - 1][subcomponent - 1]
    return "" if text == NULL else text


def _without_empty(element: Json) -> Json | None:
    kept = {name: value for name, value in element.items() if value}
    return kept or None


def human_name(value: Repetition, context: Context) -> Json | None:  # noqa: ARG001 - every format takes these
    """XPN as HumanName."""
    given = [part(value, 2), *part(value, 3).split()]
    named = _without_empty(
        {
            "family": part(value, 1),
            "given": [name for name in given if name],
            "prefix": [text for text in [part(value, 5)] if text],
            "suffix": [text for text in [part(value, 4)] if text],
        }
    )
    use = NAME_USES.get(part(value, 7))
    return {"use": use, **named} if named and use else named


def address(value: Repetition, context: Context) -> Json | None:  # noqa: ARG001 - every format takes these
    """XAD as Address."""
    kind = part(value, 7)
    found = _without_empty(
        {
            "line": [text for text in (part(value, 1), part(value, 2)) if text],
            "city": part(value, 3),
            "district": part(value, 9),
            "state": part(value, 4),
            "postalCode": part(value, 5),
            "country": part(value, 6),
        }
    )
    if not found:
        return None
    said = {"type": "postal"} if kind == "M" else {"use": ADDRESS_USES[kind]} if kind in ADDRESS_USES else {}
    return {**said, **found}


def contact_point(value: Repetition, context: Context) -> Json | None:  # noqa: ARG001 - every format takes these
    """XTN as ContactPoint: an email of XTN.4, or a number of XTN.5 to .7, XTN.12 or XTN.1."""
    use, equipment = part(value, 2), part(value, 3)
    system = "email" if use == "NET" else TELECOM_SYSTEMS.get(equipment, "phone")
    split = [part(value, number) for number in (5, 6, 7)]
    number = ("+" if split[0] else "") + "".join(split) if split[2] else part(value, 12) or part(value, 1)
    text = part(value, 4) or part(value, 1) if system == "email" else number
    if not text:
        return None
    place = "mobile" if equipment == "CP" else TELECOM_USES.get(use)
    return {"system": system, "value": text, **({"use": place} if place else {})}


def identifier(value: Repetition, context: Context) -> Json | None:
    """CX or EI as Identifier, its system from the table of authorities, read backwards."""
    text = part(value, 1)
    if not text:
        return None
    is_cx = context.options.get("datatype") == "CX"
    hd = value[3] if is_cx and len(value) > 3 else [part(value, n) for n in (2, 3, 4)] if not is_cx else []
    namespace, universal, *_ = (*("" if one == NULL else one for one in hd), "", "")
    row = _authority(namespace, universal, context)
    code = context.options.get("type") or (part(value, 5) if is_cx else "")
    found: Json = {"type": {"coding": [{"system": IDENTIFIER_TYPE_SYSTEM, "code": code}]}} if code else {}
    return found | {"system": row["system"], "value": text}


def identifier_of(value: Repetition, context: Context) -> Json | None:
    """A number alone, such as one that the rules of a kind remember, as Identifier of the system that is named."""
    system, code = context.options.get("system"), context.options.get("type")
    found: Json = {"type": {"coding": [{"system": IDENTIFIER_TYPE_SYSTEM, "code": code}]}} if code else {}
    return found | ({"system": system} if system else {}) | {"value": first(value)}


def _authority(namespace: str, universal: str, context: Context) -> Mapping[str, str]:
    """Return the row of an HD: its universal id counts before its name."""
    for column, text in (("universal_id", universal), ("namespace", namespace)):
        if text:
            for row in context.rows:
                if row[column] == text:
                    return row
    what = "the identifier's authority" if namespace or universal else "an identifier without authority"
    raise UnknownCode(context.table, what, universal or namespace or None)


def coding(value: Repetition, context: Context) -> Json | None:
    """CE or CWE as Coding: its first triplet, or the alternate one where only that is of a known system."""
    found = _codings(value, context)
    return found[0] if found else None


def codeable_concept(value: Repetition, context: Context) -> Json | None:
    """CE or CWE as CodeableConcept: both triplets, and the text."""
    found = _codings(value, context)
    text = part(value, 9) or part(value, 2) or part(value, 5)
    return _without_empty({"coding": found, "text": text})


def _codings(value: Repetition, context: Context) -> list[Json]:
    systems = {row["name"]: row["system"] for row in context.rows}
    found, unknown = [], False
    for at in (1, 4):
        code, display, name = (part(value, at + more) for more in range(3))
        if not code:
            continue
        if name and name not in systems:
            unknown = True
            continue
        system = {"system": systems[name]} if name else {}
        found.append({**system, "code": code, **({"display": display} if display else {})})
    if unknown and not found:
        raise UnknownCode(context.table, "the code's system", part(value, 3) or part(value, 6))
    return found


def minutes(value: Repetition, context: Context) -> int | None:
    """A number as minutes; `unit` names the place of its unit (minutes when that is empty), `at_least` raises it.

    A number that brings its unit along, such as M60, is a duration of TQ.3 (HL7 v2.5.1 chapter 4.5.2).
    """
    text, unit = first(value), context.options.get("unit") or "min"
    if text[:1] in _TQ_UNITS:
        text, unit = text[1:], _TQ_UNITS[text[0]]
    if unit not in UNITS:
        raise ValueError("the unit is none of min, s and h")
    try:
        number = float(text)
    except ValueError:
        raise ValueError("the value is no number") from None
    found = -(-number * UNITS[unit] // 1)
    if not 0 < found < 1_000_000:
        raise ValueError("the value is no duration")
    return max(int(found), int(context.options.get("at_least", "0")))


def instant(value: Repetition, context: Context) -> str | None:
    """TS as instant; `plus` names a number of minutes that are added."""
    text = hl7_times.instant(first(value), context.zone)
    plus = context.options.get("plus")
    if plus is None:
        return text
    if not plus:
        return None
    return hl7_times.later(text, int(plus), context.zone)


def _boolean(value: Repetition, context: Context) -> bool:  # noqa: ARG001 - every format takes these
    if first(value) not in ("Y", "N"):
        raise ValueError("the value is not Y or N (HL7 table 0136)")
    return first(value) == "Y"


_TEXT = frozenset({"text"})
_TQ_UNITS = {"S": "s", "M": "min", "H": "h"}
_TIMES = frozenset({"TS", "DTM", "DT"})
AUTHORITIES = ("system", "namespace", "universal_id", "universal_id_type")

FHIR_FORMATS: Mapping[str, FhirFormat] = {
    "HumanName": FhirFormat(accepts=frozenset({"XPN"}), gives="HumanName", function=human_name),
    "Address": FhirFormat(accepts=frozenset({"XAD"}), gives="Address", function=address),
    "ContactPoint": FhirFormat(accepts=frozenset({"XTN"}), gives="ContactPoint", function=contact_point),
    "Identifier": FhirFormat(
        accepts=frozenset({"CX", "EI"}), gives="Identifier", function=identifier, columns=AUTHORITIES,
        options={"type": "a code of HL7 table 0203, such as PLAC"},
    ),
    "identifier-of": FhirFormat(
        accepts=_TEXT, gives="Identifier", function=identifier_of,
        options={"system": "system of the number", "type": "a code of HL7 table 0203, such as PLAC"},
    ),
    "Coding": FhirFormat(accepts=frozenset({"CE", "CWE"}), gives="Coding", function=coding, columns=("system", "name")),
    "CodeableConcept": FhirFormat(
        accepts=frozenset({"CE", "CWE"}), gives="CodeableConcept", function=codeable_concept, columns=("system", "name")
    ),
    "instant": FhirFormat(
        accepts=_TIMES, gives="instant", function=instant, options={"plus": "minutes to add"}, paths=frozenset({"plus"})
    ),
    "dateTime": FhirFormat(
        accepts=_TIMES, gives="dateTime", function=lambda value, c: hl7_times.date_time(first(value), c.zone)
    ),
    "date": FhirFormat(accepts=_TIMES, gives="date", function=lambda value, _: hl7_times.date_of(first(value))),
    "minutes": FhirFormat(
        accepts=_TEXT, gives="positiveInt", function=minutes, paths=frozenset({"unit"}),
        options={"unit": "where the unit stands, such as AIS-8.1", "at_least": "the shortest duration"},
    ),
    "boolean": FhirFormat(accepts=_TEXT, gives="boolean", function=_boolean),
    "lines": FhirFormat(accepts=_TEXT, gives="string", function=lambda value, _: first(value)),
}  # fmt: skip
