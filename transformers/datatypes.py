"""FHIR data types as HL7 data types: names, addresses, telephones, identifiers, codes.

Every function takes one FHIR value and returns one repetition: a list of components, each a list of subcomponents,
without trailing empty ones. Positions: HL7 v2.5.1 chapter 2A; they are the same in 2.3.1 to 2.5.1 but for XTN.12.
Which FHIR element goes where: HL7 Version 2 to FHIR (http://hl7.org/fhir/uv/v2mappings), read backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import telephone
from transformers.format import FormatContext, Function, Repetition, UnknownCode

# HumanName.use -> HL7 table 0200. A name without use is taken as the legal one.
NAME_TYPES = {
    "official": "L",
    "usual": "D",
    "maiden": "M",
    "nickname": "N",
    "anonymous": "S",
    "temp": "U",
    "old": "U",
    None: "L",
}
# Address.use -> HL7 table 0190; Address.type postal -> M goes before.
ADDRESS_TYPES = {"home": "H", "work": "B", "temp": "C", "billing": "BI", "old": "BA"}
# ContactPoint.use -> HL7 table 0201. Version 2.5.1 has no code for a personal mobile: residence and equipment CP.
USE_CODES = {"home": "PRN", "mobile": "PRN", "work": "WPN", "temp": "ORN", "old": "ORN", None: "PRN"}
# ContactPoint.system -> HL7 table 0202.
EQUIPMENT_TYPES = {"phone": "PH", "fax": "FX", "pager": "BP", "sms": "CP"}
IDENTIFIER_TYPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v2-0203"


def _trimmed(repetition: Repetition) -> Repetition:
    """Return a repetition without the empty components at its end."""
    while repetition and not any(repetition[-1]):
        repetition.pop()
    return repetition


def each(convert: Callable[[Any, FormatContext], Repetition]) -> Function:
    """Return the format's function for a conversion of one value; values that have nothing to say are left out."""

    def function(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[Any]:  # noqa: ARG001 - every format takes these
        found = []
        for value in values:
            repetition = convert(value if isinstance(value, dict) else _element(value), context)
            if repetition:
                found.append(repetition)
        return found

    return function


def _element(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("the value is no FHIR element with parts")  # noqa: TRY004 - a format's errors are ValueErrors
    return value


def _name_parts(name: Mapping[str, Any]) -> list[str]:
    """Return family, first given name, further given names, suffix and prefix."""
    given = name.get("given") or []
    if not name.get("family") and not given:
        raise ValueError("the HumanName has neither family nor given name: its text cannot be divided")
    return [
        name.get("family") or "",
        given[0] if given else "",
        " ".join(given[1:]),
        " ".join(name.get("suffix") or ()),
        " ".join(name.get("prefix") or ()),
    ]


def xpn(name: Mapping[str, Any], context: FormatContext) -> Repetition:  # noqa: ARG001 - every format takes these
    """HumanName as XPN. The whole family name is XPN.1.1: FHIR does not split particles off, so neither do we."""
    family, first, further, suffix, prefix = _name_parts(name)
    use = NAME_TYPES.get(name.get("use"), "U")
    return _trimmed([[family], [first], [further], [suffix], [prefix], [""], [use]])


def names(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[Any]:  # noqa: ARG001 - every format takes these
    """The format XPN: official names first, else in order; the first repetition is the one that receivers show."""
    people = [_element(value) for value in values]
    if len(people) > 1:
        people.sort(key=lambda name: name.get("use") != "official")
    return [xpn(name, context) for name in people]


def xad(address: Mapping[str, Any], context: FormatContext) -> Repetition:  # noqa: ARG001 - every format takes these
    """Address as XAD. An address that is only text goes into XAD.1.1."""
    lines = address.get("line") or [address.get("text") or ""]
    kind = "M" if address.get("type") == "postal" else ADDRESS_TYPES.get(address.get("use") or "", "")
    city, state = address.get("city") or "", address.get("state") or ""
    code, country = address.get("postalCode") or "", address.get("country") or ""
    district = address.get("district") or ""
    line, other = lines[0], " ".join(lines[1:])
    if not (line or other or city or state or code or country or district):
        return []
    return _trimmed([[line], [other], [city], [state], [code], [country], [kind], [""], [district]])


def xtn(point: Mapping[str, Any], context: FormatContext) -> Repetition:
    """ContactPoint as XTN; a number is split into XTN.5 to .7 where its country's plan is certain.

    Any other number stands whole in XTN.12, or before version 2.5 in XTN.1. A system that is neither telephone nor
    email (url, other) stands in XTN.9, any text.
    """
    value, system, use = point.get("value"), point.get("system"), point.get("use")
    if not value:
        return []
    if system == "email":
        return [[""], ["NET"], ["Internet"], [value]]
    if system is not None and system not in EQUIPMENT_TYPES:
        return [*([""] for _ in range(8)), [value]]
    use_code = USE_CODES.get(use, "")
    equipment = "CP" if use == "mobile" else EQUIPMENT_TYPES[system or "phone"]
    split = telephone.split(value)
    if split:
        country, area, local = split
        return [[""], [use_code], [equipment], [""], [country], [area], [local]]
    number = value.removeprefix("tel:")
    if context.version >= "2.5":
        return [[""], [use_code], [equipment], *([""] for _ in range(8)), [number]]
    return _trimmed([[number], [use_code], [equipment]])


def _authority(system: str | None, context: FormatContext) -> Mapping[str, str]:
    """Return the row of the authority table for Identifier.system."""
    row = (context.table or {}).get(system or "")
    if row is None:
        what = "the identifier's system" if system else "an identifier without a system"
        raise UnknownCode(context.table_name, what, system or None)
    return row


def _identified(identifier: Mapping[str, Any]) -> str:
    value = identifier.get("value")
    if not value:
        raise ValueError("the Identifier has no value")
    return str(value)


def _hierarchic(row: Mapping[str, str]) -> list[str]:
    """Return namespace, universal id and its type (HD), without trailing empty ones."""
    namespace, universal_id, type_ = row["namespace"], row["universal_id"], row["universal_id_type"]
    if type_:
        return [namespace, universal_id, type_]
    return [namespace, universal_id] if universal_id else [namespace] if namespace else []


def _identifier_type(identifier: Mapping[str, Any], row: Mapping[str, str]) -> str:
    """Return a code of HL7 table 0203: the authority's own, else the one that Identifier.type gives."""
    own = row.get("identifier_type")
    if own:
        return own
    codings = (identifier.get("type") or {}).get("coding") or []
    stated = (coding.get("code") for coding in codings if coding.get("system") == IDENTIFIER_TYPE_SYSTEM)
    return next(stated, None) or ""


def cx(identifier: Mapping[str, Any], context: FormatContext) -> Repetition:
    """Identifier as CX, its assigning authority (CX.4) from the table."""
    row = _authority(identifier.get("system"), context)
    authority = _hierarchic(row) or [""]
    return _trimmed([[_identified(identifier)], [""], [""], authority, [_identifier_type(identifier, row)]])


def ei(identifier: Mapping[str, Any], context: FormatContext) -> Repetition:
    """Identifier as EI, its authority (EI.2 to EI.4) from the table."""
    row = _authority(identifier.get("system"), context)
    return [[_identified(identifier)], *([part] for part in _hierarchic(row))]


def hd(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[Any]:  # noqa: ARG001 - every format takes these
    """The format HD: a system (uri), or an Identifier's system, as its row in the authority table."""
    systems = [value.get("system") if isinstance(value, Mapping) else value for value in values]
    return [[[part] for part in _hierarchic(_authority(system, context))] for system in systems]


def xcn(person: Mapping[str, Any], context: FormatContext) -> Repetition:
    """Practitioner, Patient or RelatedPerson (its first name, its first identifier in the table) or HumanName as XCN.

    A person without any identifier has no XCN.1; one whose identifiers are all of unknown systems raises UnknownCode.
    """
    human = "resourceType" not in person
    people = [person] if human else person.get("name") or []
    identifiers = [] if human else person.get("identifier") or []
    if not people:
        raise ValueError("the person has no name")
    name = people[0]
    if len(people) > 1:
        name = next((one for one in people if one.get("use") == "official"), name)
    family, first, further, suffix, prefix = _name_parts(name)
    names = [[family], [first], [further], [suffix], [prefix]]
    name_type = NAME_TYPES.get(name.get("use"), "U")
    if not identifiers:
        return [[""], *names, [""], [""], [""], [name_type]]
    identifier = identifiers[0]
    if len(identifiers) > 1:
        rows = context.table or {}
        identifier = next((one for one in identifiers if one.get("system") in rows), identifier)
    row = _authority(identifier.get("system"), context)
    authority = _hierarchic(row) or [""]
    code = _identifier_type(identifier, row)
    return _trimmed([[_identified(identifier)], *names, [""], [""], authority, [name_type], [""], [""], [code]])


def coded(value: Mapping[str, Any], context: FormatContext) -> Repetition:
    """Coding or CodeableConcept as CE or CWE: identifier, text and coding system, then the alternate triplet.

    Of a CodeableConcept the first two codings count whose system is in the table (or that have none); its text stands
    in for a missing display, and alone becomes `^text`.
    """
    concept = "coding" in value or "text" in value
    codings = [one for one in (value.get("coding") or [] if concept else [value]) if one.get("code")]
    rows = context.table or {}
    known = [one for one in codings if not one.get("system") or one["system"] in rows]
    if codings and not known:
        raise UnknownCode(context.table_name, "the code's system", codings[0]["system"])
    text = (value.get("text") if concept else value.get("display")) or ""
    if not known:
        return [[""], [text]] if text else []
    repetition = [[part] for one in known[:2] for part in _triplet(one, rows)]
    if not repetition[1][0]:
        repetition[1] = [text]
    return _trimmed(repetition)


def _triplet(coding: Mapping[str, Any], rows: Mapping[str, Mapping[str, str]]) -> tuple[str, str, str]:
    """Return code, display and the name of the coding system, as far as they are there."""
    system = coding.get("system")
    return coding["code"], coding.get("display") or "", rows[system]["name"] if system else ""
