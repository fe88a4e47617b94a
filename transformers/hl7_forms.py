"""The forms of HL7's primitive data types: DT, DTM, TM, NM, SI. The others may hold any text.

Source: HL7 v2.5.1 chapter 2A.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

#: A function that is true of the texts that pass.
Test = Callable[[str], object]

_DAY = r"(?:0[1-9]|[12]\d|3[01])"
#: Stands before a date, and stops it where only a calendar knows: 29 February, and what no month has.
_IN_ANY_YEAR = r"(?!\d{4}(?:02(?:29|3)|(?:0[469]|11)31))"
_TIME = r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,4})?)?)?"
_OFFSET = r"(?:[+-](?:0\d|1[0-4])[0-5]\d)?"


def _forms(before: str) -> dict[str, Test]:
    # DT: YYYY[MM[DD]]. DTM: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]; neither 24:00 nor a second 60.
    year_and_month = rf"{before}(?!0000)\d{{4}}(?:(?:0[1-9]|1[0-2])(?:"
    patterns = {
        "DT": f"{year_and_month}{_DAY})?)?",
        "DTM": f"{year_and_month}{_DAY}(?:{_TIME})?)?)?{_OFFSET}",
        "TM": f"{_TIME}{_OFFSET}",
        "NM": r"[+-]?(?:\d+\.?\d*|\.\d+)",
        "SI": r"\d{1,4}",
    }
    return {kind: re.compile(pattern, re.ASCII).fullmatch for kind, pattern in patterns.items()}


#: Data type -> test that passes nothing wrong, but not 29 February.
QUICK: Mapping[str, Test] = _forms(_IN_ANY_YEAR)
_SHAPES = _forms("")

#: Data type -> what a text of it is, in words.
WORDS: Mapping[str, str] = {
    "DT": "a date (YYYY, YYYYMM or YYYYMMDD)",
    "DTM": "a time (YYYYMMDDHHMMSS.SSSS+ZZZZ, from the left as far as known)",
    "TM": "a time of day (HHMMSS.SSSS+ZZZZ, from the left as far as known)",
    "NM": "a number with digits and a decimal point",
    "SI": "a number from 0 to 9999",
}


def is_form(kind: str, text: str) -> bool:
    """Return whether a text is a DT, DTM, TM, NM or SI. Days are those of the calendar.

    >>> is_form("DT", "20240229"), is_form("DT", "20250229"), is_form("NM", "1,5")
    (True, False, False)
    """
    if QUICK[kind](text):
        return True
    if kind not in {"DT", "DTM"} or not _SHAPES[kind](text):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return False
    return True
