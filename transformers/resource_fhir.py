"""OmegaAI's bookable resources: HealthcareServices, with what they refer to and what refers to them, as records.

Source: FHIR R4 healthcareservice.html, schedule.html, slot.html, device.html, practitionerrole.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from messages.resource import Record, Value
from transformers import resource_values as values
from transformers.fhir_path import PathError, Scope, first_text
from transformers.resource_file import FieldSource, SyncPlan

Resource = Mapping[str, Any]

#: What refers to a service: type → its element, and the name by which expressions find it.
_REFERRING = {
    "Schedule": ("actor", "schedules"),
    "PractitionerRole": ("healthcareService", "roles"),
}


def records(resources: Iterable[Resource], plan: SyncPlan) -> list[Record]:
    """Return a record for each HealthcareService."""
    held = list(resources)
    # A fullUrl is absolute (FHIR R4 bundle.html, 2.36.4.1); the references of these resources are relative to any base.
    entries = [{"fullUrl": f"http://127.0.0.1/{_name(one)}", "resource": one} for one in held]
    whole = Scope({"resourceType": "Bundle", "type": "collection", "entry": entries}, {}, datetime.now(UTC))
    referring = _Referring(held)
    services = [one for one in held if one["resourceType"] == "HealthcareService"]
    return [_record(service, whole.nested(referring.names(service), service), plan) for service in services]


def _record(service: Resource, scope: Scope, plan: SyncPlan) -> Record:
    organization = _text(plan.facility_path(scope)) or ""
    found: dict[str, Value] = {}
    for source in plan.fields:
        value = _value(source, scope, plan)
        if value is not None:
            found[source.name] = value
    return Record(
        facility=plan.facilities.get(organization), organization=organization, where=_name(service),
        name=values.name(str(service.get("name", ""))), values=found,
    )  # fmt: skip


def _value(source: FieldSource, scope: Scope, plan: SyncPlan) -> Value | None:
    """Return what OmegaAI says about a field; None where it says nothing."""
    if source.omegaai is None:
        return None
    try:
        given = source.omegaai(scope)
    except PathError:  # several values where one is wanted: nobody can say which
        return Value("several values", None)
    if not given:
        return None
    if source.kind == "hours":
        hours = values.week(given)
        return Value("" if hours is None else values.shown_hours(hours), hours)
    text = _text(given)
    return None if text is None else values.value(source.kind, text, plan.groups)


def _text(given: list[Any]) -> str | None:
    return first_text(given)


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


class _Referring:
    """Which schedules, slots, devices and roles belong to a service: found by their references, once for all."""

    def __init__(self, resources: list[Resource]) -> None:
        self._by_target: dict[tuple[str, str], list[Resource]] = {}
        for resource in resources:
            kind = resource["resourceType"]
            if kind in _REFERRING:
                element, name = _REFERRING[kind]
                self._note(name, resource, resource.get(element) or [])
            elif kind == "Slot":
                self._note("slots", resource, [resource.get("schedule") or {}])
            elif kind == "Device":
                self._note("devices", resource, [resource.get("location") or {}])

    def _note(self, name: str, resource: Resource, references: Iterable[Mapping[str, Any]]) -> None:
        for target in _targets(references):
            self._by_target.setdefault((name, target), []).append(resource)

    def names(self, service: Resource) -> dict[str, list[Any]]:
        """Return the values of %schedules, %slots, %devices and %roles for a service."""
        own = _name(service)
        schedules = self._by_target.get(("schedules", own), [])
        places = list(_targets(service.get("location") or []))
        return {
            "schedules": list(schedules),
            "slots": [slot for one in schedules for slot in self._by_target.get(("slots", _name(one)), [])],
            "devices": [device for place in places for device in self._by_target.get(("devices", place), [])],
            "roles": list(self._by_target.get(("roles", own), [])),
        }


def _targets(references: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield `Type/id` of each reference, whatever base it is written with."""
    for reference in references:
        text = str(reference.get("reference", ""))
        if "/" in text:
            yield "/".join(text.partition("/_history/")[0].split("/")[-2:])
