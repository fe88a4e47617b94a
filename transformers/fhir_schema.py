"""FHIR R4 types as JSON schemas, built from the element model. Checks shapes; fhir_validation.py does the rest.

Not HL7's `fhir.schema.json`: that one has no codes for bindings shared by several resources (ServiceRequest.status),
requires no primitive element (Appointment.status), and takes an empty array, 2021-02-30, `minutesDuration: 0` and
two values of one choice. Draft 4, because only there 60.0 is no integer.
"""

from __future__ import annotations

from typing import Any

from transformers import fhir_model
from transformers.fhir_model import Element

Schema = dict[str, Any]

_YEAR = "(?:[0-9](?:[0-9](?:[0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY_OF_YEAR = (
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])"
)
_DAY = f"(?:{_YEAR}-(?:{_DAY_OF_YEAR})|{_LEAP_YEAR}-02-29)"
_MONTH = f"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?"
_ZONE = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_QUAD = "[0-9A-Za-z+/]"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SPACE = "[ \\t\\r\\n]*"
_NO_CONTROL_CHARACTER = "^[^\\x00-\\x08\\x0B\\x0C\\x0E-\\x1F]+$"
_NO_SPACE = "^[^\\s]+$"

#: Patterns of R4's data types page; the calendar is checked too, and no string may be empty. A no-break space may
#: stand in a string: the page's own pattern forbids it by accident, its text does not.
_PATTERNS = {
    "base64Binary": f"^(?:{_SPACE}{_QUAD}{{4}})*{_SPACE}(?:{_QUAD}{{4}}|{_QUAD}{{3}}=|{_QUAD}{{2}}==){_SPACE}$",
    "canonical": _NO_SPACE,
    "code": "^[^\\s]+(?:\\s[^\\s]+)*$",
    "date": f"^(?:{_MONTH}|{_DAY})$",
    "dateTime": f"^(?:{_MONTH}|{_DAY}(?:T{_TIME}{_ZONE})?)$",
    "id": "^[A-Za-z0-9.-]{1,64}$",
    "instant": f"^{_DAY}T{_TIME}{_ZONE}$",
    "markdown": _NO_CONTROL_CHARACTER,
    "oid": "^urn:oid:[0-2](?:\\.(?:0|[1-9][0-9]*))+$",
    "string": _NO_CONTROL_CHARACTER,
    "time": f"^{_TIME}$",
    "uri": _NO_SPACE,
    "url": _NO_SPACE,
    "uuid": f"^urn:uuid:{_UUID}$",
    "xhtml": _NO_CONTROL_CHARACTER,
}
_PRIMITIVES: dict[str, Schema] = {
    **{name: {"type": "string", "pattern": pattern} for name, pattern in _PATTERNS.items()},
    "boolean": {"type": "boolean"},
    "decimal": {"type": "number"},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
}


def schema(resource_type: str) -> Schema:
    """Return the JSON schema of a resource type with all that it needs.

    Resources inside it (`contained`, `Bundle.entry.resource`) are only objects here. A primitive that must be there
    is required under its own name, and a primitive array holds no null: the two cases where FHIR lets an extension
    stand for the value are for the caller to forgive.
    """
    definitions: dict[str, Schema] = {}
    waiting = [resource_type]
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _type(name)
            waiting += sorted(_needed_by(name))
    return {"$ref": f"#/definitions/{resource_type}", "definitions": definitions}


def _needed_by(type_name: str) -> set[str]:
    if type_name in _PRIMITIVES:
        return {"Element"}
    return {used for element in fhir_model.elements(type_name).values() for used in element.types} - {"Resource"}


def _type(name: str) -> Schema:
    if name in _PRIMITIVES:
        return _PRIMITIVES[name]
    properties: dict[str, Schema] = {}
    required: list[str] = []
    choices: list[Schema] = []
    for element in fhir_model.elements(name).values():
        if len(element.types) > 1:
            choices.append(_choice(element))
            continue
        if element.name == "modifierExtension":
            continue
        properties[element.name] = _property(element)
        if element.types[0] in _PRIMITIVES and element.name != "id":
            properties["_" + element.name] = _repeated({"$ref": "#/definitions/Element"}, element)
        if element.minimum:
            required.append(element.name)
    if name in fhir_model.resource_types():
        properties["resourceType"] = {"enum": [name]}
    built: Schema = {
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        built["required"] = required
    if choices:
        built["allOf"] = choices
    return built


def _choice(element: Element) -> Schema:
    present = [{"required": [fhir_model.choice_name(element.name, type_)]} for type_ in element.types]
    absent = [] if element.minimum else [{"not": {"anyOf": present}}]
    return {"description": element.name, "oneOf": [*absent, *present]}


def _property(element: Element) -> Schema:
    type_ = element.types[0]
    if type_ == "Resource":
        one: Schema = {"type": "object"}
    elif element.codes is not None and type_ in _PRIMITIVES:
        one = {"enum": sorted(element.codes)}
    else:
        one = {"$ref": f"#/definitions/{type_}"}
    return _repeated(one, element)


def _repeated(one: Schema, element: Element) -> Schema:
    return one if element.maximum == 1 else {"type": "array", "items": one, "minItems": 1}
