"""Telephone numbers: E.164 split into country code, area code and local number, where the plan is certain.

Sources: ITU-T E.164; North American Numbering Plan (area 3, local 7); Brazil, Anatel resolution 749/2022 (2, 8 or 9);
France, Arcep decision 2018-0881 (1, 8); Australia, Telecommunications Numbering Plan 2015 (1, 8).
"""

from __future__ import annotations

import re

# Country code -> (digits of the area code, lengths of the local number). Only plans where every number splits alike;
# in others (Germany, United Kingdom, Argentina, …) the area code's length depends on the place, and we do not guess.
PLANS: dict[str, tuple[int, tuple[int, ...]]] = {"1": (3, (7,)), "33": (1, (8,)), "55": (2, (8, 9)), "61": (1, (8,))}


_MARKS = re.compile(r"[ ().\-/]")
_SPLIT = re.compile(
    "|".join(
        rf"\+({country})([0-9]{{{area}}})([0-9]{{{length}}})"
        for country, (area, lengths) in PLANS.items()
        for length in lengths
    )
)


def split(number: str) -> tuple[str, str, str] | None:
    """Return (country code, area code, local number), or None where that would be a guess.

    >>> split("+55 11 99999-0000"), split("+1 (416) 555-0100"), split("+44 20 7946 0000")
    (('55', '11', '999990000'), ('1', '416', '5550100'), None)
    """
    match = _SPLIT.fullmatch(number) or _SPLIT.fullmatch(_MARKS.sub("", number.removeprefix("tel:")))
    if match is None:
        return None
    country, area, local = filter(None, match.groups())
    return country, area, local
