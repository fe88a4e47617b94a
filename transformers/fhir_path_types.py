"""FHIRPath checked before it runs: elements, types, how many values, codes of required bindings.

Nothing is evaluated; the tree of fhir_path_parse.py is walked along the element model of FHIR R4.

Source: FHIR R4's structure definitions (fhir_model.py); FHIRPath N1, chapters 3 to 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from transformers import fhir_model
from transformers.fhir_model import Element
from transformers.fhir_path_signatures import PRIMITIVES, SIGNATURES, spoken
from transformers.fhir_path_type_functions import check_call, narrow
from transformers.fhir_path_type_operators import check_operator
from transformers.fhir_path_typed import (
    ANY,
    UNKNOWN,
    Known,
    Notes,
    PathProblem,
    Typed,
    is_type,
    known,
    most,
    near_type,
    times,
)
from transformers.mapping_file import did_you_mean

__all__ = ["ANY", "Known", "PathProblem", "Typed", "check"]

Tree = list[Any]
_STRING = Typed(frozenset({"String"}), 1, 1)
_STANDARD_NAMES = {
    **dict.fromkeys(("resource", "rootResource", "context"), Typed(ANY, 1, 1)),
    **dict.fromkeys(("ucum", "sct", "loinc"), _STRING),
}


def check(tree: Tree, focus: Typed | Iterable[str], names: Mapping[str, Known]) -> Typed:
    """Return what an expression gives, with all that is wrong with it.

    Args:
        tree: of fhir_path_parse.parse.
        focus: types of the thing that the expression is evaluated on, such as ("Bundle",).
        names: what is known of each %name; no types at all (or "any") where nothing is known.
    """
    start = focus if isinstance(focus, Typed) else Typed(frozenset(focus) or ANY, 1, 1)
    checker = _Checker(names)
    result = checker.of(tree[3] if tree[0] == "fallback" else tree, start)
    return replace(result, problems=tuple(sorted(set(checker.notes.problems), key=lambda problem: problem[:2])))


@dataclass(slots=True)
class _Checker:
    names: Mapping[str, Known]
    notes: Notes = field(default_factory=Notes)

    def of(self, tree: Tree, this: Typed) -> Typed:
        """Return what a part of the expression gives, `this` being what $this is."""
        kind = tree[0]
        if kind == "member":
            return self.member(tree, this)
        if kind == "name":
            return self.name(tree)
        if kind == "call":
            return check_call(self.notes, self.of, tree, this)
        if kind == "op":
            return check_operator(self.notes, self.of, tree, this)
        if kind == "type":
            return narrow(self.notes, f"'{tree[2]}'", tree[1], self.of(tree[3], this), tree[4])
        return self.simple(tree, this)

    def simple(self, tree: Tree, this: Typed) -> Typed:
        kind, column = tree[0], tree[1]
        if kind == "index":
            self.notes.expect(self.of(tree[3], this), "number", tree[3][1], "[ ]")
            base = self.of(tree[2], this)
            return replace(base, minimum=0, maximum=base.at_most_one)
        if kind == "sign":
            operand = self.of(tree[3], this)
            self.notes.expect(operand, "number", column, f"'{tree[2]}'")
            return operand
        return {
            "literal": lambda: Typed(frozenset({tree[2]}), 1, 1),
            "this": lambda: this,
            "position": lambda: Typed(frozenset({"Integer"}), 1, 1),
            "none": lambda: Typed(frozenset(), 0, 0),
            "total": lambda: UNKNOWN,
        }[kind]()

    def name(self, tree: Tree) -> Typed:
        _, column, name = tree
        if name in self.names:
            given = self.names[name]
            return UNKNOWN if isinstance(given, Mapping) else known(given, f"%{name}")
        if name in _STANDARD_NAMES:
            return _STANDARD_NAMES[name]
        near = did_you_mean(f"%{name}", [f"%{other}" for other in (*self.names, *_STANDARD_NAMES)])
        return self.notes.wrong(column, f"unknown name %{name}", near)

    def site(self, tree: Tree) -> Any:
        """Return what `%site.a.b` stands for: nested values, or a Typed; None if it begins with no nested name."""
        if tree[0] == "name":
            given = self.names.get(tree[2])
            return given if isinstance(given, Mapping) else None
        base = self.site(tree[2]) if tree[0] == "member" and tree[2] is not None else None
        if not isinstance(base, Mapping):
            return None
        path = _path(tree)
        if tree[3] not in base:
            return self.notes.wrong(tree[1], f"there is no {path}", did_you_mean(tree[3], base))
        value = base[tree[3]]
        return value if isinstance(value, Mapping) else known(value, path)

    def member(self, tree: Tree, this: Typed) -> Typed:
        _, column, before, name = tree
        site = self.site(tree)
        if site is not None:
            return site if isinstance(site, Typed) else UNKNOWN
        if before is None and name[:1].isupper() and "any" not in this.types:
            return self.root(column, name, this)
        base = this if before is None else self.of(before, this)
        if "any" in base.types or not base.types:
            return replace(UNKNOWN, maximum=None if base.types else 0)
        found = {type_name: element for type_name in sorted(base.types) if (element := _element(type_name, name))}
        if not found:
            return self.no_element(column, name, base)
        maximum: int | None = 0
        for element in found.values():
            maximum = most(maximum, element.maximum)
        everywhere = len(found) == len(base.types)
        codes = [element.codes for element in found.values()]
        return Typed(
            types=frozenset(type_name for element in found.values() for type_name in element.types),
            minimum=base.minimum * min(element.minimum for element in found.values()) if everywhere else 0,
            maximum=times(base.maximum, maximum),
            codes=None if None in codes else frozenset(code for some in codes if some for code in some),
            targets=frozenset(target for element in found.values() for target in element.targets),
            label=f"{next(iter(found))}.{name}",
        )

    def root(self, column: int, name: str, this: Typed) -> Typed:
        """Check a type's name at the beginning: it must be the type of what the expression is read on."""
        resources = fhir_model.resource_types() | {"Resource"}
        if name in this.types or (name in {"Resource", "DomainResource"} and this.types <= resources):
            return this
        if not is_type(name):
            return self.notes.wrong(column, f"unknown type {name}", near_type(name))
        hint = f"begin with Bundle.entry.resource.ofType({name})" if "Bundle" in this.types else None
        return self.notes.wrong(column, f"{name} cannot begin here: this is read on {spoken(this.types)}", hint)

    def no_element(self, column: int, name: str, base: Typed) -> Typed:
        hint = did_you_mean(name, [other for one in base.types for other in fhir_model.names(one)])
        if name == "resourceType":
            hint = "write 'is Patient' or ofType(Patient)"
        elif name in SIGNATURES:
            hint = f"did you mean '{name}()'?"
        elif base.types <= {"Resource", "DomainResource"}:
            hint = f"say of which resource first, such as .ofType(Patient).{name}"
        if base.types <= PRIMITIVES:
            text = f"'{name}' cannot stand after {spoken(base.types)}, which has no elements"
        elif len(base.types) == 1:
            text = f"FHIR R4 has no element {next(iter(base.types))}.{name}"
        else:
            text = f"FHIR R4 has no element '{name}' in {spoken(base.types)}"
        return self.notes.wrong(column, text, hint)


def _element(type_name: str, name: str) -> Element | None:
    if type_name in PRIMITIVES and name in {"extension", "id"}:
        return fhir_model.element("Element", name)
    return fhir_model.element(type_name, name)


def _path(tree: Tree) -> str:
    return f"%{tree[2]}" if tree[0] == "name" else f"{_path(tree[2])}.{tree[3]}"
