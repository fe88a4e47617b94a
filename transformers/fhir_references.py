"""The resources and references of a FHIR document: found in one walk, then held to the standard's rules.

Sources: FHIR R4, References (2.3.0) and Bundle, resolving references in bundles (2.36.4.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from transformers import fhir_model
from transformers.fhir_finding import Finding, Json

#: What stands below an element, by name: a further shape, the types that a Reference may point to (none: any), or
#: a whole resource. Primitive elements are left out, so that the walk passes them by.
Shape = dict[str, Any]
_RESOURCE = "Resource"

#: Type/id, perhaps with a version, perhaps absolute; or a search (a conditional reference of a transaction).
_LITERAL = re.compile(
    r"(?:https?://\S+/)?([A-Z][A-Za-z]+)(?:/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?|\?\S+)"
)
_ANY: frozenset[str] = frozenset()


@dataclass(slots=True)
class Survey:
    """What stands in a document."""

    #: Each resource with the one whose `contained` it may point into: itself, or the one that contains it.
    resources: list[tuple[Json, Json]]
    #: Each Reference with its allowed target types and the same second resource.
    references: list[tuple[Json, frozenset[str], Json]] = field(default_factory=list)


def survey(document: Json) -> Survey:
    """Find all resources (of bundles, of parameters, contained) and references. What is misshapen is passed by."""
    resources = [(document, document)]
    references: list[tuple[Json, frozenset[str], Json]] = []
    for resource, container in resources:  # both lists grow while they are walked
        nodes = [(resource, shape(resource.get("resourceType")))]
        for node, below in nodes:
            for name in node:
                if name in below:
                    child, value = below[name], node[name]
                    for item in value if type(value) is list else (value,):
                        if type(item) is not dict:
                            continue
                        if type(child) is dict:
                            nodes.append((item, child))
                        elif type(child) is frozenset:
                            references.append((item, child, container))
                            if len(item) > 1 or "reference" not in item:
                                nodes.append((item, _shape_of_type("Reference")))
                        else:
                            resources.append((item, container if name == "contained" else item))
    return Survey(resources, references)


def shape(resource_type: object) -> Shape:
    """Return the shape of a resource type; an empty one where it is not ours."""
    if type(resource_type) is not str:
        return {}
    known = _SHAPES.get(resource_type)
    if known is None:
        known = _shape_of_type(resource_type) if resource_type in fhir_model.resource_types() else {}
    return known


_SHAPES: dict[str, Shape] = {}


def _shape_of_type(type_name: str) -> Shape:
    if type_name in _SHAPES:
        return _SHAPES[type_name]
    built = _SHAPES[type_name] = {}
    for element in fhir_model.elements(type_name).values():
        type_ = element.types[0]
        if len(element.types) > 1:
            continue
        if type_ in fhir_model.primitive_types():
            built["_" + element.name] = _shape_of_type("Element")
        elif type_ == "Reference":
            built[element.name] = _ANY if "Resource" in element.targets else frozenset(element.targets)
        else:
            built[element.name] = _RESOURCE if type_ == "Resource" else _shape_of_type(type_)
    return built


def check(document: Json, found: Survey) -> Iterator[Finding]:
    """Yield what is wrong with the references: a target that is missing, or of a type that may not stand there."""
    entries = _entries(document)
    contained: dict[int, dict[str, Json]] = {}
    for reference, targets, container in found.references:
        text = reference.get("reference")
        if type(text) is str:
            if text.startswith("urn:"):
                if entries is None:
                    continue  # outside a bundle, only the sender knows what it means
                target = entries.get(text)
            elif text.startswith("#"):
                if id(container) not in contained:
                    contained[id(container)] = _contained(container)
                target = contained[id(container)].get(text)
            else:
                yield from _check_literal(reference, text, targets)
                continue
            if target is None:
                where = "contained resource" if text.startswith("#") else "entry of the bundle"
                yield Finding(reference, ".reference", f"points to no {where}", "not-found")
            elif targets and _may_not_stand(target.get("resourceType"), targets):
                yield _wrong_type(reference, ".reference", targets)
        elif targets and _said_type(reference) not in {None, *targets}:
            yield _wrong_type(reference, ".type", targets)


def _may_not_stand(type_name: object, targets: frozenset[str]) -> bool:
    """Tell whether a target is of a wrong type; one of no type at all is told by itself."""
    return type(type_name) is str and type_name not in targets and type_name in fhir_model.all_resource_types()


def _said_type(reference: Json) -> str | None:
    """Return Reference.type without its base; None where it says nothing."""
    said = reference.get("type")
    return said.removeprefix("http://hl7.org/fhir/StructureDefinition/") if type(said) is str else None


def _check_literal(reference: Json, text: str, targets: frozenset[str]) -> Iterator[Finding]:
    match = _LITERAL.fullmatch(text)
    type_name = match.group(1) if match else None
    if type_name in fhir_model.all_resource_types():
        if targets and type_name not in targets:
            yield _wrong_type(reference, ".reference", targets)
    elif not text.startswith(("http://", "https://")):
        yield Finding(
            reference,
            ".reference",
            "is neither Type/id, a URL, urn:uuid:, nor the #id of a contained resource",
            "value",
        )


def _wrong_type(reference: Json, suffix: str, targets: frozenset[str]) -> Finding:
    hint = f"may point to {', '.join(sorted(targets))}"
    return Finding(reference, suffix, "points to a resource type that may not stand here", "value", hint=hint)


def _entries(document: Json) -> dict[str, Json] | None:
    """Return the resources of a bundle by fullUrl; None when the document is no bundle."""
    if document.get("resourceType") != "Bundle":
        return None
    entries = document.get("entry")
    if type(entries) is not list:
        return {}
    return {
        entry["fullUrl"]: entry["resource"]
        for entry in entries
        if type(entry) is dict and type(entry.get("fullUrl")) is str and type(entry.get("resource")) is dict
    }


def _contained(container: Json) -> dict[str, Json]:
    """Return the resources that a fragment may mean: those contained, and by a bare # the container."""
    contained = container.get("contained")
    named = {
        f"#{one['id']}": one
        for one in (contained if type(contained) is list else ())
        if type(one) is dict and type(one.get("id")) is str
    }
    return {**named, "#": container}
