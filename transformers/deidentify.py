"""A FHIR document without the people in it, for a test sample: what a mapping looks at stays, who it was does not.

Names, addresses, telephones, identifiers, texts and dates are replaced; codes, numbers and what describes the house
(Organization, HealthcareService, Location, Schedule) stay, because code tables know them. One key gives one fake person
in all documents; all dates of a document move together, so that what lies between them stays.

This makes samples for tests. It is no release of patient data: read what it made before it leaves the house.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from transformers import fhir_model
from transformers.fake_people import Faker

#: Resources of the house, not of a person: what they say stays.
_HOUSE = frozenset({"Organization", "HealthcareService", "Location", "Schedule", "Device", "Endpoint", "Medication"})
_PEOPLE = frozenset({"Patient", "Practitioner", "RelatedPerson", "Person"})
#: Types that say what something is, not who.
_KEPT = frozenset({
    "boolean", "integer", "decimal", "positiveInt", "unsignedInt", "code", "uri", "url", "canonical", "oid", "time",
})  # fmt: skip
_DATES = frozenset({"date", "dateTime", "instant"})
#: Where one resource names another, or itself.
_REFERENCES = frozenset({
    "Reference.reference", "Bundle.entry.fullUrl", "Bundle.entry.request.url", "Bundle.entry.response.location",
})  # fmt: skip
#: Words of code systems and units.
_CODED = frozenset({"Coding.display", "Coding.version", "Quantity.unit"})
_URN = re.compile(r"urn:uuid:[0-9a-fA-F-]{36}")
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(.*)", re.DOTALL)
_PAGE = '<div xmlns="http://www.w3.org/1999/xhtml">exemplo</div>'


class StillThere(ValueError):
    """A value of a person stands in the result; the text says in which element, not which value."""


def deidentified(document: Mapping[str, Any], key: bytes) -> tuple[dict[str, Any], timedelta]:
    """Return the document without its people, and by how much its dates moved.

    Args:
        document: a Bundle or another resource of FHIR R4.
        key: secret, the same for all samples of a site.

    Raises:
        StillThere: something of a person would remain; nothing may be kept of the result.
    """
    work = _Work(Faker(key), document)
    made = work.resource(document)
    assert_gone(work.values, work.names, _leaves("", made, about_people=True))
    return made, timedelta(days=work.days)


class _Work:
    """One document on its way."""

    def __init__(self, faker: Faker, document: Mapping[str, Any]) -> None:
        self._faker = faker
        #: What the person that is walked through is known by; "" outside of one.
        self._who = ""
        #: Walking through a resource of the house.
        self._house = False
        self.days = faker.days(_first_patient(document))
        #: Whole values that were replaced, in small letters: they may not be left anywhere.
        self.values: set[str] = set()
        #: Words of names: they may not be left in what is about people.
        self.names: set[str] = set()

    def resource(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Return one resource."""
        type_name = str(resource.get("resourceType", ""))
        around = self._who, self._house
        self._who, self._house = _person(resource) or self._who, type_name in _HOUSE
        found = self._object(resource, type_name)
        self._who, self._house = around
        return found

    def _object(self, value: Mapping[str, Any], type_name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, item in value.items():
            element = fhir_model.element(type_name, name.removeprefix("_"))
            kind = element.types[0] if element else "string"
            path = f"{type_name}.{name}"
            if name == "resourceType":
                found[name] = item
            elif isinstance(item, list):
                found[name] = [self._one(one, kind, path) for one in item]
            else:
                found[name] = self._one(item, kind, path)
        if type_name == "Coding" and "display" in found and "system" not in found:
            found["display"] = self._words(str(found["display"]))
        return found

    def _one(self, value: Any, kind: str, path: str) -> Any:
        if isinstance(value, dict):
            if "resourceType" in value:
                return self.resource(value)
            if kind == "HumanName":
                return self._name(value)
            if kind == "Address" and not self._house:
                return self._address(value)
            return self._object(value, kind)
        return self._text(value, kind, path) if isinstance(value, str) else value

    def _text(self, value: str, kind: str, path: str) -> str:  # noqa: PLR0911  # one line a kind of value
        if path in _REFERENCES:
            return self._reference(value)
        if kind in _DATES:
            return self._moved(value)
        if self._house or kind in _KEPT or path in _CODED:
            return value
        if kind == "id":
            return self._shaped(value)
        if path == "ContactPoint.value":
            return self._contact(value)
        if kind == "base64Binary":
            return "ZXhlbXBsbw=="
        if kind == "xhtml":
            return _PAGE
        # What has a digit and no space is an identifier that is not called one, such as Coverage.subscriberId.
        if path == "Identifier.value" or (" " not in value and any(map(str.isdigit, value))):
            return self._shaped(value)
        return self._words(value)

    # -- values ----------------------------------------------------------------------------------------------------

    def _words(self, text: str) -> str:
        return self._faker.words(text) if text.strip() else text

    def _shaped(self, value: str) -> str:
        self.values.add(value.casefold())
        return self._faker.shaped(value)

    def _contact(self, value: str) -> str:
        if "@" in value:
            self.values.add(value.casefold())
            return f"pessoa{self._faker.number('mail', value) % 100000}@example.org"
        country = value[:3] if value.startswith("+") else ""  # numbers are split by their country
        self.values.add(value.casefold())
        return country + self._faker.shaped(value.removeprefix(country))

    def _moved(self, value: str) -> str:
        """Return a date or dateTime moved, with the precision and the time of day that it has."""
        match = _DAY.fullmatch(value)
        if match is None:
            return value
        year, month, day, rest = match.groups()
        try:
            moved = date(int(year), int(month or 7), int(day or 15)) + timedelta(days=self.days)
        except (ValueError, OverflowError):
            return value
        return (moved.isoformat() if day else f"{moved:%Y-%m}" if month else f"{moved:%Y}") + rest

    def _reference(self, value: str) -> str:
        """Return a reference or a fullUrl with its identities replaced; the same one is the same everywhere."""
        if value.startswith("#"):
            return f"#{self._shaped(value[1:])}"
        before, question, query = value.partition("?")
        if question:
            return f"{before}?{'&'.join(self._parameter(part) for part in query.split('&'))}"
        if _URN.fullmatch(value):
            return f"urn:uuid:{self._shaped(value[9:])}"
        *around, last = value.split("/")
        if not around or around[-1] in _HOUSE:
            return value
        return "/".join([*around, self._shaped(last)])

    def _parameter(self, parameter: str) -> str:
        name, equals, value = parameter.partition("=")
        system, bar, last = value.rpartition("|")
        return f"{name}{equals}{system}{bar}{self._shaped(last) if last else ''}"

    def _name(self, name: Mapping[str, Any]) -> dict[str, Any]:
        given = [str(part) for part in name.get("given") or []]
        spoken = [str(name.get("family") or ""), str(name.get("text") or ""), *given]
        self.names |= {word.casefold() for part in spoken for word in re.findall(r"\w{4,}", part)}
        who = self._who or " ".join(spoken)
        found: dict[str, Any] = {"use": name["use"]} if "use" in name else {}
        if "period" in name:
            found["period"] = self._object(name["period"], "Period")
        if "family" in name:
            found["family"] = self._faker.family(who)
        if given:
            found["given"] = [self._faker.given(who, position) for position in range(len(given))]
        if "text" in name:
            found["text"] = f"{self._faker.given(who, 0)} {self._faker.family(who)}"
        return found

    def _address(self, address: Mapping[str, Any]) -> dict[str, Any]:
        lines = [str(line) for line in address.get("line") or []]
        self.values |= {line.casefold() for line in [*lines, str(address.get("text") or "")] if len(line) > 3}
        invented = {
            "text": f"{self._faker.street(self._who, 0)}, {self._faker.city(self._who)}",
            "line": [self._faker.street(self._who, position) for position in range(len(lines))],
            "city": self._faker.city(self._who),
            "district": self._faker.city(f"{self._who} district"),
            "postalCode": self._faker.shaped(str(address.get("postalCode") or "")),
        }
        kept = {key: item for key, item in address.items() if key in {"use", "type", "state", "country"}}
        period = {"period": self._object(address["period"], "Period")} if "period" in address else {}
        return kept | {key: item for key, item in invented.items() if key in address} | period


# -- proof ---------------------------------------------------------------------------------------------------------


def assert_gone(values: Iterable[str], names: set[str], leaves: Iterable[tuple[str, str, bool]]) -> None:
    """Raise StillThere where a replaced value, or a word of a name, is left.

    Args:
        values: whole values that were replaced, in small letters.
        names: words of names, in small letters.
        leaves: of the result: path, text, and whether it is about people.
    """
    long = [value for value in values if len(value) > 4]
    for path, leaf, about_people in leaves:
        text = leaf.casefold()
        words = set(re.findall(r"\w{4,}", text))
        if any(_stands_in(value, text) for value in long) or (about_people and words & names):
            raise StillThere(f"{path} would still hold a value of a person of the message")


def _stands_in(value: str, text: str) -> bool:
    """Say whether a value stands in a text by itself, not as a part of a longer word or number."""
    return value in text and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def _person(resource: Mapping[str, Any]) -> str:
    """Return what a person is known by in all documents: the first identifier, else id or name; "" for no person."""
    if resource.get("resourceType") not in _PEOPLE:
        return ""
    for identifier in resource.get("identifier") or []:
        if identifier.get("value"):
            return f"{identifier.get('system', '')}|{identifier['value']}"
    names = resource.get("name") or [{}]
    return str(resource.get("id") or f"{names[0].get('family', '')} {' '.join(names[0].get('given') or [])}")


def _first_patient(document: Mapping[str, Any]) -> str:
    """Return the patient whose days all dates follow."""
    resources = [document, *(entry.get("resource") or {} for entry in document.get("entry") or [])]
    patients = [resource for resource in resources if resource.get("resourceType") == "Patient"]
    return _person(patients[0]) if patients else ""


def _leaves(path: str, value: Any, *, about_people: bool) -> Iterator[tuple[str, str, bool]]:
    if isinstance(value, dict):
        if "resourceType" in value:
            about_people = value["resourceType"] not in _HOUSE
        for name, item in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, item, about_people=about_people)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _leaves(f"{path}[{position}]", item, about_people=about_people)
    elif isinstance(value, str):
        yield path, value, about_people
