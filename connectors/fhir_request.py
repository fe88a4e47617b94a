"""What the head of an HTTP request to the FHIR door says, or why it is refused. No input, no output.

Sources: RFC 9110 (media types, Accept, Prefer through RFC 7240), RFC 9112 chapter 6 (framing),
FHIR R4 RESTful API 3.1.0.1.11 (content types), draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs

from connectors.fhir_refusals import (
    BODY_TOO_LARGE,
    CONTENT_ENCODING_UNSUPPORTED,
    HTTP_INVALID,
    IDEMPOTENCY_KEY_INVALID,
    MEDIA_TYPE_UNSUPPORTED,
    NOT_ACCEPTABLE,
    TRANSFER_ENCODING_UNSUPPORTED,
    Refusal,
)

#: Header names in lower case, as ASGI gives them; a repeated list header is joined by commas.
Headers = Mapping[bytes, bytes]

FHIR_JSON = b"application/fhir+json; fhirVersion=4.0"
PLAIN_JSON = b"application/json"

_MEDIA_TYPES = frozenset({"application/fhir+json", "application/json"})
_FORMATS = {
    "json": FHIR_JSON,
    "application/fhir+json": FHIR_JSON,
    "application/fhir json": FHIR_JSON,  # an unescaped + in a query is a blank
    "application/json": PLAIN_JSON,
    "text/json": PLAIN_JSON,
}
# Two of these would let two programs read one request differently (request smuggling).
_ONCE_ONLY = frozenset(
    {b"host", b"content-type", b"content-length", b"transfer-encoding", b"content-encoding", b"idempotency-key"}
)
_KEY = re.compile(rb"[\x20-\x7e]{1,200}")
_IDENTITY = b"identity"


@dataclass(frozen=True, slots=True)
class Submission:
    """The head of a POST that may be read further."""

    content_type: str
    #: From Idempotency-Key, with `key:` before it so that no content's own identity can be the same; None without.
    identity: str | None
    #: `Prefer: return=minimal`: the sender wants the status and the Location only.
    minimal: bool


def named(raw: Iterable[tuple[bytes, bytes]], http_version: str) -> Headers | Refusal:
    """Return the headers by name; refuse what lacks Host or says once-only things twice (RFC 9112, 3.2 and 6.3)."""
    pairs = list(raw)
    headers = dict(pairs)
    if len(headers) != len(pairs):
        headers = {}
        for name, value in pairs:
            if name in headers:
                if name in _ONCE_ONLY:
                    return HTTP_INVALID
                headers[name] += b", " + value
            else:
                headers[name] = value
    if b"host" not in headers and http_version == "1.1":
        return HTTP_INVALID
    return headers


def announces_body(raw: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the request says that a body follows its head."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"") for name, value in raw
    )


def read_submission(headers: Headers, http_version: str, max_bytes: int) -> Submission | Refusal:
    """Read the head of a POST, before a single byte of the body is."""
    broken = _framing(headers, http_version, max_bytes)
    if broken is not None:
        return broken
    if headers.get(b"content-encoding", _IDENTITY).lower() != _IDENTITY:
        return CONTENT_ENCODING_UNSUPPORTED
    content_type = headers.get(b"content-type", b"")
    if not is_fhir_json(content_type):
        return MEDIA_TYPE_UNSUPPORTED
    key = headers.get(b"idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        return IDEMPOTENCY_KEY_INVALID
    return Submission(
        content_type=content_type.decode("latin-1"),
        identity=None if key is None else f"key:{key.decode('ascii')}",
        minimal=b"return=minimal" in headers.get(b"prefer", b"").lower(),
    )


def _framing(headers: Headers, http_version: str, max_bytes: int) -> Refusal | None:
    """How long the body is must be beyond doubt (RFC 9112, 6.1 and 6.3); both ways at once the parser has refused."""
    if b"transfer-encoding" in headers:
        if http_version == "1.0":
            return HTTP_INVALID
        return None if headers[b"transfer-encoding"].lower() == b"chunked" else TRANSFER_ENCODING_UNSUPPORTED
    return BODY_TOO_LARGE if int(headers.get(b"content-length", b"0")) > max_bytes else None


# The caches hold a few header values each: senders repeat themselves, and a hostile one cannot make them grow.
@lru_cache(maxsize=64)
def is_fhir_json(content_type: bytes) -> bool:
    """Whether a Content-Type is one that we read.

    >>> is_fhir_json(b"application/fhir+json; fhirVersion=4.0; charset=UTF-8"), is_fhir_json(b"text/plain")
    (True, False)
    """
    media_type, parameters = _split(content_type.decode("latin-1"))
    return media_type in _MEDIA_TYPES and all(
        (name == "charset" and value.lower() in {"utf-8", "utf8"}) or (name == "fhirversion" and value == "4.0")
        for name, value in parameters
    )


@lru_cache(maxsize=64)
def answer_type(accept: bytes | None, query: bytes) -> bytes | Refusal:
    """Return the Content-Type to answer with, as `Accept` or the query's `_format` ask.

    The most specific range decides (RFC 9110, 12.5.1); a plain JSON type is answered with itself (FHIR R4, 3.1.0.1.11).
    """
    wanted = parse_qs(query.decode("latin-1")).get("_format") if b"_format" in query else None
    if wanted:
        return _FORMATS.get(_split(wanted[-1])[0], NOT_ACCEPTABLE)
    if accept is None:
        return FHIR_JSON
    qualities: dict[str, float] = {}
    for part in accept.decode("latin-1").split(","):
        media_range, parameters = _split(part)
        given = dict(parameters)
        if given.get("fhirversion", "4.0") == "4.0":
            qualities[media_range] = _quality(given.get("q", "1"))
    everything = qualities.get("application/*", qualities.get("*/*", 0.0))
    fhir = qualities.get("application/fhir+json", everything)
    plain = qualities.get("application/json", everything)
    if max(fhir, plain) <= 0:
        return NOT_ACCEPTABLE
    return FHIR_JSON if fhir >= plain else PLAIN_JSON


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    media_type, *rest = text.split(";")
    pairs = (part.partition("=") for part in rest if part.strip())
    return media_type.strip().lower(), [(name.strip().lower(), value.strip().strip('"')) for name, _, value in pairs]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
