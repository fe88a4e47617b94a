"""FHIRPath's functions checked before they run: arguments, the type before the dot, what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from transformers.fhir_path_functions import regular_expression_fault
from transformers.fhir_path_signatures import ON_ONE, OTHER_NAMES, SIGNATURES, Signature, spoken
from transformers.fhir_path_typed import (
    BOOLEAN,
    UNKNOWN,
    Notes,
    Of,
    Typed,
    either,
    is_a,
    is_type,
    most,
    near_type,
    plus,
    times,
)
from transformers.mapping_file import did_you_mean

Tree = list[Any]


def check_call(notes: Notes, of: Of, tree: Tree, this: Typed) -> Typed:
    """Return what a function call gives."""
    _, column, before, name, arguments = tree
    base = this if before is None else of(before, this)
    signature = SIGNATURES.get(name)
    if signature is None:
        return _unknown(notes, column, name)
    if not signature.fewest <= len(arguments) <= signature.most:
        return notes.wrong(column, f"{name}() takes {_taken(signature)}, not {len(arguments) or 'none'}")
    if name in {"ofType", "as", "is"}:
        return narrow(notes, f"{name}()", arguments[0][1], base, arguments[0][2])
    notes.expect(base, signature.on, column, f"{name}()")
    if name in ON_ONE and before is not None:
        notes.expect_one(base, column, f"{name}()")
    if name in _SPECIAL:
        return _SPECIAL[name](notes, of, tree, base, this)
    for argument in arguments:
        notes.expect(of(argument, this), signature.argument, argument[1], f"the argument of {name}()")
    if name in {"matches", "replaceMatches"}:
        _regular_expression(notes, arguments[0])
    return _given(signature, base)


def narrow(notes: Notes, reader: str, column: int, base: Typed, type_name: str) -> Typed:
    """Check ofType, as and is: that the type exists, and that something of it can stand there."""
    name = type_name.removeprefix("FHIR.").removeprefix("System.")
    if not is_type(name):
        return notes.wrong(column, f"unknown type {type_name}", near_type(name))
    if reader != "ofType()":
        notes.expect_one(base, column, reader)
    fits = "any" in base.types or any(is_a(one, name) or is_a(name, one) for one in base.types)
    if not fits and base.types:
        hint = "it can be " + ", ".join(sorted(base.types)) if 1 < len(base.types) < 9 else None
        return notes.wrong(column, f"this is never {spoken([name])}; it is {spoken(base.types)}", hint)
    if reader in {"is()", "'is'"}:
        return Typed(BOOLEAN, min(base.minimum, 1), 1)
    minimum = base.minimum if base.types and all(is_a(one, name) for one in base.types) else 0
    maximum = base.maximum if reader == "ofType()" else base.at_most_one
    label = name if is_a(name, "Resource") else base.label
    return Typed(frozenset({name}), minimum, maximum, (), base.codes, base.targets, label)


def _unknown(notes: Notes, column: int, name: str) -> Typed:
    other = OTHER_NAMES.get(name)
    near = did_you_mean(name, SIGNATURES)
    hint = f"did you mean '{other}()'?" if other else near and near.replace("'?", "()'?")
    if name == "trace":
        hint = "it would write values of messages to a log"
    return notes.wrong(column, f"unknown function {name}()", hint)


def _taken(signature: Signature) -> str:
    fewest, most_ = signature.fewest, signature.most
    numbers = {0: "no argument", 1: "one argument", 2: "two arguments", 3: "three arguments"}
    if fewest == most_:
        return numbers[fewest]
    if most_ > 3:
        return "at least one argument"
    return f"{numbers[fewest].split(' ', maxsplit=1)[0]} or {numbers[most_]}"


def _given(signature: Signature, base: Typed) -> Typed:
    minimum, maximum = {
        "as many": (min(base.minimum, 1), base.at_most_one),
        "one": (1, 1),
        "up to one": (0, base.at_most_one),
        "some": (0, base.maximum),
        "any": (0, None),
    }[signature.how_many]
    if signature.gives == "=":
        return replace(base, minimum=minimum, maximum=maximum)
    return Typed(frozenset({signature.gives}), minimum, maximum)


def _regular_expression(notes: Notes, argument: Tree) -> None:
    if argument[0] == "literal" and argument[2] == "String":
        fault = regular_expression_fault(argument[3])
        if fault:
            hint = "regular expressions are RE2's, without look-around and back references"
            notes.wrong(argument[1], f"RE2 cannot read the regular expression: {fault}", hint)


def _criterion(notes: Notes, of: Of, tree: Tree, base: Typed) -> Typed:
    return _condition(notes, tree, of(tree, replace(base, minimum=1, maximum=1)))


def _condition(notes: Notes, tree: Tree, given: Typed) -> Typed:
    """Note what would silently count as true (FHIRPath N1, 4.5)."""
    notes.expect_one(given, tree[1], "a condition")
    if given.types and not given.sorts & {"boolean", "any"}:
        hint = "write .exists() to ask whether there is one"
        notes.wrong(tree[1], f"a condition is a Boolean, and this is {spoken(given.types)}", hint)
    return given


def _where(notes: Notes, of: Of, tree: Tree, base: Typed, _this: Typed) -> Typed:
    _criterion(notes, of, tree[4][0], base)
    return replace(base, minimum=0)


def _quantifier(notes: Notes, of: Of, tree: Tree, base: Typed, _this: Typed) -> Typed:
    for argument in tree[4]:
        _criterion(notes, of, argument, base)
    return Typed(BOOLEAN, 1, 1)


def _select(_notes: Notes, of: Of, tree: Tree, base: Typed, _this: Typed) -> Typed:
    given = of(tree[4][0], replace(base, minimum=1, maximum=1))
    return replace(given, minimum=base.minimum * given.minimum, maximum=times(base.maximum, given.maximum))


def _repeat(_notes: Notes, of: Of, tree: Tree, base: Typed, _this: Typed) -> Typed:
    found = of(tree[4][0], replace(base, minimum=1, maximum=1))
    for _ in range(3):
        if not found.types <= base.types:
            found = either(found, of(tree[4][0], replace(found, minimum=1, maximum=1)), 0, None)
    return replace(found, minimum=0, maximum=None)


def _iif(notes: Notes, of: Of, tree: Tree, base: Typed, this: Typed) -> Typed:
    item = replace(base, minimum=1, maximum=1) if tree[2] is not None else this
    condition, *results = tree[4]
    _condition(notes, condition, of(condition, item))
    given = [of(result, item) for result in results]
    if len(given) == 1:
        return replace(given[0], minimum=0)
    yes, no = given
    return either(yes, no, min(yes.minimum, no.minimum), most(yes.maximum, no.maximum))


def _coalesce(_notes: Notes, of: Of, tree: Tree, _base: Typed, this: Typed) -> Typed:
    first, *rest = (of(part, this) for part in tree[4])
    for other in rest:
        first = either(first, other, max(first.minimum, other.minimum), most(first.maximum, other.maximum))
    return first


def _union(_notes: Notes, of: Of, tree: Tree, base: Typed, this: Typed) -> Typed:
    return union(base, of(tree[4][0], this))


def union(one: Typed, other: Typed) -> Typed:
    """Return what `one | other` gives."""
    return either(one, other, max(one.minimum, other.minimum), plus(one.maximum, other.maximum))


def _take(notes: Notes, of: Of, tree: Tree, base: Typed, this: Typed) -> Typed:
    count = tree[4][0]
    notes.expect(of(count, this), "number", count[1], f"the argument of {tree[3]}()")
    if tree[3] == "skip" or count[0] != "literal":
        return replace(base, minimum=0)
    taken = count[3] if isinstance(count[3], int) else None
    return replace(base, minimum=0, maximum=taken if base.maximum is None else min(base.maximum, taken or 0))


def _resolve(notes: Notes, _of: Of, tree: Tree, base: Typed, _this: Typed) -> Typed:
    if base.types and not base.types & {"any", "Reference", "uri", "url", "canonical", "Resource"}:
        hint = "write it after a reference, such as participant.actor.resolve()"
        return notes.wrong(tree[1], f"resolve() works on a Reference, and this is {spoken(base.types)}", hint)
    types = base.targets or frozenset({"Resource"})
    return Typed(types, 0, base.maximum, label=base.label)


def _opaque(_notes: Notes, _of: Of, _tree: Tree, _base: Typed, _this: Typed) -> Typed:
    """What goes through a whole tree, or over $total, is not followed."""
    return UNKNOWN


def _not(notes: Notes, _of: Of, tree: Tree, base: Typed, _this: Typed) -> Typed:
    if base.types and not base.sorts & {"boolean", "any"}:
        hint = "write .exists().not() or .empty() to ask whether there is one"
        notes.wrong(tree[1], f"not() works on a Boolean, and this is {spoken(base.types)}", hint)
    return Typed(BOOLEAN, min(base.minimum, 1), 1)


def _extension(notes: Notes, of: Of, tree: Tree, base: Typed, this: Typed) -> Typed:
    url = tree[4][0]
    notes.expect(of(url, this), "string", url[1], "the argument of extension()")
    return Typed(frozenset({"Extension"}), 0, None if base.maximum != 0 else 0)


_SPECIAL: dict[str, Callable[[Notes, Of, Tree, Typed, Typed], Typed]] = {
    "where": _where,
    **dict.fromkeys(("exists", "all"), _quantifier),
    "select": _select,
    "repeat": _repeat,
    "iif": _iif,
    "coalesce": _coalesce,
    **dict.fromkeys(("union", "combine"), _union),
    **dict.fromkeys(("take", "skip"), _take),
    "resolve": _resolve,
    "extension": _extension,
    "not": _not,
    **dict.fromkeys(("children", "descendants", "aggregate", "type"), _opaque),
}
