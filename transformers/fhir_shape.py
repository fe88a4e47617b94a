"""A resource held to the JSON schema of its type: which elements, of what type, how many, with which codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

from jsonschema_rs import Draft4Validator, RegexOptions, ValidationError, ValidationErrorKind

from transformers import fhir_model, fhir_schema
from transformers.fhir_finding import Finding, Json, steps

Kind = ValidationErrorKind

_JSON_TYPES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
#: Names that are shown: what could be an element's. Anything else may be data in the wrong place.
_LONGEST_NAME = 40
_MOST_CODES = 20


@cache
def validator(resource_type: str) -> Draft4Validator:
    """Return the compiled schema of a resource type; made when first asked (some 5 ms).

    Its regular expressions run in linear time, whatever the message holds.
    """
    return Draft4Validator(fhir_schema.schema(resource_type), pattern_options=RegexOptions())


def check(resource_type: str, resource: Json) -> Iterator[Finding]:
    """Yield what is wrong with the shape of a resource; the resources inside it are not looked into."""
    for error in validator(resource_type).iter_errors(resource):
        if not _forgiven(error, resource):
            yield from _findings(error, resource)


def _forgiven(error: ValidationError, resource: Json) -> bool:
    """Tell whether an extension stands where a primitive value is missing, as FHIR's JSON allows."""
    match error.kind:
        case Kind.Required(property=name):
            return type(_at(resource, error.instance_path).get(_twin(name))) is dict
        case Kind.Type() if error.instance is None and type(error.instance_path[-1]) is int:
            *above, list_name, index = error.instance_path
            others = _at(resource, above).get(_twin(str(list_name)))
            return type(others) is list and others[int(index) : int(index) + 1] not in ([], [None])
    return False


def _twin(name: str) -> str:
    """Return the name under which the extensions of a primitive stand, or the other way round."""
    return name[1:] if name.startswith("_") else f"_{name}"


def _at(resource: Json, path: Iterable[str | int]) -> Any:
    value: Any = resource
    for step in path:
        value = value[step]
    return value


def _findings(error: ValidationError, resource: Json) -> Iterator[Finding]:
    at = steps(error.instance_path)
    match error.kind:
        case Kind.Required(property=name):
            yield Finding(resource, f"{at}.{name}", "is required and missing", "required")
        case Kind.AdditionalProperties(unexpected=names):
            for name in names:
                yield _unexpected(resource, at, name, _type_name(error))
        case Kind.OneOfMultipleValid():
            yield Finding(resource, f"{at}.{_choice(error)}", "only one of these may be given", "structure")
        case Kind.OneOfNotValid():
            yield Finding(resource, f"{at}.{_choice(error)}", "is required and missing", "required")
        case _:
            text, issue_type, hint = _wrong_value(error)
            yield Finding(resource, at, text, issue_type, hint=hint)


def _wrong_value(error: ValidationError) -> tuple[str, str, str | None]:
    """Return what is wrong with a value in itself: text, issue-type, hint."""
    match error.kind:
        case Kind.MinItems() | Kind.MinProperties():
            return "must not be empty: leave it out", "structure", None
        case Kind.Type(types=types):
            return f"must be {' or '.join(_JSON_TYPES[name] for name in types)}", "structure", None
        case Kind.Enum() if type(error.instance) is not str:
            return f"must be {_JSON_TYPES['string']}", "structure", None
        case Kind.Enum(options=codes):
            hint = f"one of {', '.join(map(str, codes))}" if len(codes) <= _MOST_CODES else None
            return "is no code of the value set that must be used here", "code-invalid", hint
        case _ if error.instance == "":
            return "must not be empty: leave it out", "value", None
        case _:
            return f"is no valid {_type_name(error)}", "value", None


def _type_name(error: ValidationError) -> str:
    """Return the FHIR type whose rule is broken: schema paths begin with definitions, type."""
    return str(error.schema_path[1])


def _choice(error: ValidationError) -> str:
    """Return the FHIRPath name of a choice: the schema path is definitions, type, allOf, number, oneOf."""
    number = error.schema_path[3]
    several = [e.name for e in fhir_model.elements(_type_name(error)).values() if len(e.types) > 1]
    return several[int(number)]


def _unexpected(resource: Json, at: str, name: str, type_name: str) -> Finding:
    if name == "modifierExtension":
        text = "could change the meaning of all that it belongs to, and is not understood"
        return Finding(resource, f"{at}.{name}", text, "not-supported", code="FHIR_NOT_SUPPORTED")
    bare = name.removeprefix("_")
    shown = bare.isascii() and bare.isalnum() and bare[0].islower() and len(bare) <= _LONGEST_NAME
    close = get_close_matches(bare, fhir_model.names(type_name), n=1) if shown else []
    return Finding(
        resource,
        f"{at}.{name}" if shown else at,
        f"R4's {type_name} has no such element",
        "structure",
        hint=f"did you mean {close[0]}?" if close else None,
    )
