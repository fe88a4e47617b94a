"""Dates and times of FHIRPath, which are text here as in JSON: order, and adding a time to a date.

Source: FHIRPath N1, 2.1.1 to 2.1.3 (literals), 6.1.1 and 6.2 (precision), 6.6.7 (date and time arithmetic).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from transformers.fhir_path_errors import PathError

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?)?(Z|[+-]\d\d:\d\d)?)?\Z"
)
#: Date, time to the second or finer, offset: what `datetime` reads as it is.
_WHOLE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-][01]\d:\d\d)\Z")
_TIME = re.compile(r"T?(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?\Z")


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
    if _WHOLE.match(left) and _WHOLE.match(right):
        # As nearly always: two whole times are two instants.
        try:
            one, other = datetime.fromisoformat(left), datetime.fromisoformat(right)
        except ValueError:
            raise PathError("a date that is in no calendar cannot be compared") from None
        return (one > other) - (one < other)
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


# -- arithmetic --------------------------------------------------------------------------------------------------

_PRECISIONS = ("year", "month", "day", "hour", "minute", "second")
#: How many of each make one of the next greater.
_STEPS = (1, 12, 30, 24, 60, 60)
_DAYS_A_YEAR = 365
_SECONDS = (0, 0, 86_400, 3_600, 60, 1)


def duration(amount: str, unit: str) -> tuple[Decimal, int] | None:
    """Return a duration literal as an amount of the precision (0 year … 5 second); None if it is no time.

    >>> duration("2", "weeks"), duration("5", "'mg'")
    ((Decimal('14'), 2), None)
    """
    name = unit.removesuffix("s")
    if name == "week":
        return Decimal(amount) * 7, 2
    if name == "millisecond":
        return Decimal(amount) / 1000, 5
    return (Decimal(amount), _PRECISIONS.index(name)) if name in _PRECISIONS else None


def shift(text: str, amount: Decimal, level: int) -> str:
    """Return a date, a date with time or a time, moved by an amount; its precision and offset stay (N1, 6.6.7).

    >>> shift("2025-12-01T09:50:00-03:00", Decimal(15), 4), shift("2024-01-31", Decimal(1), 1)
    ('2025-12-01T10:05:00-03:00', '2024-02-29')

    Raises:
        PathError: not a date, or one that leaves the calendar.
    """
    if level > 1 and _WHOLE.match(text) and amount == amount.to_integral_value():
        # As nearly always: a whole time, moved by whole days, hours, minutes or seconds.
        try:
            moved = datetime.fromisoformat(text) + timedelta(seconds=int(amount) * _SECONDS[level])
        except (ValueError, OverflowError):
            raise PathError("a date that leaves the calendar cannot be moved") from None
        return moved.isoformat()[:19] + text[19:]
    if _TIME.match(text) and not is_date_like(text) and ":" in text:
        return shift(f"2000-01-01T{text.removeprefix('T')}", amount, level).partition("T")[2]
    given = parts(text)
    if given is None:
        raise PathError("a time can only be added to a date")
    *fields, offset = given
    finest = max(n for n, part in enumerate(fields) if part is not None)
    if level < 5 or finest < 5:
        amount = Decimal(int(amount))
    amount, level = _coarser(amount, level, finest)
    try:
        moved = _moved(fields, amount, level)
    except (ValueError, OverflowError):
        raise PathError("a date that leaves the calendar cannot be moved") from None
    return _written(moved, finest, text, offset)


def _coarser(amount: Decimal, level: int, finest: int) -> tuple[Decimal, int]:
    if level == 2 and finest == 0:
        return Decimal(int(amount / _DAYS_A_YEAR)), 0
    while level > finest:
        amount = Decimal(int(amount / _STEPS[level]))
        level -= 1
        if level == 2 and finest == 0:
            return Decimal(int(amount / _DAYS_A_YEAR)), 0
    return amount, level


def _moved(fields: Sequence[Any], amount: Decimal, level: int) -> datetime:
    year, month, day, hour, minute, second = (part or 0 for part in fields)
    whole = int(second)
    start = datetime(year, month or 1, 1, hour, minute, whole, int((second - whole) * 1_000_000), tzinfo=UTC)
    day = day or 1
    if level > 1:
        seconds = _SECONDS[level] * amount
        return start + timedelta(days=day - 1, microseconds=int(seconds * 1_000_000))
    months = start.year * 12 + start.month - 1 + int(amount) * (12 if level == 0 else 1)
    first = start.replace(year=months // 12, month=months % 12 + 1)
    after = first.replace(year=(months + 1) // 12, month=(months + 1) % 12 + 1)
    return first + timedelta(days=min(day, (after - first).days) - 1)


def _written(moved: datetime, finest: int, text: str, offset: str | None) -> str:
    digits = len(match[1]) if (match := re.search(r"\.(\d+)", text)) else 0
    fraction = f".{moved.microsecond:06d}"[: digits + 1] if digits else ""
    shapes = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
    return moved.strftime(shapes[finest]) + fraction + (offset or "")
