"""What stands for keys and identities in the store, so that their values need not."""

from __future__ import annotations

import hashlib


def fingerprint(*parts: str | bytes) -> bytes:
    """Return 16 bytes that stand for the parts: keys of lanes and identities are kept as these."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.digest()
