"""Identities that we give: message ids and HL7 control ids. Neither holds anything of a patient."""

from __future__ import annotations

import os
import time
from base64 import b32encode

_CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"


_TO_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD)


def _base32(number: int, length: int) -> str:
    """Return the lowest `5 * length` bits in Crockford's alphabet; 160 bits are 32 digits without padding."""
    return b32encode(number.to_bytes(20))[-length:].translate(_TO_CROCKFORD).decode()


def message_id() -> str:
    """Return a ULID: 26 characters, sortable by the millisecond it was made.

    Source: https://github.com/ulid/spec (48 bits of time, 80 of chance, Crockford's base 32).
    """
    return _base32((time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10)), 26)


def control_id() -> str:
    """Return a new MSH-10: 20 characters, the longest that HL7 v2.5.1 allows (ST 20).

    48 bits of time and 52 of chance; kept with the delivery, so that a resend has the same.
    """
    return _base32((time.time_ns() // 1_000_000) << 52 | int.from_bytes(os.urandom(7)) >> 4, 20)
