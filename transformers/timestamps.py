"""FHIR's dates and times as HL7's: date to DT, dateTime and instant to TS, durations in minutes.

Sources: FHIR R4, data types date, dateTime, instant; HL7 v2.5.1 chapter 2A, data types DT, DTM, TS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from transformers.format import FormatContext

_DATE = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?:Z|[+-](?:0\d:[0-5]\d|1[0-3]:[0-5]\d|14:00))",
    re.ASCII,
)

_MINUTE = timedelta(minutes=1)


def hl7_date(value: str) -> str:
    """Return a FHIR `date` as an HL7 DT, keeping its precision: year, month or day.

    >>> hl7_date("1974-12-25"), hl7_date("1974-12"), hl7_date("1974")
    ('19741225', '197412', '1974')

    Raises:
        ValueError: not a FHIR date (a dateTime is not cut short silently), or a day that the calendar does not have.
    """
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("the value is no FHIR date (YYYY, YYYY-MM or YYYY-MM-DD)")
    year, month, day = match.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        raise ValueError("the calendar has no such date") from None
    return value.replace("-", "")


def moment(value: str) -> datetime:
    """Return a FHIR instant, or a dateTime with a time, as an aware datetime.

    Raises:
        ValueError: no offset, a leap second, hour 24, or a day that the calendar does not have.
    """
    if not isinstance(value, str):
        raise ValueError(_NO_TIME)  # noqa: TRY004 - a format's errors are ValueErrors
    return _moment(value)


_NO_TIME = "the value is no FHIR time with seconds and an offset (2025-01-31T12:30:00Z)"


@lru_cache(maxsize=256)
def _moment(text: str) -> datetime:
    """Read one time; a message says the same time more than once."""
    if not _INSTANT.fullmatch(text):
        raise ValueError(_NO_TIME)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("the calendar has no such date") from None


def hl7_timestamp(value: str, zone: str, *, milliseconds: bool = False, offset: bool = True) -> str:
    """Return a FHIR dateTime or instant as an HL7 TS in the local time of `zone`; a date keeps its precision.

    >>> hl7_timestamp("2025-12-01T12:00:00Z", "America/Sao_Paulo"), hl7_timestamp("2025-12", "UTC")
    ('20251201090000-0300', '202512')

    Raises:
        ValueError: as `hl7_date` and `moment`.
    """
    if isinstance(value, str) and "T" not in value:
        return hl7_date(value)
    return local(moment(value), zone, milliseconds=milliseconds, offset=offset)


@lru_cache(maxsize=1024)
def local(instant: datetime, zone: str, *, milliseconds: bool = False, offset: bool = True) -> str:
    """Return an aware datetime as an HL7 TS in the local time of an IANA zone.

    The appointments of a site begin and end at the same few times: those are worked out once.

    Raises:
        ValueError: the zone does not exist, or the local time lies outside the years 1 to 9999.
    """
    try:
        here = instant.astimezone(_zone(zone))
    except OverflowError:
        raise ValueError("the calendar has no such date") from None
    # 2025-12-01T09:00:00.000-03:00, cut where ISO 8601 has marks; two or three times as fast as strftime.
    text = here.isoformat(timespec="milliseconds")
    fraction = text[19:23] if milliseconds else ""
    shift = f"{text[23:26]}{text[27:29]}" if offset else ""
    return f"{text[:4]}{text[5:7]}{text[8:10]}{text[11:13]}{text[14:16]}{text[17:19]}{fraction}{shift}"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError("the time zone is not in the IANA database") from None


def minutes_of(value: Any, at_least: int = 0) -> int:
    """Return how long an Appointment or Period lasts, in whole elapsed minutes (rounded up), raised to `at_least`.

    Appointment.minutesDuration goes before end minus start. A number is taken as minutes.

    Raises:
        ValueError: neither a duration nor a start and an end, or an end that is not after the start.
    """
    if isinstance(value, bool) or not isinstance(value, (int, dict)):
        raise ValueError("the value is no Appointment, Period or number of minutes")  # noqa: TRY004 - a mistake of a message, told as every other
    stated = value if isinstance(value, int) else value.get("minutesDuration")
    if stated is None:
        assert isinstance(value, dict)  # noqa: S101 - for the type checker
        start, end = value.get("start"), value.get("end")
        if not start or not end:
            raise ValueError("there is neither minutesDuration nor both start and end")
        # FHIR's times have offsets and no zones: an hour across a change of daylight saving time is an hour.
        elapsed = moment(end) - moment(start)
        stated = -(-elapsed // _MINUTE)
    if stated <= 0:
        raise ValueError("the end is not after the start")
    return max(int(stated), at_least)


def end_of(value: Any, at_least: int = 0) -> datetime:
    """Return when an Appointment or Period ends: its end, or later where `at_least` minutes ask for it.

    Raises:
        ValueError: no start, or as `minutes_of`.
    """
    if not isinstance(value, dict) or not value.get("start"):
        raise ValueError("there is no start")
    start = moment(value["start"])
    if value.get("end"):
        end = moment(value["end"])
        if end <= start:
            raise ValueError("the end is not after the start")
        return max(end, start + at_least * _MINUTE)
    return start + minutes_of(value, at_least) * _MINUTE


def dates(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[str]:  # noqa: ARG001 - every format takes these
    """The format `date`."""
    return [hl7_date(value) for value in values]


def timestamps(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[str]:
    """The format `timestamp`."""
    return [hl7_timestamp(value, context.zone, **options) for value in values]


def minutes(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[str]:  # noqa: ARG001 - every format takes these
    """The format `minutes`."""
    return [str(minutes_of(value, options.get("at_least", 0))) for value in values]


def ends(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[str]:
    """The format `end`."""
    at_least, milliseconds, offset = (
        options.get("at_least", 0),
        options.get("milliseconds", False),
        options.get("offset", True),
    )
    return [local(end_of(value, at_least), context.zone, milliseconds=milliseconds, offset=offset) for value in values]


#: FHIR R4, value set days-of-week, from Monday.
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def weekdays(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[str]:  # noqa: ARG001 - every format takes these
    """The format `weekday`."""
    return [_DAYS[_here(value, context.zone).weekday()] for value in values]


def times_of_day(values: Sequence[Any], options: Mapping[str, Any], context: FormatContext) -> list[str]:  # noqa: ARG001 - every format takes these
    """The format `time-of-day`."""
    return [_here(value, context.zone).isoformat()[11:19] for value in values]


def _here(value: Any, zone: str) -> datetime:
    """Return a time in the local time of an IANA zone.

    Raises:
        ValueError: as `moment` and `local`.
    """
    try:
        return moment(value).astimezone(_zone(zone))
    except OverflowError:
        raise ValueError("the calendar has no such date") from None
