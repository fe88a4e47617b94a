"""What is known of an expression before it runs: types, how many values, codes; and the notes of what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from transformers import fhir_model
from transformers.fhir_path_choices import SPECIAL_CASES
from transformers.fhir_path_signatures import PRIMITIVES, SYSTEM, Sort, sort_of, spoken
from transformers.mapping_file import did_you_mean

Tree = list[Any]
ANY = frozenset({"any"})
BOOLEAN = frozenset({"Boolean"})


class PathProblem(NamedTuple):
    """One thing that is wrong. `column` counts the characters of the expression's whole text from 1."""

    column: int
    text: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Typed:
    """What an expression gives. As a tuple it is (types, minimum, maximum, problems)."""

    #: FHIR types ("Patient", "code", "Appointment.participant"), FHIRPath's own ("String"), or "any".
    types: frozenset[str]
    minimum: int
    #: None is without limit.
    maximum: int | None
    problems: tuple[PathProblem, ...] = ()
    #: The codes that it can have, where it comes from an element with a required binding.
    codes: frozenset[str] | None = None
    #: Where its references may lead.
    targets: frozenset[str] = frozenset()
    #: How a sentence names it: "Appointment.status".
    label: str = ""

    def __iter__(self) -> Iterator[Any]:
        return iter((self.types, self.minimum, self.maximum, self.problems))

    @property
    def at_most_one(self) -> int:
        """The maximum of something that takes one of these."""
        return 1 if self.maximum is None else min(1, self.maximum)

    @property
    def sorts(self) -> set[Sort]:
        """The sorts of its types."""
        return {sort_of(name) for name in self.types}


#: What is known of a %name: Typed, the tuple (types, minimum, maximum), or site values nested by name.
Known = Typed | tuple[Iterable[str], int, int | None] | Mapping[str, Any]
#: Gives what a part of an expression gives, the second argument being what $this is.
Of = Callable[[Tree, Typed], Typed]
UNKNOWN = Typed(ANY, 0, None)

#: What to take of an element that has parts.
_PARTS = {
    "CodeableConcept": ".coding.code or its .text",
    "Coding": ".code",
    "Identifier": ".value",
    "Reference": ".reference, or what resolve() finds",
    "HumanName": ".family or its .text",
    "ContactPoint": ".value",
    "Period": ".start or its .end",
    "Address": ".city, .postalCode or .text",
    "Quantity": ".value",
}


@dataclass(slots=True)
class Notes:
    """What is wrong, as it is found."""

    problems: list[PathProblem] = field(default_factory=list)

    def wrong(self, column: int, text: str, hint: str | None = None) -> Typed:
        """Note a problem; go on as if nothing were known."""
        self.problems.append(PathProblem(column, text, hint))
        return UNKNOWN

    def expect(self, typed: Typed, wanted: Sort, column: int, reader: str) -> None:
        """Note a problem where the types can never be what `reader` works on."""
        sorts = typed.sorts
        if not typed.types or wanted == "any" or sorts & {"any", wanted}:
            return
        hint = parts_of(typed) if "parts" in sorts else "write .toString() before it" if wanted == "string" else None
        what = "a Boolean" if wanted == "boolean" else f"a {wanted}"
        self.wrong(column, f"{reader} works on {what}, and this is {spoken(typed.types)}", hint)

    def expect_one(self, typed: Typed, column: int, reader: str) -> None:
        """Note a problem where there may be several values, with which `reader` would end in an error."""
        if "any" not in typed.types and (typed.maximum is None or typed.maximum > 1):
            what = typed.label or "this"
            self.wrong(column, f"{reader} works on one value, and {what} may be several", "choose one, with .first()")


def parts_of(typed: Typed) -> str | None:
    """Return a hint at the part of an element that is probably meant."""
    parts = next((_PARTS[name] for name in sorted(typed.types) if name in _PARTS), None)
    return f"take its {parts}" if parts else None


def known(given: Any, label: str) -> Typed:
    """Return what is known of a %name or of a value in site.yaml."""
    if isinstance(given, Typed):
        return replace(given, problems=(), label=given.label or label)
    if isinstance(given, tuple):
        types, minimum, maximum = given
        return Typed(frozenset(types) or ANY, minimum, maximum, label=label)
    if isinstance(given, list):
        return replace(known(given[0], label), maximum=None) if given else Typed(ANY, 0, 0, label=label)
    kinds = {bool: "Boolean", int: "Integer", float: "Decimal", str: "String"}
    name = next((name for kind, name in kinds.items() if isinstance(given, kind)), "any")
    return Typed(frozenset({name}), 0 if given is None else 1, 1, label=label)


def times(one: int | None, other: int | None) -> int | None:
    """Multiply two maxima."""
    return 0 if 0 in {one, other} else None if one is None or other is None else one * other


def plus(one: int | None, other: int | None) -> int | None:
    """Add two maxima."""
    return None if one is None or other is None else one + other


def most(one: int | None, other: int | None) -> int | None:
    """Return the larger of two maxima."""
    return None if one is None or other is None else max(one, other)


def either(one: Typed, other: Typed, minimum: int, maximum: int | None) -> Typed:
    """Return what gives the one or the other."""
    if not one.types or not other.types:
        return replace(one if one.types else other, minimum=minimum, maximum=maximum)
    codes = one.codes | other.codes if one.codes is not None and other.codes is not None else None
    types = ANY if "any" in one.types | other.types else one.types | other.types
    return Typed(types, minimum, maximum, (), codes, one.targets | other.targets, one.label)


def is_type(name: str) -> bool:
    """Return whether there is a type of that name, of FHIR R4 or of FHIRPath itself."""
    return name in fhir_model.type_names() or name in PRIMITIVES or name in SYSTEM


def near_type(name: str) -> str | None:
    """Return `did you mean 'Patient'?` for a type's name that is nearly right."""
    known = {known for known in fhir_model.type_names() if "." not in known} | PRIMITIVES | SYSTEM
    return did_you_mean(name, sorted(one for one in known if one[:1].islower() == name[:1].islower()))


def is_a(name: str, other: str) -> bool:
    """Return whether everything of the type `name` is also of the type `other`."""
    resources = fhir_model.resource_types()
    if other == "Resource":
        return name in resources or name == "DomainResource"
    if other == "DomainResource":
        return name in resources - {"Bundle", "Binary", "Parameters"}
    return name == other or name in SPECIAL_CASES.get(other, ())
