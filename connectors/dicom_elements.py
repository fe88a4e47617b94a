"""The elements of a data set, walked through as far as is needed to know what came; no other value is read.

Made for data sets of peers that mean harm: nothing is copied, and depth and number of elements have limits.
Source: DICOM PS3.5 7.1 (elements), 7.5 (sequences), 6.2.2 (UN of undefined length).
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from mmap import mmap

from connectors.dicom_syntaxes import EXPLICIT_BE, IMPLICIT_LE

#: Value representations whose length has four bytes, after two that are reserved (PS3.5 7.1.2).
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})

#: Group of the tags that begin and end items, which have no value representation; and the two that end.
_DELIMITERS, _ENDS = 0xFFFE, frozenset({0xFFFEE00D, 0xFFFEE0DD})
_PIXELS = 0x7FE00008
_UNDEFINED = 0xFFFFFFFF
#: Sequences and items in each other, and elements in all, that are walked through at most.
_DEEPEST, _MOST = 64, 100_000


def texts(data: bytes | mmap, transfer_syntax: str, tags: Collection[int], at: int = 0) -> dict[int, str]:
    """Return texts of the data set that begins at `at`, by tag (group << 16 | element); none of those in sequences.

    Reads until all are found, or to the pixels, or to the end.

    Raises:
        ValueError: it is no data set of this transfer syntax; the text holds no value of it.
    """
    found: dict[int, str] = {}
    is_implicit = transfer_syntax == IMPLICIT_LE
    order = ">" if transfer_syntax == EXPLICIT_BE else "<"
    #: Of each sequence and item of undefined length that is open: whether what is around it is implicit.
    around: list[bool] = []
    for _ in range(_MOST):
        if (at == len(data) and not around) or len(found) == len(tags):
            return found
        tag, vr, at, length = _head(data, at, "<" if is_implicit else order, is_implicit=is_implicit)
        if tag >= _PIXELS and not around:
            return found
        if tag in _ENDS:
            is_implicit = around.pop()
        elif length == _UNDEFINED:
            around.append(is_implicit)
            is_implicit = is_implicit or vr == b"UN"
            if len(around) > _DEEPEST:
                raise ValueError("a data set has sequences in sequences without end")
        else:
            if length > len(data) - at:
                raise ValueError("a data set is cut off")
            if tag in tags and not around:
                found[tag] = _text(data[at : at + length])
            at += length
    raise ValueError("a data set has elements without end")


def _head(data: bytes | mmap, at: int, order: str, *, is_implicit: bool) -> tuple[int, bytes, int, int]:
    """Return an element's tag, its value representation where it is written, where its value begins, and its length."""
    try:
        group, element, length = struct.unpack_from(f"{order}HHL", data, at)
        vr = data[at + 4 : at + 6]
        start = at + 8
        if is_implicit or group == _DELIMITERS:
            vr = b""
        elif vr in LONG_VRS:
            start, length = at + 12, struct.unpack_from(f"{order}L", data, at + 8)[0]
        elif vr.isalpha() and vr.isupper():
            length = struct.unpack_from(f"{order}H", data, at + 6)[0]
        else:
            raise ValueError("a data set has an element without a value representation")
    except struct.error:
        raise ValueError("a data set is cut off") from None
    return group << 16 | element, vr, start, length


def _text(value: bytes) -> str:
    try:
        return value.decode("ascii").strip("\0 ")
    except UnicodeDecodeError:
        raise ValueError("a text of a data set is not ASCII") from None
