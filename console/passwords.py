"""Passwords (argon2id) and one-time codes (TOTP). Pure: nothing is stored or asked here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from urllib.parse import quote, urlencode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

#: 64 MiB, 3 passes, 4 lanes: the second recommended choice of RFC 9106 4; OWASP's floor is 19 MiB.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, type=Type.ID)
#: Hashes at once: each takes 64 MiB while it is made.
_AT_ONCE = threading.BoundedSemaphore(2)

#: Characters of a password: at least (NIST SP 800-63B 5.1.1.1), and at most, so that a hash has an end.
SHORTEST, LONGEST = 12, 256

#: Seconds of a time step, digits of a code, and the hash: what every authenticator app knows (RFC 6238 1.2, 4).
STEP, DIGITS = 30, 6
#: Time steps before and after now that count: clocks differ (RFC 6238 5.2 advises one).
DRIFT = 1

#: Letters of a first password: none that is taken for another.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """Return a password to be printed once and changed at the first sign-in: 20 letters, 100 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def hashed(password: str) -> str:
    """Return the hash of a password, with its salt and costs in it."""
    with _AT_ONCE:
        return _HASHER.hash(password)


#: What an unknown name is held against, so that it takes as long as a known one.
_NOBODY: list[str] = []


def is_right(stored: str | None, password: str) -> bool:
    """Tell whether a password is the one of the hash; None: the account is unknown, which takes as long."""
    if stored is None and not _NOBODY:
        _NOBODY.append(hashed(secrets.token_hex(16)))
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored or _NOBODY[0], password[:LONGEST]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def is_fit(password: str, name: str) -> bool:
    """Tell whether a person may choose this password."""
    return SHORTEST <= len(password) <= LONGEST and name.casefold() not in password.casefold()


# -- one-time codes -------------------------------------------------------------------------------------------


def new_key() -> bytes:
    """Return a key for one-time codes: 160 bits (RFC 4226 4, R6)."""
    return secrets.token_bytes(20)


def code(key: bytes, step: int) -> str:
    """Return the code of a time step (RFC 6238; RFC 4226 5.3).

    >>> code(b"12345678901234567890", 1111111109 // 30)
    '081804'
    """
    digest = hmac.digest(key, step.to_bytes(8), hashlib.sha1)
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


def step_of(key: bytes, given: str, now: float, used: int) -> int | None:
    """Return the time step that a code belongs to; None when it is wrong, too old, or was used already."""
    given = given.replace(" ", "")
    this = int(now // STEP)
    found = [step for step in range(this - DRIFT, this + DRIFT + 1) if _same(code(key, step), given)]
    return next((step for step in found if step > used), None)


def _same(code: str, given: str) -> bool:
    return hmac.compare_digest(code.encode(), given.encode())


def key_address(key: bytes, name: str, site: str) -> str:
    """Return the otpauth:// address that an authenticator app reads, mostly from a QR code."""
    query = urlencode({"secret": key_text(key), "issuer": site, "digits": DIGITS, "period": STEP}, quote_via=quote)
    return f"otpauth://totp/{quote(site)}:{quote(name)}?{query}"


def key_text(key: bytes) -> str:
    """Return a key as it is typed into an authenticator app.

    >>> key_text(b"12345678901234567890")
    'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
    """
    return base64.b32encode(key).decode()
