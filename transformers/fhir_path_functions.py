"""FHIRPath's functions that need nothing but values: strings, subsets, sets, conversions.

Each takes the collection before the dot, then one collection for each argument, and returns a collection.
Functions whose argument is an expression of its own (where, select, iif, …) stand in fhir_path.py.

Source: FHIRPath N1, chapter 5; hasValue and getValue: FHIR R4, 2.9.1.5.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from transformers.fhir_path_errors import PathError
from transformers.fhir_path_values import distinct, identity, number, single

Values = Sequence[Any]
Function = Callable[..., list[Any]]


def _string(values: Values, reader: str) -> str | None:
    value = single(values, reader)
    if value is not None and not isinstance(value, str):
        raise PathError(f"{reader} works on a string")
    return value


def _integer(values: Values, reader: str) -> int | None:
    value = single(values, reader)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise PathError(f"{reader} takes a whole number")
    return value


def _on_strings(name: str, function: Callable[..., Any]) -> Function:
    """Make a function of one string and string arguments empty wherever one of them is empty."""
    reader = f"{name}()"

    def run(values: Values, *arguments: Values) -> list[Any]:
        given = [_string(part, reader) for part in (values, *arguments)]
        return [] if None in given else [function(*given)]

    return run


# -- strings (5.6) -----------------------------------------------------------------------------------------------


def _substring(values: Values, start: Values, length: Values | None = None) -> list[Any]:
    text, first = _string(values, "substring()"), _integer(start, "substring()")
    if text is None or first is None or not 0 <= first < len(text):
        return []
    size = None if length is None else _integer(length, "substring()")
    return [text[first:]] if size is None else [text[first : first + max(0, size)]]


def _join(values: Values, separator: Values = ()) -> list[Any]:
    if not values:
        return []
    if not all(isinstance(value, str) for value in values):
        raise PathError("join() works on strings")
    return [(_string(separator, "join()") or "").join(values)]


def _split(values: Values, separator: Values) -> list[Any]:
    text, mark = _string(values, "split()"), _string(separator, "split()")
    if text is None or mark is None:
        return []
    return text.split(mark) if mark else list(text)


def _to_chars(values: Values) -> list[Any]:
    return list(_string(values, "toChars()") or "")


# -- regular expressions, by RE2: their time grows with the text only, whatever the analyst writes ------------------


@lru_cache(maxsize=512)
def _regular_expression(pattern: str) -> tuple[Any, str]:
    """Compile by RE2; return the compiled expression, or None and the reason."""
    import re2  # noqa: PLC0415 - only mappings that use regular expressions pay for it

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True  # '.' also matches the end of a line (FHIRPath N1, 5.6.8)
    try:
        return re2.compile(pattern, options), ""
    except re2.error as error:
        reason = error.args[0]
        return None, reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def regular_expression_fault(pattern: str) -> str | None:
    """Return RE2's reason why it cannot read a pattern, None if it can. For check time: it quotes the pattern."""
    return _regular_expression(pattern)[1] or None


def _compiled(pattern: str) -> Any:
    compiled, _ = _regular_expression(pattern)
    if compiled is None:
        raise PathError("RE2 cannot read the regular expression")
    return compiled


def matches(text: str, pattern: str) -> bool:
    """Return whether the pattern is found anywhere in the text."""
    return _compiled(pattern).search(text) is not None


def replace_matches(text: str, pattern: str, substitution: str) -> str:
    """Return the text with every match replaced; `$1` and `${name}` stand for what a group has found."""
    pieces = _template(substitution)

    def replacement(match: Any) -> str:
        return "".join(piece if isinstance(piece, str) else _group(match, piece[0]) for piece in pieces)

    return str(_compiled(pattern).sub(replacement, text))


def _group(match: Any, name: str) -> str:
    try:
        return match.group(int(name) if name.isdigit() else name) or ""
    except IndexError:
        raise PathError(f"replaceMatches(): the regular expression has no group '{name}'") from None


@lru_cache(maxsize=512)
def _template(substitution: str) -> list[str | tuple[str]]:
    pieces: list[str | tuple[str]] = []
    rest = substitution
    while rest:
        text, dollar, rest = rest.partition("$")
        pieces.append(text)
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        if rest.startswith("{") and "}" in rest:
            name, _, rest = rest[1:].partition("}")
            pieces.append((name,))
        elif digits:
            pieces.append((digits,))
            rest = rest[len(digits) :]
        else:
            pieces.append(dollar)
    return pieces


# -- conversions (5.5) -------------------------------------------------------------------------------------------


_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def to_string(values: Values) -> list[Any]:
    """Return a primitive as text; empty for what has no text (an element with parts)."""
    value = single(values, "toString()")
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    amount = number(value)
    return [] if amount is None else [str(amount) if isinstance(amount, int) else format(amount, "f")]


def _to_integer(values: Values) -> list[Any]:
    value = single(values, "toInteger()")
    if isinstance(value, bool | int) or (isinstance(value, str) and _INTEGER.fullmatch(value)):
        return [int(value)]
    return []


