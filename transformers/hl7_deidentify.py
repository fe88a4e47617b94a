"""An HL7 message without the people in it, for a test sample: as `deidentify` does it for FHIR, by HL7's data types.

Names, addresses, telephones, identifiers, texts and dates are replaced; codes, numbers, places and the header stay. The
same patient is the same fake one as in FHIR samples of the site, where both sides name the issuer by the same OID.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from messages.problem import Problems
from transformers import er7, hl7_tables
from transformers.deidentify import assert_gone
from transformers.er7 import Repetition, Segment
from transformers.fake_people import Faker
from transformers.hl7_scope import NULL

#: Segments that say nothing of a person: what stands in them stays, but for dates.
_HOUSE = frozenset({"MSH", "MSA", "SFT", "EVN", "RGS", "AIS", "AIG", "AIL"})
#: Coded fields whose texts are what somebody wrote (2.5.1 chapter 10, 10.6.2: reasons).
_WRITTEN = frozenset({("SCH", 6), ("SCH", 7)})
_TEXTS = frozenset({"ST", "TX", "FT", "GTS", "varies", ""})
_DATES = frozenset({"TS", "DTM", "DT"})
#: What says which, by a table or a number: no words of a person.
_CODES = frozenset({"CE", "CWE", "CNE", "ID", "IS", "SI", "NM", "PL", "HD", "TQ"})
_IDENTIFIERS = frozenset({"CX", "EI", "XON", "CNN", "CK", "CN"})
#: Parts of an XTN that are a number: the whole, area or city, local number, extension, unformatted (2A.89).
_NUMBERS = frozenset({1, 6, 7, 8, 12})
_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(.*)", re.DOTALL)


def deidentified(segments: Sequence[Segment], key: bytes) -> tuple[bytes, timedelta]:
    """Return the message without its people, encoded, and by how much its dates moved.

    Args:
        segments: of `er7.parse`.
        key: secret, the same for all samples of a site.

    Raises:
        StillThere: something of a person would remain; nothing may be kept of the result.
    """
    work = _Work(Faker(key), segments)
    made = [work.segment(one) for one in copy.deepcopy(list(segments))]
    assert_gone(work.values, work.names, work.leaves(made))
    try:
        encoded = er7.encode(made)
    except Problems:  # the message's character set does not have the letters of invented names
        encoded = er7.encode([[_plain(field) for field in one] for one in made])
    return encoded, timedelta(days=work.days)


class _Work:
    """One message on its way."""

    def __init__(self, faker: Faker, segments: Sequence[Segment]) -> None:
        self._faker = faker
        version = _leaf(segments[0], 12)
        self._version = version if version in hl7_tables.VERSIONS else "2.5.1"
        patient = next((one for one in segments if one[0] == "PID"), None)
        self._who = _identity(patient[3][0]) if patient is not None and len(patient) > 3 and patient[3] else ""
        self.days = faker.days(self._who)
        #: As in `deidentify`: whole values, and words of names, that may not be left.
        self.values: set[str] = set()
        self.names: set[str] = set()
        self._observed = ""

    def segment(self, segment: Segment) -> Segment:
        """Return one segment."""
        if segment[0] == "OBX":
            self._observed = _leaf(segment, 2)
        found: Segment = [segment[0]]
        for number, field in enumerate(segment[1:], 1):
            whole = isinstance(field, str)
            found.append(field if whole else [self._value(one, segment[0], number) for one in field])
        return found

    def leaves(self, segments: Sequence[Segment]) -> Iterator[tuple[str, str, bool]]:
        """Yield each text of a message with its field, and whether it may be somebody's words."""
        for segment in segments:
            for number, field in enumerate(segment[1:], 1):
                kind = self._type(segment[0], number)
                for repetition in [] if isinstance(field, str) else field:
                    for at, part in enumerate(repetition, 1):
                        kept = segment[0] in _HOUSE or kind in _CODES or (kind in _IDENTIFIERS and at > 1)
                        yield from ((f"{segment[0]}-{number}", leaf, not kept) for leaf in part)

    def _type(self, segment: str, number: int) -> str:
        """Return the data type of a field; "" of one that the standard does not know: all of it is text."""
        if (segment, number) == ("OBX", 5):
            return self._observed
        try:
            fields = hl7_tables.fields(self._version, segment)
        except KeyError:
            return ""
        return fields[number - 1].datatype if number <= len(fields) else ""

    def _value(self, value: Repetition, segment: str, number: int) -> Repetition:
        """Return one repetition of a field."""
        kind = self._type(segment, number)
        if segment in _HOUSE:
            found = [[self._moved(leaf) if kind in _DATES else leaf for leaf in part] for part in value]
        elif kind in ("XPN", "XCN"):
            found = self._person(value, at=1 if kind == "XPN" else 2)
        elif kind == "XAD":
            found = self._address(value)
        elif kind == "XTN":
            found = [[self._contact(leaf, at) for leaf in part] for at, part in enumerate(value, 1)]
        elif kind in _IDENTIFIERS:
            found = [[self._shaped(value[0][0]), *value[0][1:]], *value[1:]]
        elif (segment, number) in _WRITTEN:
            found = [[self._text(leaf) if at in (2, 5) else leaf for leaf in part] for at, part in enumerate(value, 1)]
        elif kind in _TEXTS:
            found = [[self._text(leaf) for leaf in part] for part in value]
        else:
            components = [one.datatype for one in hl7_tables.components(self._version, kind)] or [kind]
            types = [*components, *[""] * len(value)]
            found = [
                [self._moved(leaf) if one in _DATES else leaf for leaf in part]
                for part, one in zip(value, types, strict=False)
            ]
        return found

    def _text(self, text: str) -> str:
        if not text.strip() or text == NULL:
            return text
        if " " not in text and any(map(str.isdigit, text)):
            return self._shaped(text)
        return self._faker.words(text)

    def _shaped(self, text: str) -> str:
        if not text or text == NULL:
            return text
        self.values.add(text.casefold())
        return self._faker.shaped(text)

    def _contact(self, text: str, component: int) -> str:
        if "@" in text:
            self.values.add(text.casefold())
            return f"pessoa{self._faker.number('mail', text) % 100000}@example.org"
        return self._shaped(text) if component in _NUMBERS else text

    def _moved(self, text: str) -> str:
        """Return a date or time moved, with the precision and the time of day that it has."""
        match = _TIME.fullmatch(text)
        if match is None:
            return text
        year, month, day, rest = match.groups()
        try:
            moved = date(int(year), int(month or 7), int(day or 15)) + timedelta(days=self.days)
        except (ValueError, OverflowError):
            return text
        return (f"{moved:%Y%m%d}" if day else f"{moved:%Y%m}" if month else f"{moved:%Y}") + rest

    def _person(self, value: Repetition, at: int) -> Repetition:
        """Return a name: family, given, further names; `at` is the component of the family name."""
        spoken = [leaf for part in value[at - 1 : at + 2] for leaf in part]
        self.names |= {word.casefold() for text in spoken for word in re.findall(r"\w{4,}", text)}
        who = self._who if at == 1 else "|".join(leaf for part in value[: at + 1] for leaf in part)
        found = [list(part) for part in value]
        if at == 2 and found[0][0]:
            found[0][0] = self._shaped(found[0][0])
        if len(found) >= at and found[at - 1][0]:
            found[at - 1] = [self._faker.family(who)]
        for position, part in enumerate(found[at : at + 2]):
            if part[0]:
                found[at + position] = [self._faker.given(who, position)]
        return found

    def _address(self, value: Repetition) -> Repetition:
        found = [list(part) for part in value]
        self.values |= {leaf.casefold() for part in value[:2] for leaf in part if len(leaf) > 3}
        invented = {
            0: self._faker.street(self._who, 0), 1: self._faker.street(self._who, 1), 2: self._faker.city(self._who),
            8: self._faker.city(f"{self._who} district"),
        }  # fmt: skip
        for position, text in invented.items():
            if position < len(found) and found[position][0]:
                found[position] = [text]
        if len(found) > 4 and found[4][0]:
            found[4] = [self._faker.shaped(found[4][0])]
        return found


def _leaf(segment: Segment, number: int) -> str:
    field = segment[number] if number < len(segment) else []
    return field[0][0][0] if field else ""


def _identity(identifier: Repetition) -> str:
    """Return what a patient is known by: as FHIR samples have it where the authority has an OID."""
    authority = [*identifier[3], "", "", ""] if len(identifier) > 3 else ["", "", ""]
    system = f"urn:oid:{authority[1]}" if authority[2] == "ISO" else authority[1] or authority[0]
    return f"{system}|{identifier[0][0]}"


def _plain(value: Repetition | str | list[Repetition]) -> object:
    """Return a field in letters without marks."""
    if isinstance(value, str):
        return "".join(c for c in unicodedata.normalize("NFKD", value) if not unicodedata.combining(c))
    return [_plain(part) for part in value]  # type: ignore[arg-type]  # lists of texts, three deep
