"""What a study share asks for, read from its Task. Facts of the request are values; no text repeats them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from channels.task_request import identifier, inputs, one_input, text

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


def read(task: Mapping[str, Any]) -> ShareRequest:
    """Return what a FHIR Task asks for; what it lacks is empty, and for the gate to refuse.

    Recipients are e-mail addresses, or `provider:ID` and `organization:ID`.
    """
    method = one_input(task, "method")
    return ShareRequest(
        organization=identifier(task, "owner"), study_uid=study_uid(task),
        accession=one_input(task, "accession") or None,
        patient=identifier(task, "for"), patient_system=identifier(task, "for", "system"),
        issuer=text(task, "for", "identifier", "assigner", "display"), method=method,
        recipients=_recipients(inputs(task, "recipient"), method),
        requested_by=identifier(task, "requester") or text(task, "requester", "display"),
        expires_at=text(task, "restriction", "period", "end"), reason=text(task, "reasonCode", "text") or None,
    )  # fmt: skip


def study_uid(task: Mapping[str, Any]) -> str:
    """Return the Study Instance UID, without the `urn:oid:` of FHIR."""
    return identifier(task, "focus").removeprefix("urn:oid:")


def is_uid(written: str) -> bool:
    """Say whether a text is a DICOM UID.

    >>> is_uid("1.2.840.10008"), is_uid("1.02"), is_uid("*")
    (True, False, False)
    """
    return _UID.fullmatch(written) is not None


def is_recipient(kind: str, address: str) -> bool:
    """Say whether an address is one of its kind."""
    if kind == "email":
        return len(address) <= 254 and _EMAIL.fullmatch(address) is not None
    return kind in {"patient", "link"} or _REFERENCE.fullmatch(address) is not None


def moment(written: str) -> float | None:
    """Return an ISO 8601 time with offset, or the end of a day, as seconds since 1970-01-01 UTC; None: neither."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo is not None else None


def _recipients(given: Sequence[str], method: str) -> tuple[tuple[str, str], ...]:
    if method == "blume":
        return (("patient", ""),)
    if method == "copy-link":
        return (("link", ""),)
    every = [one.strip() for text_ in given for one in text_.split(",")]
    return tuple(dict.fromkeys(_recipient(one) for one in every if one))


def _recipient(given: str) -> tuple[str, str]:
    kind, colon, rest = given.partition(":")
    if colon and kind in {"provider", "organization", "email"}:
        return kind, rest
    return "email", given.removeprefix("mailto:")
