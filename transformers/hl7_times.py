"""HL7's dates and times as FHIR's: TS, DTM and DT to instant, dateTime and date.

Sources: HL7 v2.5.1 chapter 2A, DTM and TS; FHIR R4, data types instant, dateTime, date; PEP 495 (fold).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

_DTM = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)(?:(?P<hour>\d\d)(?P<minute>\d\d)"
    r"(?:(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?)?)?)?(?P<offset>[+-]\d{4})?",
    re.ASCII,
)


class NoSuchTime(ValueError):
    """A local time that the zone's clocks skip; its code is TIME_NONEXISTENT."""

    code = "TIME_NONEXISTENT"

    def __init__(self) -> None:
        super().__init__("the clocks of the zone skip this local time, and no offset is given")


def instant(text: str, zone: str) -> str:
    """Return an HL7 time, minutes at least, as a FHIR instant.

    A time without offset is of the zone; of the two times that clocks show twice it is the earlier one.

    >>> instant("20251201090000-0300", "UTC"), instant("202507011200", "America/Toronto")
    ('2025-12-01T09:00:00-03:00', '2025-07-01T12:00:00-04:00')

    Raises:
        NoSuchTime: the clocks skip it.
        ValueError: no HL7 time, not precise enough, or not in the calendar.
    """
    match = _matched(text)
    if match["hour"] is None:
        raise ValueError("the value has no time of day")
    fraction = (match["fraction"] or "")[:6].ljust(6, "0")
    numbers = [int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    try:
        local = datetime(*numbers, microsecond=int(fraction), tzinfo=_offset(match["offset"]))  # type: ignore[misc,arg-type]
    except ValueError:
        raise ValueError("the calendar has no such time") from None
    if local.tzinfo is None:
        local = local.replace(tzinfo=_zone(zone))
        if local.astimezone(UTC).astimezone(_zone(zone)).replace(tzinfo=None) != local.replace(tzinfo=None):
            raise NoSuchTime
    return local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")


def later(text: str, minutes: int, zone: str) -> str:
    """Return an instant some elapsed minutes later, in the offset that the zone then has if the first was the zone's.

    >>> later("2025-11-02T01:30:00-04:00", 60, "America/Toronto"), later("2025-12-01T09:00:00-03:00", 60, "UTC")
    ('2025-11-02T01:30:00-05:00', '2025-12-01T10:00:00-03:00')
    """
    start = datetime.fromisoformat(text)
    end = start.astimezone(UTC) + timedelta(minutes=minutes)
    is_local = start.astimezone(_zone(zone)).utcoffset() == start.utcoffset()
    return end.astimezone(_zone(zone) if is_local else start.tzinfo).isoformat()


def date_of(text: str) -> str:
    """Return the day, month or year of an HL7 time as a FHIR date; the time of day is left away.

    >>> date_of("19800102"), date_of("198001"), date_of("198001021530")
    ('1980-01-02', '1980-01', '1980-01-02')

    Raises:
        ValueError: no HL7 time, or not in the calendar.
    """
    match = _matched(text)
    parts = [match[name] for name in ("year", "month", "day") if match[name]]
    try:
        date(int(parts[0]), *(int(part) for part in [*parts[1:], "1", "1"][:2]))
    except ValueError:
        raise ValueError("the calendar has no such date") from None
    return "-".join(parts)


def date_time(text: str, zone: str) -> str:
    """Return an HL7 time as a FHIR dateTime of the same precision; raises as `instant` and `date_of`."""
    return instant(text, zone) if _matched(text)["hour"] else date_of(text)


def _matched(text: str) -> re.Match[str]:
    match = _DTM.fullmatch(text)
    if match is None:
        raise ValueError("the value is no HL7 time (YYYYMMDDHHMMSS+ZZZZ)")
    return match


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if int(text[1:3]) > 14 or int(text[3:]) > 59:
        raise ValueError("no such offset")
    shift = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    return timezone(-shift if text[0] == "-" else shift)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
