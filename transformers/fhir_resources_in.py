"""Which resources a FHIR sample has, and by which FHIRPath each is reached from the one that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: What messages are about, the likeliest first.
_FOCUS = (
    "Appointment", "ServiceRequest", "DiagnosticReport", "ImagingStudy", "DocumentReference", "QuestionnaireResponse",
    "Encounter", "Patient",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A resource of the sample."""

    #: In `let:`, `patient`.
    name: str
    type: str
    #: FHIRPath: `%it`, or the way from a resource that is named before.
    path: str
    resource: Mapping[str, Any]
    in_bundle: bool


def things(sample: Mapping[str, Any]) -> list[Thing]:
    """Return one resource of each type, what the sample is about first; those that nothing refers to last."""
    entries = sample.get("entry") if sample.get("resourceType") == "Bundle" else None
    if entries is None:
        return [_thing(sample, "%it", in_bundle=False)]
    resources = [entry["resource"] for entry in entries if isinstance(entry.get("resource"), dict)]
    known = {address: entry["resource"] for entry in entries for address in _addresses(entry)}
    found = [_thing(_focus(resources), "%it", in_bundle=True)]
    for thing in found:  # grows while it is walked
        for path, reference in _references(thing.resource):
            resource = known.get(reference)
            if resource is not None and all(other.type != resource["resourceType"] for other in found):
                way = f"%{thing.name}.{path}.resolve().ofType({resource['resourceType']}).first()"
                found.append(_thing(resource, way, in_bundle=True))
    for resource in resources:
        if all(other.type != resource["resourceType"] for other in found):
            way = f"Bundle.entry.resource.ofType({resource['resourceType']}).first()"
            found.append(_thing(resource, way, in_bundle=True))
    return found


def _thing(resource: Mapping[str, Any], path: str, *, in_bundle: bool) -> Thing:
    type_name = str(resource["resourceType"])
    name = type_name[0].lower() + type_name[1:]
    return Thing(name=name, type=type_name, path=path, resource=resource, in_bundle=in_bundle)


def _focus(resources: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for type_name in _FOCUS:
        for resource in resources:
            if resource["resourceType"] == type_name:
                return resource
    return resources[-1]


def _addresses(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reference may call an entry's resource."""
    resource = entry.get("resource") or {}
    if entry.get("fullUrl"):
        yield entry["fullUrl"]
    if resource.get("id"):
        yield f"{resource['resourceType']}/{resource['id']}"


def _references(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of each reference in a resource, and what it says."""
    if isinstance(value, Mapping):
        if isinstance(value.get("reference"), str):
            yield path, value["reference"]
        for name, inner in value.items():
            if name != "contained":
                yield from _references(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, path)
