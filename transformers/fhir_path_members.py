"""Compiled FHIRPath: members, names, literals, positions, types (FHIRPath N1, chapters 3 and 4; 5.7, 6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from transformers.fhir_path_choices import CHOICES, DATA_TYPES, SPECIAL_CASES, choice_name
from transformers.fhir_path_errors import PathError
from transformers.fhir_path_scope import Compiler, Scope, Test, Values
from transformers.fhir_path_values import number, single

Tree = list[Any]


def compile_this(_compiler: Compiler, _tree: Tree) -> Values:
    """Compile $this; None stands for nothing, as under iif() on an empty collection."""
    return lambda _scope, this: [] if this is None else [this]


def compile_member(compiler: Compiler, tree: Tree) -> Values:
    """Compile a run of members, a.b.c, as one closure."""
    if tree[3] == "extension" and tree[2] is not None and tree[2][0] == "member":
        return compile_extensions(compiler, tree[2])
    steps: list[str] = []
    node: Tree | None = tree
    while node is not None and node[0] == "member" and not (steps and node[3] == "extension"):
        steps.insert(0, node[3])
        node = node[2]
    if node is None and steps[0][:1].isupper():
        base = _root(steps.pop(0))
        return _walk(base, steps) if steps else base
    if node is not None and node[0] == "name":
        return _from_name(node[2], steps)
    return _walk(compiler.values(node) if node else None, steps)


def compile_extensions(compiler: Compiler, member: Tree) -> Values:
    """Compile `member.extension`; a primitive has its extensions beside it, under `_member` (FHIR R4, 2.6.2.3)."""
    base = compiler.values(member[2]) if member[2] else None
    keys = (member[3], *CHOICES.get(member[3], ()))

    def run(scope: Scope, this: Any) -> list[Any]:
        found: list[Any] = []
        for item in [this] if base is None else base(scope, this):
            if not isinstance(item, dict):
                continue
            for key in keys:
                for holder in (item.get(key), item.get(f"_{key}")):
                    for part in holder if isinstance(holder, list) else (holder,):
                        if isinstance(part, dict):
                            found += part.get("extension", ())
        return found

    return run


def leading_names(tree: Tree) -> list[str] | None:
    """Return a, b, c of a path a.b.c that begins with an element's name; None for any other expression."""
    names: list[str] = []
    node: Tree | None = tree
    while node is not None:
        if node[0] != "member" or (node[3] == "extension" and node[2] is not None):
            return None
        names.insert(0, node[3])
        node = node[2]
    return None if names[0][:1].isupper() else names


def _root(name: str) -> Values:
    """Compile a type's name at the beginning: the focus, if it is of that type (FHIRPath N1, 3.1)."""

    def run(_: Scope, this: Any) -> list[Any]:
        if not isinstance(this, dict):
            return []
        kind = this.get("resourceType")
        if kind == name or (kind and name in {"Resource", "DomainResource"}) or (not kind and name in DATA_TYPES):
            return [this]
        return follow((name,), this)

    return run


def path_from_name(tree: Tree | None) -> str | None:
    """Return `name.a.b` of a path %name.a.b; None for any other expression."""
    if tree is None or tree[0] not in {"name", "member"}:
        return None
    if tree[0] == "name":
        return str(tree[2])
    base = path_from_name(tree[2])
    return base and f"{base}.{tree[3]}"


def _walk(base: Values | None, names: list[str]) -> Values:
    steps = tuple(names)
    if base is None:
        return _leading(*steps) if len(steps) == 1 else lambda _, this: follow(steps, this)
    return lambda scope, this: follow_all(steps, base(scope, this))


def _from_name(name: str, names: list[str]) -> Values:
    """Compile %name.a.b, the most frequent expression of a mapping; a message asks for the same ones several times."""
    steps = tuple(names)
    # No name has a dot.
    key = ".".join((name, *names))

    def run(scope: Scope, _: Any = None) -> list[Any]:
        values = scope.values
        found = values.get(key)
        if found is None:
            known = values.get(name)
            if known is None:
                known = scope.first_value(name)
            found = values[key] = follow(steps, known[0]) if len(known) == 1 else follow_all(steps, known)
        return found

    return run


def follow(names: Iterable[str], item: Any) -> list[Any]:
    """Go from one element to the next. As long as there is one, which is nearly always, no list is built."""
    rest = iter(names)
    for name in rest:
        try:
            value = item.get(name)
        except AttributeError:  # a primitive
            return []
        if value is None:
            value = _choice(item, name)
            if value is None:
                return []
        if isinstance(value, list):
            if len(value) != 1 or value[0] is None:
                return _follow_many(rest, _given(value))
            item = value[0]
        else:
            item = value
    return [item]


def _given(parts: list[Any]) -> list[Any]:
    """Return a list without the nulls that primitives leave that have extensions and no value (FHIR R4, 2.6.2.3)."""
    return [part for part in parts if part is not None] if None in parts else parts


