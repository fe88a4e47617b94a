"""Compiled FHIRPath: functions whose arguments are expressions of their own, and those that ask the scope.

Source: FHIRPath N1, 5.1 (existence), 5.2 (filtering), 5.5.1 (iif), 5.8 (now, today); FHIR R4, 2.9.1.5
(extension, resolve).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers.fhir_path_choices import CHOICES
from transformers.fhir_path_functions import SIMPLE
from transformers.fhir_path_members import compile_extensions, leading_names, path_from_name
from transformers.fhir_path_scope import Compiler, Scope, Test, Values
from transformers.fhir_path_values import identity, single

Tree = list[Any]


def _base(compiler: Compiler, tree: Tree) -> Values:
    return compiler.values(tree[2] or ["this", tree[1]])


def uses_position(tree: Tree) -> bool:
    """Return whether $index stands in the expression."""
    return bool(tree) and (tree[0] == "position" or any(uses_position(part) for part in tree if isinstance(part, list)))


@contextmanager
def _positions(scope: Scope) -> Iterator[None]:
    before = scope.position
    try:
        yield
    finally:
        scope.position = before


def _each(tree: Tree, base: Values) -> Callable[[Scope, Any], Iterator[Any]]:
    """Go through the items; $index is kept only for a criterion that asks for it."""
    if not any(uses_position(argument) for argument in tree[4]):
        return lambda scope, this: iter(base(scope, this))

    def run(scope: Scope, this: Any) -> Iterator[Any]:
        items = base(scope, this)
        with _positions(scope):
            for scope.position, item in enumerate(items):
                yield item

    return run


def compile_where(compiler: Compiler, tree: Tree) -> Values:
    criterion = tree[4][0]
    base = _base(compiler, tree)
    wanted = _plain_equalities(criterion)
    if wanted:
        return _where_equal(base, wanted)
    test = compiler.test(criterion)
    if not uses_position(tree[4][0]):
        return lambda scope, this: [item for item in base(scope, this) if test(scope, item)]
    each = _each(tree, base)
    return lambda scope, this: [item for item in each(scope, this) if test(scope, item)]


def _plain_equalities(tree: Tree) -> list[tuple[str, str]]:
    """Return the pairs of `a = 'x' and b = 'y' …` where a, b are elements that are no choice; none for all else."""
    if tree[0] != "op":
        return []
    _, _, operator, left, right = tree
    if operator == "and":
        first, second = _plain_equalities(left), _plain_equalities(right)
        return first + second if first and second else []
    names = leading_names(left)
    if operator != "=" or not names or len(names) > 1 or names[0] in CHOICES or right[2:3] != ["String"]:
        return []
    return [(names[0], right[3])]


def _where_equal(base: Values, wanted: list[tuple[str, str]]) -> Values:
    """Compile where(a = 'x' and b = 'y'), the most frequent where()."""

    def run(scope: Scope, this: Any) -> list[Any]:
        found = []
        for item in base(scope, this):
            for name, text in wanted:
                value = item.get(name) if isinstance(item, dict) else None
                if value == text:
                    continue
                if not isinstance(value, list) or [part for part in value if part is not None] != [text]:
                    break
            else:
                found.append(item)
        return found

    return run


def compile_select(compiler: Compiler, tree: Tree) -> Values:
    each, values = _each(tree, _base(compiler, tree)), compiler.values(tree[4][0])
    return lambda scope, this: [value for item in each(scope, this) for value in values(scope, item)]


def compile_repeat(compiler: Compiler, tree: Tree) -> Values:
    base, values = _base(compiler, tree), compiler.values(tree[4][0])

    def run(scope: Scope, this: Any) -> list[Any]:
        seen: dict[Any, Any] = {}
        waiting = list(base(scope, this))
        while waiting:
            new = {identity(value): value for item in waiting for value in values(scope, item)}
            waiting = [value for key, value in new.items() if key not in seen]
            seen.update(new)
        return list(seen.values())

    return run


def compile_iif(compiler: Compiler, tree: Tree) -> Values:
    base = _base(compiler, tree)
    test, *results = compiler.test(tree[4][0]), *(compiler.values(part) for part in tree[4][1:])

    def run(scope: Scope, this: Any) -> list[Any]:
        item = single(base(scope, this), "iif()")
        if test(scope, item):
            return results[0](scope, item)
        return results[1](scope, item) if len(results) > 1 else []

    return run


def compile_coalesce(compiler: Compiler, tree: Tree) -> Values:
    options = [compiler.values(part) for part in tree[4]]

    def run(scope: Scope, this: Any) -> list[Any]:
        return next((values for values in (option(scope, this) for option in options) if values), [])

    return run


def compile_resolve(compiler: Compiler, tree: Tree) -> Values:
    base, path = _base(compiler, tree), path_from_name(tree[2])

    def run(scope: Scope, this: Any) -> list[Any]:
        given = base(scope, this)
        return scope.references.resolve(given) if given else []

    if path is None:
        return run
    # Where %appt.participant.actor leads is asked for by each name for one of them: found out once.
    key = f"{path}.resolve()"

    def run_once(scope: Scope, this: Any) -> list[Any]:
        found = scope.values.get(key)
        if found is None:
            found = scope.values[key] = run(scope, this)
        return found

    return run_once


def compile_extension(compiler: Compiler, tree: Tree) -> Values:
    of_member = tree[2] is not None and tree[2][0] == "member"
    extensions = (
        compile_extensions(compiler, tree[2])
        if of_member
        else compiler.values(["member", tree[1], tree[2], "extension"])
    )
    urls = compiler.values(tree[4][0])

    def run(scope: Scope, this: Any) -> list[Any]:
        url = single(urls(scope, this), "extension()")
        return [part for part in extensions(scope, this) if isinstance(part, dict) and part.get("url") == url]

    return run


def compile_now(_compiler: Compiler, tree: Tree) -> Values:
    """Compile now(), today() or timeOfDay(); the time is the scope's, at the offset it was given in."""
    show: Callable[[Scope], str] = {
        "now": lambda scope: scope.now.isoformat(timespec="milliseconds"),
        "today": lambda scope: scope.now.date().isoformat(),
        "timeOfDay": lambda scope: scope.now.time().isoformat(timespec="milliseconds"),
    }[tree[3]]
    return lambda scope, _: [show(scope)]


