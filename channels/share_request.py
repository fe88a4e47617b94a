"""What a study share asks for, read from a job's request. Facts of the request are values; no text repeats them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

METHODS = ("email-link", "blume", "copy-link")
#: Method → kinds of recipient that it takes.
RECIPIENTS = {
    "email-link": frozenset({"email", "provider", "organization"}),
    "blume": frozenset({"patient"}),
    "copy-link": frozenset({"link"}),
}
#: Recipients of one request at most.
MOST = 50

# RFC 5321 4.1.2 Mailbox without quoted local parts and address literals; nobody is mailed at those from a form.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.)+[A-Za-z]{{2,63}}")
#: DICOM PS3.5 9.1: at most 64 characters, components without leading zeros.
_UID = re.compile(r"(?=.{1,64}$)(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
_REFERENCE = re.compile(r"[A-Za-z0-9.:/_|-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRequest:
    """A request to share one study. All but `method` are of the message: shown to who may, never logged."""

    #: Gives the job its identity: the same key is the same request.
    key: str = field(repr=False)
    organization: str = field(repr=False)
    study_uid: str = field(repr=False)
    accession: str | None = field(default=None, repr=False)
    #: Patient identifier, its FHIR system, and the issuer by which DICOM calls it.
    patient: str = field(repr=False)
    patient_system: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    method: str
    #: (kind, address) each.
    recipients: tuple[tuple[str, str], ...] = field(repr=False)
    requested_by: str = field(default="", repr=False)
    #: ISO 8601; empty: the site's default.
    expires_at: str = field(default="", repr=False)
    reason: str | None = field(default=None, repr=False)
    #: Id of the Task at OmegaAI that asked for it; progress is written there.
    task: str | None = field(default=None, repr=False)


def read(request: Mapping[str, Any]) -> ShareRequest:
    """Return what a request says; what it lacks is empty, and for the gate to refuse.

    `recipients` is a list of texts: e-mail addresses, or `provider:ID` and `organization:ID`.
    """
    method = _text(request, "method")
    return ShareRequest(
        key=_text(request, "key"), organization=_text(request, "organization"), study_uid=study_uid(request),
        accession=_text(request, "accession") or None, patient=_text(request, "patient"),
        patient_system=_text(request, "patient_system"), issuer=_text(request, "issuer"), method=method,
        recipients=_recipients(request.get("recipients"), method), requested_by=_text(request, "requested_by"),
        expires_at=_text(request, "expires_at"), reason=_text(request, "reason") or None,
        task=_text(request, "task") or None,
    )  # fmt: skip


def study_uid(request: Mapping[str, Any]) -> str:
    """Return the Study Instance UID, without the `urn:oid:` of FHIR."""
    return _text(request, "study").removeprefix("urn:oid:")


def is_uid(text: str) -> bool:
    """Say whether a text is a DICOM UID.

    >>> is_uid("1.2.840.10008"), is_uid("1.02"), is_uid("*")
    (True, False, False)
    """
    return _UID.fullmatch(text) is not None


def is_recipient(kind: str, address: str) -> bool:
    """Say whether an address is one of its kind."""
    if kind == "email":
        return len(address) <= 254 and _EMAIL.fullmatch(address) is not None
    return kind in {"patient", "link"} or _REFERENCE.fullmatch(address) is not None


def moment(text: str) -> float | None:
    """Return an ISO 8601 time with offset, or the end of a day, as seconds since 1970-01-01 UTC; None: neither."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo is not None else None


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    return value.strip() if isinstance(value, str) else ""


def _recipients(given: Any, method: str) -> tuple[tuple[str, str], ...]:
    if method == "blume":
        return (("patient", ""),)
    if method == "copy-link":
        return (("link", ""),)
    texts = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    found = dict.fromkeys(_recipient(text.strip()) for text in texts if isinstance(text, str) and text.strip())
    return tuple(found)


def _recipient(text: str) -> tuple[str, str]:
    kind, colon, rest = text.partition(":")
    if colon and kind in {"provider", "organization", "email"}:
        return kind, rest
    return "email", text.removeprefix("mailto:")
