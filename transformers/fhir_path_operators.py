"""Compiled FHIRPath: operators (FHIRPath N1, chapter 6), as closures over the operands' closures."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from transformers.fhir_path_dates import duration, is_date_like, shift
from transformers.fhir_path_errors import PathError
from transformers.fhir_path_members import follow, leading_names
from transformers.fhir_path_scope import Compiler, Scope, Test, Values
from transformers.fhir_path_values import (
    distinct,
    equal,
    equivalent,
    order,
    reckon,
    same,
    same_dates,
    single,
)

Tree = list[Any]


def _is_date(tree: Tree) -> bool:
    """Return whether an expression is a date by its looks: a literal, now() or today()."""
    if tree[0] == "call":
        return tree[2] is None and tree[3] in {"now", "today"}
    return tree[0] == "literal" and tree[2] in {"Date", "DateTime", "Time"}


def compile_equality(compiler: Compiler, tree: Tree) -> Test:
    _, _, operator, left, right = tree
    if left[0] == "literal":
        left, right = right, left
    wanted = operator == "="
    if right[0] == "literal" and right[2] == "String":
        text, names = right[3], leading_names(left)
        if names is not None and len(names) > 1:
            return _chain_is_text(names, text, wanted=wanted)
        first = compiler.values(left)

        def run_text(scope: Scope, this: Any) -> bool | None:
            values = first(scope, this)
            if len(values) == 1:
                return (values[0] == text) is wanted
            return not wanted if values else None

        return run_text
    first = compiler.values(left)
    second = compiler.values(right)
    compare = same_dates if _is_date(left) or _is_date(right) else same

    def run(scope: Scope, this: Any) -> bool | None:
        result = equal(first(scope, this), second(scope, this), compare)
        return None if result is None else result is wanted

    return run


def _chain_is_text(names: list[str], text: str, *, wanted: bool) -> Test:
    """Compile `a.b.c = 'text'`, the most frequent condition, without a closure for its left side."""

    def run(_: Scope, this: Any) -> bool | None:
        values = follow(names, this)
        if len(values) == 1:
            return (values[0] == text) is wanted
        return not wanted if values else None

    return run


def compile_equivalence(compiler: Compiler, tree: Tree) -> Test:
    first, second, wanted = compiler.values(tree[3]), compiler.values(tree[4]), tree[2] == "~"
    return lambda scope, this: equivalent(first(scope, this), second(scope, this)) is wanted


_ORDERS = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}


def compile_inequality(compiler: Compiler, tree: Tree) -> Test:
    first, second, operator = compiler.values(tree[3]), compiler.values(tree[4]), tree[2]
    dates, wanted = _is_date(tree[3]) or _is_date(tree[4]), _ORDERS[operator]

    def run(scope: Scope, this: Any) -> bool | None:
        result = order(first(scope, this), second(scope, this), operator, dates=dates)
        return None if result is None else result in wanted

    return run


def compile_membership(compiler: Compiler, tree: Tree) -> Test:
    _, _, operator, left, right = tree
    item, among = (left, right) if operator == "in" else (right, left)
    names = leading_names(among)
    if item[0] == "literal" and item[2] == "String" and names is not None and not is_date_like(item[3]):
        return _chain_has_text(names, item[3])
    one = compiler.values(item)
    texts = _texts(among)
    if texts is not None:

        def run_texts(scope: Scope, this: Any) -> bool | None:
            values = one(scope, this)
            value = values[0] if len(values) == 1 else single(values, f"'{operator}'")
            return None if value is None else isinstance(value, str) and value in texts

        return run_texts
    several = compiler.values(among)

    def run(scope: Scope, this: Any) -> bool | None:
        value = single(one(scope, this), f"'{operator}'")
        if value is None:
            return None
        return any(same(value, other) for other in several(scope, this))

    return run


def _chain_has_text(names: list[str], text: str) -> Test:
    """Compile `'text' in a.b.c`; the text is no date, which may be equal to another one."""
    return lambda _, this: text in follow(names, this)


def _texts(tree: Tree) -> frozenset[str] | None:
    """Return the strings of ('a' | 'b' | …), None if it is anything else."""
    if tree[0] == "literal" and tree[2] == "String":
        return frozenset({tree[3]})
    if tree[0] == "op" and tree[2] == "|":
        left, right = _texts(tree[3]), _texts(tree[4])
        return left | right if left and right else None
    return None


def compile_and(compiler: Compiler, tree: Tree) -> Test:
    first, second = compiler.test(tree[3]), compiler.test(tree[4])

    def run(scope: Scope, this: Any) -> bool | None:
        left = first(scope, this)
        if left is False:
            return False
        right = second(scope, this)
        return False if right is False else left and right

    return run


def compile_or(compiler: Compiler, tree: Tree) -> Test:
    first, second = compiler.test(tree[3]), compiler.test(tree[4])

    def run(scope: Scope, this: Any) -> bool | None:
        left = first(scope, this)
        if left:
            return True
        right = second(scope, this)
        return True if right else None if left is None else right

    return run


def compile_xor(compiler: Compiler, tree: Tree) -> Test:
    first, second = compiler.test(tree[3]), compiler.test(tree[4])

    def run(scope: Scope, this: Any) -> bool | None:
        left, right = first(scope, this), second(scope, this)
        return None if left is None or right is None else left is not right

    return run


def compile_implies(compiler: Compiler, tree: Tree) -> Test:
    first, second = compiler.test(tree[3]), compiler.test(tree[4])

    def run(scope: Scope, this: Any) -> bool | None:
        left = first(scope, this)
        if left is False:
            return True
        right = second(scope, this)
        return True if right else None if left is None else right

    return run


def compile_union(compiler: Compiler, tree: Tree) -> Values:
    first, second = compiler.values(tree[3]), compiler.values(tree[4])
    return lambda scope, this: distinct([*first(scope, this), *second(scope, this)])


def compile_joined(compiler: Compiler, tree: Tree) -> Values:
    """Compile `a & b`, which takes what is missing for the empty string (FHIRPath N1, 6.6.6)."""
    first, second = compiler.values(tree[3]), compiler.values(tree[4])

    def run(scope: Scope, this: Any) -> list[Any]:
        left, right = single(first(scope, this), "'&'"), single(second(scope, this), "'&'")
        if isinstance(left, str) and isinstance(right, str):
            return [left + right]
        if not all(text is None or isinstance(text, str) for text in (left, right)):
            raise PathError("'&' works on strings")
        return [left or right or ""]

    return run


def compile_arithmetic(compiler: Compiler, tree: Tree) -> Values:
    _, _, operator, left, right = tree
    first = compiler.values(left)
    if right[0] == "literal" and right[2] == "Quantity":
        return _shifted(first, operator, right[3])
    second = compiler.values(right)
    return lambda scope, this: reckon(operator, first(scope, this), second(scope, this))


def _shifted(values: Values, operator: str, quantity: tuple[str, str]) -> Values:
    """Compile `date + 15 minutes`; is_compiled() lets no other quantity come here."""
    amount, level = duration(*quantity) or (Decimal(0), 0)
    signed = -amount if operator == "-" else amount

    def run(scope: Scope, this: Any) -> list[Any]:
        text = single(values(scope, this), f"'{operator}'")
        if text is not None and not isinstance(text, str):
            raise PathError("a time can only be added to a date")
        return [] if text is None else [shift(text, signed, level)]

    return run


#: Operators that give a Boolean.
TESTS: dict[str, Callable[[Compiler, Tree], Test]] = {
    **dict.fromkeys(("=", "!="), compile_equality),
    **dict.fromkeys(("~", "!~"), compile_equivalence),
    **dict.fromkeys(_ORDERS, compile_inequality),
    **dict.fromkeys(("in", "contains"), compile_membership),
    "and": compile_and,
    "or": compile_or,
    "xor": compile_xor,
    "implies": compile_implies,
}

#: Operators that give values.
COLLECTIONS: dict[str, Callable[[Compiler, Tree], Values]] = {
    "|": compile_union,
    "&": compile_joined,
    **dict.fromkeys(("+", "-", "*", "/", "div", "mod"), compile_arithmetic),
}
