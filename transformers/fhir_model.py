"""The elements of FHIR R4: which there are, of what type, how many, with which codes and reference targets.

Read from definitions/fhir_r4_elements.json (HL7's own structure definitions, made by make_definitions.py) when
first asked; each type becomes objects when first asked for. Type names are "Appointment", "HumanName", or the path
of a backbone element such as "Appointment.participant".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "definitions" / "fhir_r4_elements.json"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type, as the structure definition has it."""

    #: As in JSON: `status`, `deceasedBoolean`. A choice stands twice: so, and as in FHIRPath (`deceased`).
    name: str
    #: One type; several for a choice under its FHIRPath name. A backbone element has its own path as type.
    types: tuple[str, ...]
    minimum: int
    #: None is `*`.
    maximum: int | None
    #: Codes of a required binding; None where any code may stand, or where they cannot be listed (MIME types).
    codes: frozenset[str] | None = None
    #: Resource types that a Reference may point to; ("Resource",) is any. Empty where it is no Reference.
    targets: tuple[str, ...] = ()


def element(type_name: str, name: str) -> Element | None:
    """Return the element `name` of a type; None when the type or the element does not exist.

    >>> element("Appointment", "participant").types, element("Patient", "deceased").types
    (('Appointment.participant',), ('boolean', 'dateTime'))
    >>> element("Appointment.participant", "status").codes is not None
    True
    """
    return elements(type_name).get(name)


def names(type_name: str) -> tuple[str, ...]:
    """Return the names of a type's elements in the standard's order; empty when the type does not exist.

    A choice stands under its FHIRPath name, followed by its names in JSON.

    >>> names("Period")
    ('id', 'extension', 'start', 'end')
    """
    return tuple(elements(type_name))


@cache
def elements(type_name: str) -> Mapping[str, Element]:
    """Return all elements of a type by name; empty when the type does not exist."""
    definitions = _definitions()
    found: dict[str, Element] = {}
    for name, (types, minimum, maximum, *rest) in definitions["types"].get(type_name, {}).items():
        codes = frozenset(definitions["codes"][rest[0]]) if rest and rest[0] else None
        targets = tuple(rest[1]) if len(rest) > 1 else ()
        whole = Element(name.removesuffix("[x]"), tuple(types), minimum, maximum, codes, targets)
        found[whole.name] = whole
        if name.endswith("[x]"):
            for type_ in types:
                single = choice_name(whole.name, type_)
                reference_to = whole.targets if type_ == "Reference" else ()
                found[single] = Element(single, (type_,), 0, maximum, codes, reference_to)
    return found


def choice_name(name: str, type_name: str) -> str:
    """Return the JSON name of a choice element for one of its types.

    >>> choice_name("deceased", "boolean")
    'deceasedBoolean'
    """
    return name + type_name[0].upper() + type_name[1:]


@cache
def resource_types() -> frozenset[str]:
    """Return the resource types that this project uses, without the abstract Resource and DomainResource."""
    return frozenset(_definitions()["resources"]) - {"Resource", "DomainResource"}


@cache
def all_resource_types() -> frozenset[str]:
    """Return the resource types of R4, ours and others: the codes of http://hl7.org/fhir/ValueSet/resource-types."""
    return frozenset(_definitions()["codes"]["resource-types"]) - {"Resource", "DomainResource"}


@cache
def primitive_types() -> frozenset[str]:
    """Return the names of the primitive types: those that are a single value in JSON."""
    return frozenset(_definitions()["primitives"])


@cache
def type_names() -> frozenset[str]:
    """Return the names of all types, backbone elements included."""
    return frozenset(_definitions()["types"])


@cache
def _definitions() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_FILE.read_bytes())
    return loaded
