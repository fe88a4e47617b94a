"""The data elements of DICOM by keyword and tag, from pydicom's dictionary (PS3.6 chapter 6). For the check only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.config import RAISE
from pydicom.datadict import keyword_dict
from pydicom.valuerep import validate_value

#: `(0010,0010)` or `00100010`.
_TAG = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)|([0-9A-Fa-f]{8})")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One data element."""

    tag: int
    keyword: str
    name: str
    #: The representation that is written: of `US or SS` the first.
    vr: str
    #: Most values; None for any number (`1-n`).
    most: int | None
    retired: bool

    @property
    def shown(self) -> str:
        """`(0010,0010)`."""
        return f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"


def attribute(text: str) -> Attribute | None:
    """Return the element of a keyword or a tag; None for one that the dictionary does not have.

    >>> attribute("PatientName").shown, attribute("(0010,0010)").keyword, attribute("00400100").vr
    ('(0010,0010)', 'PatientName', 'SQ')
    """
    match = _TAG.fullmatch(text)
    tag = int(match[3] or match[1] + match[2], 16) if match else keyword_dict.get(text, -1)
    return _of(tag) if tag in DicomDictionary else None


@cache
def _of(tag: int) -> Attribute:
    vr, multiplicity, name, retired, keyword = DicomDictionary[tag]
    most = re.fullmatch(r"(?:\d+-)?(\d+)", multiplicity)
    return Attribute(tag, keyword, name, vr.split(" ")[0], int(most[1]) if most else None, bool(retired))


def nearest(text: str) -> str | None:
    """Return the keyword that a wrong one may have meant."""
    small = _small()
    found = get_close_matches(text.lower(), small, 1, 0.75)
    return small[found[0]] if found else None


@cache
def _small() -> dict[str, str]:
    return {keyword.lower(): keyword for keyword in keyword_dict}


#: Whole numbers that are written as bytes, not as text.
_WHOLE = frozenset({"US", "SS", "UL", "SL", "UV", "SV"})


def fits(vr: str, text: str) -> bool:
    """Say whether a text is a value of a representation (PS3.5, 6.2).

    >>> fits("DA", "20251201"), fits("DA", "2025-12-01"), fits("CS", "ct")
    (True, False, False)
    """
    try:
        validate_value(vr, int(text) if vr in _WHOLE else text, RAISE)
    except (ValueError, TypeError):
        return False
    return True


def listed(keywords: Iterable[str]) -> list[Attribute]:
    """Return the elements of keywords that the dictionary is known to have."""
    return [found for keyword in keywords if (found := attribute(keyword)) is not None]