def _to_decimal(values: Values) -> list[Any]:
    value = single(values, "toDecimal()")
    if isinstance(value, str):
        return [Decimal(value)] if _DECIMAL.fullmatch(value) else []
    if isinstance(value, bool):
        return [Decimal(int(value))]
    amount = number(value)
    return [] if amount is None else [Decimal(amount)]


_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def _to_boolean(values: Values) -> list[Any]:
    value = single(values, "toBoolean()")
    if isinstance(value, bool):
        return [value]
    word = value.lower() if isinstance(value, str) else str(value)
    return [True] if word in _TRUE else [False] if word in _FALSE else []


# -- subsets and sets (5.1, 5.3, 5.4) ----------------------------------------------------------------------------


def _single(values: Values) -> list[Any]:
    single(values, "single()")
    return list(values)


def _skip(values: Values, count: Values) -> list[Any]:
    start = _integer(count, "skip()")
    return [] if start is None else list(values[max(0, start) :])


def _take(values: Values, count: Values) -> list[Any]:
    stop = _integer(count, "take()")
    return [] if stop is None else list(values[: max(0, stop)])


def _identities(values: Values) -> set[Any]:
    return {identity(value) for value in values}


def _intersect(values: Values, other: Values) -> list[Any]:
    wanted = _identities(other)
    return distinct([value for value in values if identity(value) in wanted])


def _exclude(values: Values, other: Values) -> list[Any]:
    unwanted = _identities(other)
    return [value for value in values if identity(value) not in unwanted]


def _booleans(name: str, test: Callable[[Values], bool]) -> Function:
    def run(values: Values) -> list[Any]:
        if not all(isinstance(value, bool) for value in values):
            raise PathError(f"{name}() works on Booleans")
        return [test(values)]

    return run


def _has_value(values: Values) -> list[Any]:
    return [len(values) == 1 and not isinstance(values[0], dict)]


def _get_value(values: Values) -> list[Any]:
    return list(values) if _has_value(values) == [True] else []


def _children(values: Values) -> list[Any]:
    """Return the elements right below; resourceType is none, and primitives' extensions are not listed."""
    found: list[Any] = []
    for value in values:
        for name, part in value.items() if isinstance(value, dict) else ():
            if name != "resourceType" and not name.startswith("_"):
                found += [one for one in part if one is not None] if isinstance(part, list) else [part]
    return found


def _descendants(values: Values) -> list[Any]:
    found: list[Any] = []
    level = _children(values)
    while level:
        found += level
        level = _children(level)
    return found


SIMPLE: dict[str, Function] = {
    "children": _children,
    "descendants": _descendants,
    "startsWith": _on_strings("startsWith", str.startswith),
    "endsWith": _on_strings("endsWith", str.endswith),
    "contains": _on_strings("contains", str.__contains__),
    "indexOf": _on_strings("indexOf", str.find),
    "upper": _on_strings("upper", str.upper),
    "lower": _on_strings("lower", str.lower),
    "trim": _on_strings("trim", str.strip),
    "length": _on_strings("length", len),
    "replace": _on_strings("replace", str.replace),
    "matches": _on_strings("matches", matches),
    "replaceMatches": _on_strings("replaceMatches", replace_matches),
    "substring": _substring,
    "join": _join,
    "split": _split,
    "toChars": _to_chars,
    "toString": to_string,
    "toInteger": _to_integer,
    "toDecimal": _to_decimal,
    "toBoolean": _to_boolean,
    "first": lambda values: list(values[:1]),
    "last": lambda values: list(values[-1:]),
    "tail": lambda values: list(values[1:]),
    "single": _single,
    "skip": _skip,
    "take": _take,
    "count": lambda values: [len(values)],
    "distinct": distinct,
    "isDistinct": lambda values: [len(distinct(values)) == len(values)],
    "combine": lambda values, other: [*values, *other],
    "union": lambda values, other: distinct([*values, *other]),
    "intersect": _intersect,
    "exclude": _exclude,
    "subsetOf": lambda values, other: [_identities(values) <= _identities(other)],
    "supersetOf": lambda values, other: [_identities(values) >= _identities(other)],
    "allTrue": _booleans("allTrue", all),
    "anyTrue": _booleans("anyTrue", any),
    "allFalse": _booleans("allFalse", lambda values: not any(values)),
    "anyFalse": _booleans("anyFalse", lambda values: not all(values)),
    "hasValue": _has_value,
    "getValue": _get_value,
}

#: How many arguments each takes: the fewest and the most.
ARGUMENTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(SIMPLE, (0, 0)),
    **dict.fromkeys(("startsWith", "endsWith", "contains", "indexOf", "matches", "split"), (1, 1)),
    **dict.fromkeys(("skip", "take", "combine", "union", "intersect", "exclude", "subsetOf", "supersetOf"), (1, 1)),
    **dict.fromkeys(("replace", "replaceMatches"), (2, 2)),
    "substring": (1, 2),
    "join": (0, 1),
}
