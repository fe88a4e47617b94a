"""HL7's names of character sets, and how bytes are read when a sender's MSH-18 does not keep its word.

Source: HL7 v2.5.1 chapter 2, 2.15.9.18 (MSH-18) and table 0211; aliases as real senders write them.
"""

from __future__ import annotations

# HL7 table 0211, alternate character sets, and aliases seen in the field -> Python's codec.
# UTF-16 and UTF-32 are left out: their bytes collide with the MLLP frame (0x0B, 0x1C).
CODECS: dict[str, str] = {
    "ASCII": "ascii",
    "8859/1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE UTF-8": "utf-8",
    "BIG-5": "big5",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    # Aliases that are in no table and in many messages.
    "": "ascii",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "US-ASCII": "ascii",
    "8859-1": "iso8859-1",
    "ISO-8859-1": "iso8859-1",
    "ISO 8859-1": "iso8859-1",
    "ISO8859-1": "iso8859-1",
    "ISO IR100": "iso8859-1",
    "ISO-8859-15": "iso8859-15",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}


def codec(name: str) -> str | None:
    """Return Python's codec for an MSH-18 value; None when we do not know the name. Empty means ASCII.

    >>> codec("UNICODE UTF-8"), codec("8859/1"), codec("utf8"), codec("EBCDIC")
    ('utf-8', 'iso8859-1', 'utf-8', None)
    """
    return CODECS.get(name.strip().upper())


def decode(data: bytes, declared: str) -> tuple[str, str, str | None]:
    """Return (text, codec used, warning or None) for bytes whose MSH-18 says `declared`.

    Tried in this order, each strictly: the declared set, UTF-8, CP1252; Latin-1, which takes every byte, comes last.
    No byte is ever lost or replaced by a question mark.
    """
    expected = codec(declared)
    attempts = [expected] if expected else []
    attempts += ["utf-8", "cp1252", "iso8859-1"]
    for attempt in attempts:
        try:
            text = data.decode(attempt)
        except UnicodeDecodeError:
            continue
        if attempt == expected:
            return text, attempt, None
        if expected is None:
            return text, attempt, f"MSH-18 names no character set of HL7 table 0211; the message is read as {attempt}"
        said = "is empty (ASCII)" if not declared.strip() else f"says {expected}"
        return text, attempt, f"MSH-18 {said}, but the bytes are not; the message is read as {attempt}"
    raise AssertionError("Latin-1 reads every byte")
