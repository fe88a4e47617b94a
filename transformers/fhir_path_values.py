"""What FHIRPath's operators mean on plain Python values: equality, order, arithmetic, truth.

Dates and times are text here as in JSON. Text that has the shape of a date with a month, or of a date and time,
is compared as such; anything else as a string. None stands for FHIRPath's empty result.

Source: FHIRPath N1, 4.5 (singleton evaluation), 6.1 (equality), 6.2 (comparison), 6.5 (logic), 6.6 (math).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

Number = int | Decimal

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?)?(Z|[+-]\d\d:\d\d)?)?\Z"
)
_TIME = re.compile(r"T?(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?\Z")


class PathError(ValueError):
    """An expression met values that it cannot work on. The text never holds such a value."""


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


# -- dates and times ---------------------------------------------------------------------------------------------


def parts(text: str) -> list[Any] | None:
    """Return year, month, day, hour, minute, second as far as given, then the offset or None; None: not a date.

    >>> parts("2025-12-01T09:30:00-03:00")
    [2025, 12, 1, 9, 30, Decimal('0'), '-03:00']
    """
    match = _DATE.match(text)
    if match is None:
        return None
    *given, second, offset = match.groups()
    found = [int(part) if part else None for part in given]
    return [*found, Decimal(second).normalize() + 0 if second else None, offset]


def is_date_like(text: str) -> bool:
    """Return whether text has a date's shape with at least year and month, so that it is hardly anything else."""
    return len(text) > 6 and text[4] == "-" and text[:4].isdigit() and _DATE.match(text) is not None


def compare_dates(left: str, right: str) -> int | None:
    """Return -1, 0 or 1, and None where the precision does not tell (FHIRPath N1, 6.1.1, 6.2).

    Two values with offsets are compared as instants. Where only one has an offset and both have hours, nothing is
    known. A date and a date with time are compared by the calendar day that each shows.

    >>> compare_dates("2025-12-01T09:00:00-03:00", "2025-12-01T12:00:00Z")
    0
    >>> compare_dates("2025-12", "2025-12-01") is None
    True

    Raises:
        PathError: one of them is not a date.
    """
    times = _TIME.match(left), _TIME.match(right)
    if times[0] and times[1] and left[:4] != right[:4] + "-":
        return _in_order(_clock(times[0]), _clock(times[1]))
    first, second = parts(left), parts(right)
    if first is None or second is None:
        raise PathError("a date can only be compared with a date")
    if first[3] is not None and second[3] is not None and (first[6] or second[6]):
        if not (first[6] and second[6]):
            return None if first[:3] == second[:3] else _in_order(first[:3], second[:3])
        first, second = _in_utc(first), _in_utc(second)
    return _in_order(first[:6], second[:6])


def _clock(match: re.Match[str]) -> list[Any]:
    hour, minute, second = match.groups()
    return [int(hour), int(minute) if minute else None, Decimal(second).normalize() + 0 if second else None]


def _in_order(first: Sequence[Any], second: Sequence[Any]) -> int | None:
    for one, other in zip(first, second, strict=True):
        if one is None and other is None:
            return 0
        if one is None or other is None:
            return None
        if one != other:
            return -1 if one < other else 1
    return 0


def _in_utc(given: list[Any]) -> list[Any]:
    year, month, day, hour, minute, second, offset = given
    zone: timezone = UTC
    if offset != "Z":
        shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        zone = timezone(shift if offset[0] == "+" else -shift)
    try:
        moved = datetime(year, month, day, hour, minute or 0, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PathError("a date that is in no calendar cannot be compared") from None
    rest = [None if minute is None else moved.minute, second]
    return [moved.year, moved.month, moved.day, moved.hour, *rest, "Z"]


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


def distinct(values: Sequence[Any]) -> list[Any]:
    """Return the values without repetitions, each where it stood first."""
    if len(values) < 2:
        return list(values)
    return list({identity(value): value for value in reversed(values)}.values())[::-1]


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
