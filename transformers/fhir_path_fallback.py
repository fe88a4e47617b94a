"""FHIRPath outside our compiled subset, by fhirpathpy: slower (about 50 µs), same values, same clock, RE2, no printing.

Source: fhirpathpy 2.2, its README on `userInvocationTable` and models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhirpathpy import apply_parsed_path
from fhirpathpy.engine.nodes import FP_Type, ResourceNode, TypeInfo
from fhirpathpy.models import models
from fhirpathpy.parser import parse

from transformers.fhir_path_errors import PathError
from transformers.fhir_path_functions import matches, replace_matches
from transformers.fhir_path_scope import Scope

Tree = list[Any]


def compile_fallback(tree: Tree) -> Callable[[Scope], list[Any]]:
    """Return a function that evaluates ["fallback", 1, text, tree] by fhirpathpy.

    The function raises PathError, without values, for whatever fhirpathpy raises.
    """
    _, _, text, whole = tree
    parsed: Any = parse(text)  # type: ignore[no-untyped-call]
    model, names = models["r4"], sorted(_names(whole))
    TypeInfo.model = model  # type: ignore[assignment]

    def run(scope: Scope) -> list[Any]:
        context = {name: [_node(value) for value in scope.value(name)] for name in names}
        try:
            values: Any = apply_parsed_path(  # type: ignore[no-untyped-call]
                scope.focus, parsed, context, model, _options(scope)
            )
        except PathError:
            raise
        except Exception as error:  # noqa: BLE001 - it raises anything
            # Its texts quote values of the message; only the kind of error is safe to show.
            raise PathError(f"the expression cannot be evaluated ({type(error).__name__})") from None
        return [str(value) if isinstance(value, FP_Type) else value for value in values if value is not None]

    return run


def _names(tree: Tree) -> set[str]:
    if tree and tree[0] == "name":
        return {tree[2]}
    return {name for part in tree if isinstance(part, list) for name in _names(part)}


def _node(value: Any) -> Any:
    """Wrap a resource so that fhirpathpy knows its type; ofType() and value[x] need it."""
    if isinstance(value, dict) and "resourceType" in value:
        return ResourceNode.create_node(value, value["resourceType"])  # type: ignore[no-untyped-call]
    return value


def _options(scope: Scope) -> dict[str, Any]:
    def resolve(references: list[Any]) -> list[Any]:
        return [_node(resource) for resource in scope.references.resolve(references)]

    one_string: dict[str, Any] = {"arity": {1: ["String"]}, "nullable_input": True}
    two_strings: dict[str, Any] = {"arity": {2: ["String", "String"]}, "nullable_input": True}
    table = {
        "resolve": {"fn": resolve},
        "matches": {"fn": lambda values, pattern: _on_string(matches, values, pattern), **one_string},
        "replaceMatches": {
            "fn": lambda values, pattern, by: _on_string(replace_matches, values, pattern, by),
            **two_strings,
        },
        "now": {"fn": lambda _: [scope.now.isoformat(timespec="milliseconds")]},
        "today": {"fn": lambda _: [scope.now.date().isoformat()]},
        "timeOfDay": {"fn": lambda _: [scope.now.time().isoformat(timespec="milliseconds")]},
        "hasValue": {"fn": lambda values: [len(values) == 1 and not isinstance(values[0], dict)]},
    }
    return {"userInvocationTable": table, "traceFn": lambda _label, _values: None}


def _on_string(function: Callable[..., Any], values: list[Any], *arguments: Any) -> list[Any]:
    if len(values) != 1 or not all(isinstance(part, str) for part in (*values, *arguments)):
        return []
    return [function(*values, *arguments)]
