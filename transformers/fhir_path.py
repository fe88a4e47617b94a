"""FHIRPath at run time: a tree of fhir_path_parse.py becomes closures over plain dicts. No parser is imported here.

Results are lists of plain values: dicts for elements with parts; str, bool, int, float or Decimal for primitives;
dates as text. Treat them as read only: they may be the document's own lists. A primitive that has extensions and no
value counts as absent; its extensions are reached as `birthDate.extension('…')`.

Source: FHIRPath N1 (http://hl7.org/fhirpath/N1); FHIR R4, 2.9 (FHIRPath in FHIR).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import fhir_path_criteria as functions
from transformers import fhir_path_members as members
from transformers import fhir_path_operators as operators
from transformers.fhir_path_choices import CHOICES, DATA_TYPES
from transformers.fhir_path_dates import duration
from transformers.fhir_path_errors import PathError
from transformers.fhir_path_functions import ARGUMENTS, to_string
from transformers.fhir_path_scope import Compiler, References, Scope, Test, Values
from transformers.fhir_path_values import truth

__all__ = [
    "PathError",
    "References",
    "Scope",
    "compile_path",
    "compile_test",
    "compile_values",
    "first_text",
    "is_compiled",
]

Tree = list[Any]

#: How many arguments the functions that are compiled take: the fewest and the most.
COMPILED_FUNCTIONS = ARGUMENTS | functions.ARGUMENTS
_KINDS: dict[str, Callable[[Compiler, Tree], Values]] = {
    "member": members.compile_member,
    "name": members.compile_name,
    "this": members.compile_this,
    "position": members.compile_position,
    "literal": members.compile_literal,
    "none": members.compile_none,
    "sign": members.compile_sign,
    "index": members.compile_index,
    "type": lambda compiler, tree: members.compile_as_type(compiler, tree[3], tree[4]),
    "call": lambda compiler, tree: _CALLS[tree[3]](compiler, tree),
    "op": lambda compiler, tree: operators.COLLECTIONS[tree[2]](compiler, tree),
}
_CALLS: dict[str, Callable[[Compiler, Tree], Values]] = {
    **functions.COLLECTIONS,
    "ofType": lambda compiler, tree: members.compile_of_type(compiler, tree[2], tree[4][0][2]),
    "as": lambda compiler, tree: members.compile_as_type(compiler, tree[2], tree[4][0][2]),
}


def compile_path(tree: Tree) -> Callable[[Scope], list[Any]]:
    """Return a function that gives the values of the expression in a scope.

    The function raises PathError where FHIRPath signals an error (several values where one is wanted, …).
    """
    if tree[0] == "fallback":
        from transformers.fhir_path_fallback import compile_fallback  # noqa: PLC0415 - rare, and heavy

        return compile_fallback(tree)
    values = _values(tree)

    def run(scope: Scope) -> list[Any]:
        return values(scope, scope.focus)

    return run


def compile_values(tree: Tree) -> Values:
    """Return what `compile_path` does, for a caller who names the focus himself: one call less for each value."""
    if tree[0] == "fallback":
        path = compile_path(tree)
        return lambda scope, _: path(scope)
    return _values(tree)


def compile_test(tree: Tree) -> Test:
    """Return a function of a scope and its focus that gives true only where the expression does: one value, and true.

    It gives false or None for all else, and raises PathError as that of `compile_path` does.
    """
    test = _given_test(tree)
    if test is not None:
        return test
    values = compile_values(tree)

    def is_true(scope: Scope, this: Any) -> bool:
        found = values(scope, this)
        return len(found) == 1 and found[0] is True

    return is_true


def first_text(values: list[Any]) -> str | None:
    """Return the first value as text, None if there is none or it has parts.

    >>> first_text([True]), first_text([]), first_text([15])
    ('true', None, '15')
    """
    return next(iter(to_string(values[:1])), None)


def is_compiled(tree: Tree) -> bool:
    """Return whether `compile_path` compiles the tree itself, without falling back to fhirpathpy."""
    kind = tree[0]
    if kind == "call":
        return _is_compiled_call(tree)
    if kind == "type":
        return _narrows(tree[3], tree[4])
    if kind == "literal":
        return bool(tree[2] != "Quantity")
    parts = tree[3:4] if kind == "op" and _adds_time(tree) else tree[2:]
    return kind in _KINDS and all(is_compiled(part) for part in parts if isinstance(part, list))


def _is_compiled_call(tree: Tree) -> bool:
    _, _, base, name, arguments = tree
    if name in {"ofType", "is", "as"}:
        return len(arguments) == 1 and base is not None and _narrows(base, arguments[0][2])
    fewest, most = COMPILED_FUNCTIONS.get(name, (1, 0))
    parts = arguments if base is None else [base, *arguments]
    return fewest <= len(arguments) <= most and all(is_compiled(part) for part in parts)


def _adds_time(tree: Tree) -> bool:
    """Return whether an operator adds a duration: `start + 15 minutes`. Other quantities are left to fhirpathpy."""
    _, _, operator, _, right = tree
    quantity = right[0] == "literal" and right[2] == "Quantity"
    return operator in {"+", "-"} and quantity and duration(*right[3]) is not None


def _narrows(base: Tree, type_name: str) -> bool:
    """Narrowing is compiled for resources, which say what they are, and right after a choice (value[x])."""
    name = type_name.removeprefix("FHIR.")
    choice = base[0] == "member" and base[3] in CHOICES
    return "." not in name and is_compiled(base) and (name not in DATA_TYPES or choice)


def _given_test(tree: Tree) -> Test | None:
    """Compile an expression that can only give a Boolean; None if it is not one."""
    if tree[0] == "op" and tree[2] in operators.TESTS:
        return operators.TESTS[tree[2]](_COMPILER, tree)
    if tree[0] == "call" and tree[3] in functions.TESTS:
        return functions.TESTS[tree[3]](_COMPILER, tree)
    if tree[0] == "call" and tree[3] == "is":
        return members.compile_is_type(_COMPILER, tree[2], tree[4][0][2])
    if tree[0] == "type" and tree[2] == "is":
        return members.compile_is_type(_COMPILER, tree[3], tree[4])
    return None


def _values(tree: Tree) -> Values:
    test = _given_test(tree)
    if test is None:
        return _KINDS[tree[0]](_COMPILER, tree)

    def run(scope: Scope, this: Any) -> list[Any]:
        result = test(scope, this)
        return [] if result is None else [result]

    return run


def _test(tree: Tree) -> Test:
    test = _given_test(tree)
    if test is not None:
        return test
    values = _values(tree)
    return lambda scope, this: truth(values(scope, this), "a condition")


_COMPILER = Compiler(values=_values, test=_test)
