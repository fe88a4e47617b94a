# ruff: noqa: INP001 (a script, not a module of this room)
"""Make the FHIR R4 definitions that this folder ships, from HL7's own. Run by hand; README.md here says how.

It reads `profiles-types.json`, `profiles-resources.json` (structure definitions), `valuesets.json` and
`v3-codesystems.json` (code lists), and writes `fhir_r4_elements.json`, which fhir_model.py reads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: The resource types that this project accepts, sends, or maps.
RESOURCE_TYPES = (
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Binary",
    "Bundle",
    "CapabilityStatement",
    "Communication",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "HealthcareService",
    "ImagingStudy",
    "Location",
    "MessageHeader",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Parameters",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "Schedule",
    "ServiceRequest",
    "Slot",
    "Subscription",
    "Task",
)
ABSTRACT_TYPES = ("Resource", "DomainResource")
#: Additions in the package's copy that R4 does not have.
NOT_IN_R4 = frozenset(
    {
        "Binary.url",
        "Meta.account",
        "Meta.accounts",
        "Meta.author",
        "Meta.compartment",
        "Meta.onBehalfOf",
        "Meta.project",
    }
)
HERE = Path(__file__).parent
ORIGIN = "HL7 FHIR R4 (4.0.1), http://hl7.org/fhir/R4, CC0 1.0; see README.md"
STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = STRUCTURE + "structuredefinition-fhir-type"
#: Required bindings whose code systems cannot be listed; their codes stay unchecked.
OPEN_CODE_SYSTEMS = frozenset({"urn:ietf:bcp:13", "urn:ietf:bcp:47", "urn:iso:std:iso:4217"})

Json = dict[str, Any]


class Source:
    """The folder `fhir/r4` of the definitions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.structures = {
            s["name"]: s
            for file in ("profiles-types.json", "profiles-resources.json")
            for s in self._resources(file, "StructureDefinition")
            if s.get("fhirVersion") == "4.0.1" and s.get("derivation") != "constraint"
        }
        terminology = ("valuesets.json", "v3-codesystems.json")
        self._value_sets = {r["url"]: r for f in terminology for r in self._resources(f, "ValueSet")}
        self._code_systems = {r["url"]: r for f in terminology for r in self._resources(f, "CodeSystem")}

    def load(self, file: str) -> Json:
        loaded: Json = json.loads((self._folder / file).read_text("utf-8"))
        return loaded

    def _resources(self, file: str, resource_type: str) -> Iterator[Json]:
        for entry in self.load(file)["entry"]:
            if entry["resource"]["resourceType"] == resource_type:
                yield entry["resource"]

    def codes(self, canonical: str) -> list[str] | None:
        """Return the codes of a value set; None where they cannot be listed."""
        value_set = self._value_sets[canonical.partition("|")[0]]
        if "exclude" in value_set["compose"]:
            raise SystemExit(f"{canonical}: exclude is not supported")
        codes: list[str] = []
        for include in value_set["compose"]["include"]:
            if "filter" in include or "valueSet" in include:
                raise SystemExit(f"{canonical}: filter and valueSet are not supported")
            if include["system"] in OPEN_CODE_SYSTEMS:
                return None
            concepts = include.get("concept") or self._code_systems[include["system"]]["concept"]
            codes += _flattened(concepts)
        return sorted(set(codes))


def _flattened(concepts: list[Json]) -> Iterator[str]:
    for concept in concepts:
        abstract = any(p["code"] == "notSelectable" and p.get("valueBoolean") for p in concept.get("property", ()))
        if not abstract:
            yield concept["code"]
        yield from _flattened(concept.get("concept", []))


def make_elements(source: Source) -> Json:
    """Return the element model: types -> element -> [types, minimum, maximum, value set, targets].

    Trailing empty members of a record are left out; a maximum of null is `*`. A choice stands once, as `value[x]`.
    """
    codes: dict[str, list[str]] = {}
    types: dict[str, dict[str, list[Any]]] = {}
    for name, structure in sorted(source.structures.items()):
        if structure["kind"] in ("resource", "logical") and name not in (*RESOURCE_TYPES, *ABSTRACT_TYPES):
            continue
        for element in structure["snapshot"]["element"]:
            owner, _, own = element["path"].rpartition(".")
            if not owner or (structure["kind"] == "primitive-type" and own == "value"):
                types.setdefault(name, {})
                continue
            if element["path"] not in NOT_IN_R4:
                types.setdefault(owner, {})[own] = _record(source, element, codes)
    kinds = {kind: [n for n in types if _kind(source, n) == kind] for kind in ("primitive-type", "resource")}
    return {
        "origin": ORIGIN,
        "primitives": kinds["primitive-type"],
        "resources": kinds["resource"],
        "codes": codes,
        "types": types,
    }


def _kind(source: Source, name: str) -> str | None:
    return source.structures[name]["kind"] if name in source.structures else None


def _record(source: Source, element: Json, codes: dict[str, list[str]]) -> list[Any]:
    types = [_type_name(element, declared) for declared in element.get("type", [])]
    if "contentReference" in element:
        types = [element["contentReference"].removeprefix("#")]
    targets = {
        target.removeprefix(STRUCTURE)
        for declared in element.get("type", [])
        if declared["code"] == "Reference"
        for target in declared.get("targetProfile", [STRUCTURE + "Resource"])
    }
    maximum = None if element["max"] == "*" else int(element["max"])
    record: list[Any] = [types, element["min"], maximum, _value_set(source, element, codes), sorted(targets)]
    while not record[-1] and len(record) > 3:
        record.pop()
    return record


def _type_name(element: Json, declared: Json) -> str:
    code: str = declared["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        said = [e.get("valueUrl") for e in declared.get("extension", ()) if e["url"] == FHIR_TYPE]
        # R4 says string for the id of a resource; its own text and its JSON schema say id.
        is_resource_id = element.get("base", {}).get("path") == "Resource.id"
        return "id" if is_resource_id or not said else str(said[0])
    if code in ("BackboneElement", "Element") and "." in element["path"]:
        return str(element["path"])
    return code


def _value_set(source: Source, element: Json, codes: dict[str, list[str]]) -> str | None:
    """Name the value set of a required binding and keep its codes; None where there is none to check."""
    binding = element.get("binding", {})
    if binding.get("strength") != "required":
        return None
    name: str = binding["valueSet"].partition("|")[0].rpartition("/")[2]
    if name not in codes:
        listed = source.codes(binding["valueSet"])
        if listed is None:
            return None
        codes[name] = listed
    return name


def main(arguments: list[str]) -> None:
    """Write both files beside this one."""
    if len(arguments) != 1:
        raise SystemExit("usage: python make_definitions.py FOLDER (the package's dist/fhir/r4)")
    source = Source(Path(arguments[0]))
    elements = make_elements(source)
    _write("fhir_r4_elements.json", elements, by_line="types")


def _write(name: str, content: Json, *, by_line: str) -> None:
    """Write compact JSON, one line for each member of `by_line`, so that a change can be read as a diff."""
    lines = [f"{json.dumps(key)}:{_compact(value)}" for key, value in content[by_line].items()]
    rest = _compact({key: value for key, value in content.items() if key != by_line})
    text = f'{rest[:-1]},\n"{by_line}":{{\n' + ",\n".join(lines) + "\n}}\n"
    (HERE / name).write_text(text, "utf-8")
    sys.stdout.write(f"{name}: {len(text):,} characters, {len(lines)} {by_line}\n")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1:])
