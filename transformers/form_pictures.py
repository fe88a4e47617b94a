"""Pictures that a patient attached: what they are and how large, from their first bytes; nothing is decoded here.

Only PNG and JPEG: other formats may hold scripts (SVG) or are not shown by every viewer. Sources: PNG (ISO/IEC 15948,
11.2.2 IHDR), JPEG (ITU-T T.81, B.2.2 frame header).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from transformers.form_model import Picture

#: Bytes that one picture may have.
MAX_BYTES = 8 * 1024 * 1024
#: Points that a picture may have. A PNG is unpacked while the page is made, a JPEG goes in as it is.
MAX_POINTS = {"image/png": 6_000_000, "image/jpeg": 64_000_000}
_PNG = b"\x89PNG\r\n\x1a\n"


class Unusable(ValueError):
    """The picture cannot be shown; the text says why."""


def picture(attachment: Mapping[str, Any]) -> Picture:
    """Return the picture of a FHIR Attachment.

    Raises:
        Unusable: no data, another format than PNG or JPEG, too large.
    """
    if not isinstance(attachment.get("data"), str):
        raise Unusable("the attachment has no data in the message")
    if len(attachment["data"]) > MAX_BYTES * 4 // 3 + 4:
        raise Unusable(f"the picture has more than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        data = base64.b64decode("".join(attachment["data"].split()), validate=True)
    except binascii.Error:
        raise Unusable("the attachment is not base64") from None
    mime, size = _png_size(data) or _jpeg_size(data) or ("", (0, 0))
    if not mime:
        raise Unusable("the attachment is neither PNG nor JPEG")
    if not 0 < size[0] * size[1] <= MAX_POINTS[mime]:
        raise Unusable(f"the picture is larger than {MAX_POINTS[mime] // 1_000_000} million points")
    return Picture(mime=mime, data=data, width=size[0], height=size[1])


def _png_size(data: bytes) -> tuple[str, tuple[int, int]] | None:
    if not data.startswith(_PNG) or data[12:16] != b"IHDR":
        return None
    return "image/png", (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))


def _jpeg_size(data: bytes) -> tuple[str, tuple[int, int]] | None:
    """Return the size in the frame header (SOFn), walking from marker to marker."""
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return "image/jpeg", (int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7]))
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
