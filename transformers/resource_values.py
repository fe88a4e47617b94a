"""Values of bookable resources, brought to one form: minutes, clock times, weekly hours, yes and no, names.

OmegaAI writes a duration as `01:00`, PowerServer as `60`; OmegaAI has hours for each weekday, PowerServer one pair on
a 12-hour clock for every open day. What cannot be read is None, and is never equal to anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from messages.resource import Side, Value

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: The whole week, where a side has one pair of times for every open day.
EVERY_DAY = "every day"

#: day → [start, end] in HH:MM; an end at midnight is 24:00.
Hours = dict[str, list[str]]

_CLOCK = re.compile(r"(\d{1,2}):?(\d{2})(?::(\d{2})(?:\.0+)?)?\s*([ap])?\.?(?:m\.?)?", re.IGNORECASE)
_MINUTES = re.compile(r"(\d{1,4})(?:\.0+)?\s*(?:m|min|mins|minutes?)?\.?", re.IGNORECASE)
_YES = frozenset({"true", "yes", "y", "1", "on", "a", "active", "sim", "s"})
_NO = frozenset({"false", "no", "n", "0", "off", "i", "inactive", "não", "nao"})


def name(text: str) -> str:
    r"""Return a name as it is compared: in Unicode NFC, and nothing else changed.

    >>> name("Resona\u0302ncia") == "Reson\u00e2ncia", name("BLUME  CT ")
    (True, 'BLUME  CT ')
    """
    return unicodedata.normalize("NFC", text)


def minutes(text: str) -> int | None:
    """Return a duration in minutes, from `HH:MM` or a number of minutes.

    >>> minutes("01:00"), minutes("60"), minutes("30 min"), minutes("an hour")
    (60, 60, 30, None)
    """
    text = text.strip()
    if ":" in text:
        found = _CLOCK.fullmatch(text)
        if found is None or found[4] or int(found[2]) > 59:
            return None
        return int(found[1]) * 60 + int(found[2])
    whole = _MINUTES.fullmatch(text)
    return int(whole[1]) if whole else None


def clock(text: str) -> str | None:
    """Return a time of day as HH:MM, from a 12-hour or 24-hour clock, or an HL7 TM.

    >>> clock("10:59 PM"), clock("8:00 AM"), clock("12:00 am"), clock("23:00:00"), clock("0800"), clock("25:00")
    ('22:59', '08:00', '00:00', '23:00', '08:00', None)
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, half = int(found[1]), int(found[2]), (found[4] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        return None
    return f"{hour:02}:{minute:02}"


def pair(start: str, end: str) -> list[str] | None:
    """Return a start and an end as HH:MM; an end at midnight is 24:00. None: one cannot be read, or they are turned.

    >>> pair("8:00 AM", "11:00 PM"), pair("00:00", "00:00"), pair("9:00", "8:00")
    (['08:00', '23:00'], ['00:00', '24:00'], None)
    """
    begins, ends = clock(start), clock(end)
    if begins is None or ends is None:
        return None
    ends = "24:00" if ends == "00:00" else ends
    return [begins, ends] if begins < ends else None


def yes_no(text: str) -> bool | None:
    """Return a yes or a no as a side writes it.

    >>> yes_no("true"), yes_no("N"), yes_no("A"), yes_no("perhaps")
    (True, False, True, None)
    """
    word = text.strip().casefold()
    return True if word in _YES else False if word in _NO else None


def week(available: Iterable[Mapping[str, Any]]) -> Hours | None:
    """Return the hours of `HealthcareService.availableTime`; several times of a day become one from first to last.

    A day that no line names is closed. None: a line has days or times that cannot be read.
    Source: FHIR R4 healthcareservice.html (availableTime; allDay instead of times).
    """
    found: Hours = {}
    for line in available:
        times = ["00:00", "24:00"] if line.get("allDay") is True else None
        if times is None:
            times = pair(str(line.get("availableStartTime", "")), str(line.get("availableEndTime", "")))
        if times is None:
            return None
        for day in line.get("daysOfWeek") or DAYS:
            if day not in DAYS:
                return None
            known = found.get(day, times)
            found[day] = [min(known[0], times[0]), max(known[1], times[1])]
    return {day: found[day] for day in DAYS if day in found}


def shown_hours(hours: Hours) -> str:
    """Return hours for people, days that are alike together.

    >>> shown_hours({"mon": ["08:00", "23:00"], "tue": ["08:00", "23:00"], "thu": ["09:00", "12:00"]})
    'mon-tue 08:00-23:00, thu 09:00-12:00'
    """
    return ", ".join(
        f"{days_shown([day for day in DAYS if hours.get(day) == times])} {times[0]}-{times[1]}"
        for times in unique(hours[day] for day in DAYS if day in hours)
    ) or (f"{EVERY_DAY} {hours[EVERY_DAY][0]}-{hours[EVERY_DAY][1]}" if EVERY_DAY in hours else "closed")


def unique(items: Iterable[list[str]]) -> list[list[str]]:
    """Return each item once, in the order in which they come."""
    found: list[list[str]] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def days_shown(days: list[str]) -> str:
    """Return days for people.

    >>> days_shown(["mon", "tue", "wed", "fri"]), days_shown(["sun"])
    ('mon-wed fri', 'sun')
    """
    runs: list[list[str]] = []
    for day in days:
        if runs and DAYS.index(runs[-1][-1]) + 1 == DAYS.index(day):
            runs[-1].append(day)
        else:
            runs.append([day])
    return " ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def twelve_hour(text: str) -> str:
    """Return HH:MM on a 12-hour clock, as PowerServer shows it.

    >>> twelve_hour("22:59"), twelve_hour("08:00"), twelve_hour("24:00")
    ('10:59 PM', '8:00 AM', '12:00 AM')
    """
    hour, minute = int(text[:2]) % 24, text[3:]
    return f"{hour % 12 or 12}:{minute} {'PM' if hour >= 12 else 'AM'}"


#: How a field's text is read, by the word of `as:`; hours have forms of their own.
READERS: Mapping[str, Callable[[str], Any]] = {
    "text": name,
    "minutes": minutes,
    "yes_no": yes_no,
}


def value(kind: str, raw: str, groups: Mapping[str, str]) -> Value:
    """Return a value of a field; `groups` gives the group of a modality that has one."""
    if kind == "modality":
        code = raw.strip().upper()
        return Value(raw, groups.get(code, code))
    return Value(raw, READERS[kind](raw))


def shown(kind: str, normal: Any) -> str:
    """Return a value as it was compared, for people; "" where it could not be read.

    >>> shown("minutes", 60), shown("yes_no", False), shown("text", "R1"), shown("minutes", None)
    ('60', 'no', 'R1', '')
    """
    if normal is None:
        return ""
    if kind == "hours":
        return shown_hours(normal)
    return ("yes" if normal else "no") if kind == "yes_no" else str(normal)


def written(kind: str, normal: Any, side: Side) -> str:
    """Return a value as a person types it on a side.

    >>> written("minutes", 90, "omegaai"), written("minutes", 90, "powerserver")
    ('01:30', '90')
    >>> written("hours", {"mon": ["08:00", "23:00"]}, "powerserver")
    'mon 8:00 AM to 11:00 PM'
    """
    if kind == "minutes" and side == "omegaai" and normal is not None:
        return f"{normal // 60:02}:{normal % 60:02}"
    if kind == "hours" and side == "powerserver" and normal:
        return ", ".join(
            f"{days_shown([day for day in DAYS if normal.get(day) == times])} "
            f"{twelve_hour(times[0])} to {twelve_hour(times[1])}"
            for times in unique(normal[day] for day in DAYS if day in normal)
        ) or shown(kind, normal)
    return shown(kind, normal)
