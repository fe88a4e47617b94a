"""All formats by name: what `as:` in a mapping line may say.

Plug-ins and analysts meet formats only here. The page of formats in docs is made from this registry.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from transformers import datatypes, timestamps
from transformers.format import Format, FormatContext, Function, Repetition, UnknownCode

__all__ = ["FORMATS", "Format", "FormatContext", "Repetition", "UnknownCode"]

_TEXT = frozenset({"string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid", "xhtml"})
_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt", "decimal"})
_TIMES = frozenset({"date", "dateTime", "instant", "time"})
PRIMITIVES = _TEXT | _NUMBERS | _TIMES | {"boolean", "base64Binary"}

# HL7 table 0001 for http://hl7.org/fhir/administrative-gender.
SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}

_NM = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
#: What stands at the end of a text that was cut.
CUT = "..."


def _text(value: Any) -> str:
    """Return a FHIR primitive as FHIR writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return format(Decimal(str(value)), "f")
    raise ValueError("the value has parts: name one of them, or a format for its type")


def _texts(convert: Callable[[str], str]) -> Function:
    """Return the function of a format that turns one text into one text; nothing left means no value."""

    def function(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[Any]:  # noqa: ARG001 - every format takes these
        return [text for text in (convert(_text(value)) for value in values) if text]

    return function


def _sex(value: str) -> str:
    if value not in SEXES:
        raise ValueError("the value is no code of FHIR's administrative-gender")
    return SEXES[value]


def _number(value: str) -> str:
    """Return an NM: no exponent, no thousands separator, a point before decimals (chapter 2A, NM)."""
    if not _NM.fullmatch(value):
        raise ValueError("the value is no number with digits and a decimal point")
    return value


def _whole_number(value: str) -> str:
    try:
        return _number(format(Decimal(value), "f")) if "e" in value.lower() else _number(value)
    except InvalidOperation:
        raise ValueError("the value is no number with digits and a decimal point") from None


def _indicator(value: str) -> str:
    if value not in {"true", "false"}:
        raise ValueError("the value is neither true nor false")
    return "Y" if value == "true" else "N"


def _shorten(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[Any]:  # noqa: ARG001 - every format takes these
    """The format `max`: at most `length` characters; the last three of a cut text are `...`."""
    length: int = options["length"]
    texts = (unicodedata.normalize("NFC", _text(value)) for value in values)
    return [text if len(text) <= length else (text[: max(length - len(CUT), 0)] + CUT)[:length] for text in texts]


_AUTHORITY = ("system", "namespace", "universal_id", "universal_id_type", "identifier_type")
_OFFSET = {"milliseconds": "write .SSS after the seconds", "offset": "false: leave the offset from UTC out"}
_OFFSET_TYPES: dict[str, type] = {"milliseconds": bool, "offset": bool}
_AT_LEAST = {"at_least": "raise anything shorter to this many minutes"}
_CODED = frozenset({"Coding", "CodeableConcept"})

_ALL = (
    Format(
        name="XPN",
        summary="A person's name; family whole in XPN.1.1, official names first.",
        accepts=frozenset({"HumanName"}),
        gives="XPN",
        widths=(1,) * 7,
        function=datatypes.names,
        source="HL7 v2.5.1 2A XPN, table 0200",
    ),
    Format(
        name="XAD",
        summary="An address; the first line in XAD.1.1, the others in XAD.2.",
        accepts=frozenset({"Address"}),
        gives="XAD",
        widths=(1,) * 9,
        function=datatypes.each(datatypes.xad),
        source="HL7 v2.5.1 2A XAD, table 0190",
    ),
    Format(
        name="XTN",
        summary="A telephone, fax or email; split into country, area and local number where that is certain.",
        accepts=frozenset({"ContactPoint"}),
        gives="XTN",
        widths=(1,) * 12,
        function=datatypes.each(datatypes.xtn),
        source="HL7 v2.5.1 2A XTN, tables 0201 and 0202; ITU-T E.164",
    ),
    Format(
        name="CX",
        summary="An identifier with its assigning authority and type, by the authority table.",
        accepts=frozenset({"Identifier"}),
        gives="CX",
        widths=(1, 1, 1, 3, 1),
        function=datatypes.each(datatypes.cx),
        columns=_AUTHORITY,
        source="HL7 v2.5.1 2A CX, tables 0203 and 0363",
    ),
    Format(
        name="EI",
        summary="An identifier of a thing (appointment, order) with its authority, by the authority table.",
        accepts=frozenset({"Identifier"}),
        gives="EI",
        widths=(1,) * 4,
        function=datatypes.each(datatypes.ei),
        columns=_AUTHORITY[:4],
        source="HL7 v2.5.1 2A EI",
    ),
    Format(
        name="HD",
        summary="An authority itself (namespace, universal id, its type), by the authority table.",
        accepts=frozenset({"uri", "string", "Identifier"}),
        gives="HD",
        widths=(1,) * 3,
        function=datatypes.hd,
        columns=_AUTHORITY[:4],
        source="HL7 v2.5.1 2A HD, table 0301",
    ),
    Format(
        name="XCN",
        summary="A person with an identifier, by the authority table: Practitioner, Patient, RelatedPerson or a name.",
        accepts=frozenset({"Practitioner", "Patient", "RelatedPerson", "HumanName"}),
        gives="XCN",
        widths=(1, 1, 1, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1),
        function=datatypes.each(datatypes.xcn),
        columns=_AUTHORITY,
        source="HL7 v2.5.1 2A XCN, tables 0200 and 0203",
    ),
    *(
        Format(
            name=name,
            summary="A code with its text and coding system, by the code-system table; text alone becomes ^text.",
            accepts=_CODED,
            gives=name,
            widths=(1,) * 6,
            function=datatypes.each(datatypes.coded),
            columns=("system", "name"),
            source=f"HL7 v2.5.1 2A {name}, table 0396",
        )
        for name in ("CE", "CWE")
    ),
    Format(
        name="date",
        summary="A date as it is: year, month or day.",
        accepts=frozenset({"date"}),
        gives="text",
        primitive="DT",
        function=timestamps.dates,
        source="HL7 v2.5.1 2A DT",
    ),
    Format(
        name="timestamp",
        summary="A time in the facility's zone with its offset; a date keeps its precision.",
        accepts=frozenset({"date", "dateTime", "instant"}),
        gives="text",
        primitive="TS",
        zoned=True,
        function=timestamps.timestamps,
        options=_OFFSET,
        option_types=_OFFSET_TYPES,
        source="HL7 v2.5.1 2A DTM and TS",
    ),
    Format(
        name="minutes",
        summary="How long an Appointment or Period lasts, in elapsed minutes.",
        accepts=frozenset({"Appointment", "Period", "integer", "positiveInt", "unsignedInt"}),
        gives="text",
        primitive="NM",
        function=timestamps.minutes,
        options=_AT_LEAST,
        option_types={"at_least": int},
        source="FHIR R4 Appointment.minutesDuration; HL7 v2.5.1 2A NM",
    ),
    Format(
        name="end",
        summary="When an Appointment or Period ends, later where at_least asks for it.",
        accepts=frozenset({"Appointment", "Period"}),
        gives="text",
        primitive="TS",
        zoned=True,
        function=timestamps.ends,
        options=_AT_LEAST | _OFFSET,
        option_types={"at_least": int} | _OFFSET_TYPES,
        source="FHIR R4 Appointment.end; HL7 v2.5.1 2A TS",
    ),
    Format(
        name="weekday",
        summary="The day of the week in the facility's zone, as HealthcareService.availableTime names it: mon to sun.",
        accepts=frozenset({"dateTime", "instant"}),
        gives="text",
        primitive="ST",
        zoned=True,
        function=timestamps.weekdays,
        source="FHIR R4, value set days-of-week",
    ),
    Format(
        name="time-of-day",
        summary="The time of day in the facility's zone, as FHIR writes a time: 09:00:00.",
        accepts=frozenset({"dateTime", "instant"}),
        gives="text",
        primitive="ST",
        zoned=True,
        function=timestamps.times_of_day,
        source="FHIR R4, data type time",
    ),
    Format(
        name="sex",
        summary="male M, female F, other O, unknown U.",
        accepts=frozenset({"code", "string"}),
        gives="text",
        primitive="IS",
        function=_texts(_sex),
        source="HL7 v2.5.1 table 0001",
    ),
    Format(
        name="indicator",
        summary="true Y, false N.",
        accepts=frozenset({"boolean"}),
        gives="text",
        primitive="ID",
        function=_texts(_indicator),
        source="HL7 v2.5.1 table 0136",
    ),
    Format(
        name="text",
        summary="The value as FHIR writes it; line breaks become \\.br\\ on the wire.",
        accepts=PRIMITIVES,
        gives="text",
        primitive="TX",
        function=_texts(str),
        source="HL7 v2.5.1 2A TX and FT, 2.7 escape sequences",
    ),
    Format(
        name="ST",
        summary="The value in one line: line breaks and control characters become a space.",
        accepts=PRIMITIVES,
        gives="text",
        function=_texts(lambda value: _CONTROLS.sub(" ", value).strip()),
        source="HL7 v2.5.1 2A ST",
    ),
    Format(
        name="upper",
        summary="The text in capitals.",
        accepts=_TEXT,
        gives="text",
        function=_texts(str.upper),
        source="Unicode 3.13, default case conversion",
    ),
    Format(
        name="digits",
        summary="Only the digits 0 to 9 of the text.",
        accepts=_TEXT,
        gives="text",
        function=_texts(lambda value: re.sub(r"[^0-9]", "", value)),
        source="this project",
    ),
    Format(
        name="max",
        summary="The text, cut to length characters; a cut text ends in three dots. Not for identifiers.",
        accepts=_TEXT,
        gives="text",
        function=_shorten,
        options={"length": "the most characters that may be written"},
        required=("length",),
        option_types={"length": int},
        source="HL7 v2.5.1 2.5.3.2, length",
    ),
    Format(
        name="number",
        summary="A number with a decimal point, no exponent and no thousands separator.",
        accepts=_NUMBERS | {"string"},
        gives="text",
        primitive="NM",
        function=_texts(_whole_number),
        source="HL7 v2.5.1 2A NM",
    ),
)

#: Every format by the name that `as:` uses.
FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
