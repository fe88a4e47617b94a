"""What FHIRPath's operators mean on plain Python values: equality, order, arithmetic, truth.

Text that has the shape of a date (fhir_path_dates.py) is compared as such, other text letter by letter.
None stands for FHIRPath's empty result.

Source: FHIRPath N1, 4.5 (singleton evaluation), 6.1 (equality), 6.2 (comparison), 6.5 (logic), 6.6 (math).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from transformers.fhir_path_dates import compare_dates, is_date_like
from transformers.fhir_path_errors import PathError

Number = int | Decimal


def single(values: Sequence[Any], reader: str) -> Any:
    """Return the only value, None if there is none. `reader` says in the error who wanted one.

    Raises:
        PathError: there are several.
    """
    if not values:
        return None
    if len(values) > 1:
        raise PathError(f"{reader} works on one value, and here are {len(values)}")
    return values[0]


def truth(values: Sequence[Any], reader: str) -> bool | None:
    """Return what a collection means where a Boolean is wanted: one value that is not Boolean counts as true."""
    value = single(values, reader)
    return value if value is None or isinstance(value, bool) else True


def number(value: Any) -> Number | None:
    """Return a number as it is reckoned with (never a float), None if the value is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return value
    return Decimal(repr(value)) if isinstance(value, float) else None


# -- equality and order ------------------------------------------------------------------------------------------


def same(left: Any, right: Any) -> bool | None:
    """Return whether two values are equal; None where dates of different precision do not tell."""
    if isinstance(left, str) and isinstance(right, str):
        if left == right or not (is_date_like(left) and is_date_like(right)):
            return left == right
        order = compare_dates(left, right)
        return None if order is None else order == 0
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, float) or isinstance(right, float):
        return number(left) == number(right) is not None
    return bool(left == right)


def equal(left: Sequence[Any], right: Sequence[Any], same_values: Callable[[Any, Any], bool | None]) -> bool | None:
    """Return `left = right` (FHIRPath N1, 6.1.1): item by item in order; None if one side is empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    results = [same_values(one, other) for one, other in zip(left, right, strict=True)]
    return False if False in results else None if None in results else True


def same_dates(left: Any, right: Any) -> bool | None:
    """Return whether two values are the same date, where one is known to be a date or time."""
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    try:
        order = compare_dates(left, right)
    except PathError:
        return False
    return None if order is None else order == 0


def alike(left: Any, right: Any) -> bool:
    """Return `left ~ right` for two values (FHIRPath N1, 6.1.2): letters' case and kinds of space do not count."""
    if isinstance(left, str) and isinstance(right, str):
        if is_date_like(left) and is_date_like(right):
            return compare_dates(left, right) == 0
        return left.lower().split() == right.lower().split()
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(alike(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return equivalent(left, right)
    one, other = number(left), number(right)
    if one is None or other is None:
        return left is right
    places = Decimal(1).scaleb(-min(_places(one), _places(other)))
    return Decimal(one).quantize(places) == Decimal(other).quantize(places)


def _places(value: Number) -> int:
    exponent = Decimal(value).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def equivalent(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Return `left ~ right`: as `=`, but in any order, and two empty collections are equivalent."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for value in left:
        match = next((n for n, other in enumerate(rest) if alike(value, other)), None)
        if match is None:
            return False
        del rest[match]
    return True


def order(left: Sequence[Any], right: Sequence[Any], operator: str, *, dates: bool = False) -> int | None:
    """Return -1, 0 or 1 for two singletons; None if one is empty or the precision does not tell.

    Raises:
        PathError: several values, or kinds that cannot be compared.
    """
    one, other = single(left, f"'{operator}'"), single(right, f"'{operator}'")
    if one is None or other is None:
        return None
    if isinstance(one, str) and isinstance(other, str):
        if dates or (is_date_like(one) and is_date_like(other)):
            return compare_dates(one, other)
        return (one > other) - (one < other)
    first, second = number(one), number(other)
    if first is None or second is None:
        raise PathError(f"'{operator}' compares numbers with numbers, strings with strings and dates with dates")
    return (first > second) - (first < second)


def identity(value: Any) -> Any:
    """Return something hashable that is equal for equal values: how distinct(), | and in() tell values apart."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, dict):
        return tuple(sorted((key, identity(part)) for key, part in value.items()))
    if isinstance(value, list):
        return (list, tuple(identity(part) for part in value))
    return number(value)


#: Up to so many values are held against each other; more are told apart by their identities.
_FEW = 8


def distinct(values: Sequence[Any]) -> list[Any]:
    """Return the values without repetitions, each where it stood first."""
    if len(values) < 2:
        return list(values)
    if len(values) > _FEW:
        found: dict[Any, Any] = {}
        for value in values:
            found.setdefault(identity(value), value)
        return list(found.values())
    few = [values[0]]
    for value in values[1:]:
        for other in few:
            if value is other or _is_same(value, other):
                break
        else:
            few.append(value)
    return few


def _is_same(value: Any, other: Any) -> bool:
    # Elements of one document that Python tells apart are not equal; what it holds for equal may be True and 1.
    if isinstance(value, dict) and isinstance(other, dict) and value != other:
        return False
    return bool(identity(value) == identity(other))


# -- arithmetic --------------------------------------------------------------------------------------------------


def reckon(operator: str, left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    """Return `left operator right` for + - * / div mod on numbers, and + on strings (FHIRPath N1, 6.6).

    Raises:
        PathError: several values, or no numbers.
    """
    one, other = single(left, f"'{operator}'"), single(right, f"'{operator}'")
    if one is None or other is None:
        return []
    if operator == "+" and isinstance(one, str) and isinstance(other, str):
        return [one + other]
    first, second = number(one), number(other)
    if first is None or second is None:
        raise PathError(f"'{operator}' works on numbers" + (", or on two strings" if operator == "+" else ""))
    if operator in {"/", "div", "mod"} and second == 0:
        return []
    return [_ARITHMETIC[operator](first, second)]


def _quotient(first: Number, second: Number) -> int:
    """Divide toward zero, as FHIRPath does and Python does not."""
    size = int(abs(Decimal(first)) // abs(Decimal(second)))
    return size if (first < 0) == (second < 0) else -size


_ARITHMETIC: dict[str, Callable[[Any, Any], Number]] = {
    "+": lambda first, second: first + second,
    "-": lambda first, second: first - second,
    "*": lambda first, second: first * second,
    "/": lambda first, second: Decimal(first) / Decimal(second),
    "div": _quotient,
    "mod": lambda first, second: first - second * _quotient(first, second),
}
