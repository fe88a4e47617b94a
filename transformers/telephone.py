"""Telephone numbers: E.164 split into country code, area code and local number, where the plan is certain.

Sources: ITU-T E.164; North American Numbering Plan (area 3, local 7); Brazil, Anatel resolution 749/2022 (2, 8 or 9);
France, Arcep decision 2018-0881 (1, 8); Australia, Telecommunications Numbering Plan 2015 (1, 8).
"""

from __future__ import annotations

import re

# Country code -> (digits of the area code, lengths of the local number). Only plans where every number splits alike;
# in others (Germany, United Kingdom, Argentina, …) the area code's length depends on the place, and we do not guess.
PLANS: dict[str, tuple[int, tuple[int, ...]]] = {"1": (3, (7,)), "33": (1, (8,)), "55": (2, (8, 9)), "61": (1, (8,))}


def split(number: str) -> tuple[str, str, str] | None:
    """Return (country code, area code, local number), or None where that would be a guess.

    >>> split("+55 11 99999-0000"), split("+1 (416) 555-0100"), split("+44 20 7946 0000")
    (('55', '11', '999990000'), ('1', '416', '5550100'), None)
    """
    digits = re.sub(r"[ ().\-/]", "", number.removeprefix("tel:"))
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", digits):
        return None
    for country, (area, local) in PLANS.items():
        rest = digits[1:].removeprefix(country)
        if digits[1:].startswith(country) and len(rest) - area in local:
            return country, rest[:area], rest[area:]
    return None