def follow_all(names: Iterable[str], items: list[Any]) -> list[Any]:
    """Go from each of the elements."""
    return follow(names, items[0]) if len(items) == 1 else _follow_many(names, items)


def _follow_many(names: Iterable[str], items: list[Any]) -> list[Any]:
    for name in names:
        found: list[Any] = []
        for item in items:
            value = item.get(name) if isinstance(item, dict) else None
            if value is None:
                found += follow((name,), item)
            elif isinstance(value, list):
                found += _given(value)
            else:
                found.append(value)
        items = found
    return items


def _leading(name: str) -> Values:
    """Compile a single name, the most frequent criterion of where()."""
    names = (name,)

    def run(_: Scope, this: Any) -> list[Any]:
        value = this.get(name) if isinstance(this, dict) else None
        return follow(names, this) if value is None or isinstance(value, list) else [value]

    return run


def _choice(item: dict[str, Any], name: str) -> Any:
    """Return the value of an element that has several types, by its names in JSON; None for any other element."""
    names = CHOICES.get(name)
    if names is None:
        return None
    if len(names) > len(item):
        return next((item[key] for key in item if key in names), None)
    return next((item[name] for name in names if name in item), None)


def compile_name(_compiler: Compiler, tree: Tree) -> Values:
    name = tree[2]

    def run(scope: Scope, _: Any) -> list[Any]:
        known = scope.values.get(name)
        return scope.first_value(name) if known is None else known

    return run


def compile_literal(_compiler: Compiler, tree: Tree) -> Values:
    value = tree[3]
    result = [Decimal(value) if tree[2] == "Decimal" else value]
    return lambda _scope, _this: result


def compile_position(_compiler: Compiler, _tree: Tree) -> Values:
    return lambda scope, _this: [scope.position]


def compile_none(_compiler: Compiler, _tree: Tree) -> Values:
    return lambda _scope, _this: []


def compile_index(compiler: Compiler, tree: Tree) -> Values:
    base, position = compiler.values(tree[2]), compiler.values(tree[3])
    if tree[3][0] == "literal" and tree[3][2] == "Integer":
        at = tree[3][3]
        return lambda scope, this: base(scope, this)[at : at + 1]

    def run(scope: Scope, this: Any) -> list[Any]:
        at = single(position(scope, this), "[ ]")
        if not isinstance(at, int) or at < 0:
            return []
        return base(scope, this)[at : at + 1]

    return run


def compile_sign(compiler: Compiler, tree: Tree) -> Values:
    operand = compiler.values(tree[3])
    minus = tree[2] == "-"

    def run(scope: Scope, this: Any) -> list[Any]:
        value = single(operand(scope, this), f"'{tree[2]}'")
        if value is None:
            return []
        amount = number(value)
        if amount is None:
            raise PathError(f"'{tree[2]}' works on a number")
        return [-amount if minus else amount]

    return run


def compile_of_type(compiler: Compiler, base: Tree, type_name: str) -> Values:
    name = type_name.removeprefix("FHIR.")
    if name in DATA_TYPES:
        return _of_data_type(compiler.values(base[2]) if base[2] else None, base[3], name)
    values = compiler.values(base)
    if name in {"Resource", "DomainResource"}:
        others = () if name == "Resource" else ("Bundle", "Binary", "Parameters")

        def run_any(scope: Scope, this: Any) -> list[Any]:
            return [
                v for v in values(scope, this) if isinstance(v, dict) and v.get("resourceType", others) not in others
            ]

        return run_any

    def run(scope: Scope, this: Any) -> list[Any]:
        return [v for v in values(scope, this) if isinstance(v, dict) and v.get("resourceType") == name]

    return run


def _of_data_type(base: Values | None, member: str, type_name: str) -> Values:
    names = [choice_name(member, name) for name in (type_name, *SPECIAL_CASES.get(type_name, ()))]
    if len(names) == 1:
        return _walk(base, names)

    def run(scope: Scope, this: Any) -> list[Any]:
        items = [this] if base is None else base(scope, this)
        return [item[name] for item in items if isinstance(item, dict) for name in names if name in item]

    return run


def compile_as_type(compiler: Compiler, base: Tree, type_name: str) -> Values:
    whole, narrowed = compiler.values(base), compile_of_type(compiler, base, type_name)

    def run(scope: Scope, this: Any) -> list[Any]:
        single(whole(scope, this), "'as'")
        return narrowed(scope, this)

    return run


def compile_is_type(compiler: Compiler, base: Tree, type_name: str) -> Test:
    whole, narrowed = compiler.values(base), compile_of_type(compiler, base, type_name)

    def run(scope: Scope, this: Any) -> bool | None:
        return None if single(whole(scope, this), "'is'") is None else bool(narrowed(scope, this))

    return run