def compile_simple(compiler: Compiler, tree: Tree) -> Values:
    """Compile a function of SIMPLE."""
    if tree[3] == "first" and tree[2] is not None and tree[2][0] == "op" and tree[2][2] == "|":
        return _first_of_union(compiler.values(tree[2][3]), compiler.values(tree[2][4]))
    base, function = _base(compiler, tree), SIMPLE[tree[3]]
    if tree[3] == "first":
        return lambda scope, this: base(scope, this)[:1]
    if not tree[4]:
        return lambda scope, this: function(base(scope, this))
    arguments = [compiler.values(part) for part in tree[4]]
    return lambda scope, this: function(base(scope, this), *[values(scope, this) for values in arguments])


def _first_of_union(first: Values, second: Values) -> Values:
    """Compile `(a | b).first()`, of which no repetition needs to be taken out; both sides are asked."""

    def run(scope: Scope, this: Any) -> list[Any]:
        left, right = first(scope, this), second(scope, this)
        return (left or right)[:1]

    return run


# -- functions that give a Boolean -------------------------------------------------------------------------------


def compile_exists(compiler: Compiler, tree: Tree) -> Test:
    base = _base(compiler, tree)
    if not tree[4]:
        return lambda scope, this: bool(base(scope, this))
    each, test = _each(tree, base), compiler.test(tree[4][0])
    return lambda scope, this: any(test(scope, item) for item in each(scope, this))


def compile_all(compiler: Compiler, tree: Tree) -> Test:
    each, test = _each(tree, _base(compiler, tree)), compiler.test(tree[4][0])
    return lambda scope, this: all(test(scope, item) for item in each(scope, this))


def compile_empty(compiler: Compiler, tree: Tree) -> Test:
    base = _base(compiler, tree)
    return lambda scope, this: not base(scope, this)


def compile_not(compiler: Compiler, tree: Tree) -> Test:
    test = compiler.test(tree[2] or ["this", tree[1]])

    def run(scope: Scope, this: Any) -> bool | None:
        value = test(scope, this)
        return None if value is None else not value

    return run


#: Functions that give a Boolean.
TESTS: dict[str, Callable[[Compiler, Tree], Test]] = {
    "exists": compile_exists,
    "all": compile_all,
    "empty": compile_empty,
    "not": compile_not,
}

#: Functions that give values.
COLLECTIONS: dict[str, Callable[[Compiler, Tree], Values]] = {
    **dict.fromkeys(SIMPLE, compile_simple),
    "where": compile_where,
    "select": compile_select,
    "repeat": compile_repeat,
    "iif": compile_iif,
    "coalesce": compile_coalesce,
    "resolve": compile_resolve,
    "extension": compile_extension,
    **dict.fromkeys(("now", "today", "timeOfDay"), compile_now),
}

#: How many arguments each takes: the fewest and the most.
ARGUMENTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("where", "select", "repeat", "all", "extension"), (1, 1)),
    **dict.fromkeys(("empty", "not", "resolve", "now", "today", "timeOfDay"), (0, 0)),
    "exists": (0, 1),
    "iif": (2, 3),
    "coalesce": (1, 99),
}
