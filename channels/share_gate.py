"""The eligibility gate of a study share, as a table: every check with its code, what is wrong, and its cure.

A share is refused by every check that does not hold, all at once; nothing is sent before the first part holds, and
nobody is given access before the second. docs/study-share.md is made from these tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from channels.share_link import is_organization, organization_of
from channels.share_request import METHODS, MOST, RECIPIENTS, ShareRequest, is_recipient, is_uid, moment
from channels.share_settings import StudyShare
from connectors.dicom_base import Match
from connectors.share_base import Patient
from messages.problem import Problem

#: PowerServer 6.0 with a patch of this day or later, or 6.7 (Blume Share's prerequisites).
PATCHED = date(2026, 1, 7)
#: Mirth Connect's oldest version for Blume Share.
MIRTH = (4, 4, 2)
#: OmegaAI's workflow statuses at which Blume shows a study.
SHOWN = frozenset({"COMPLETED", "EXAM COMPLETED", "PATIENT ARRIVED", "VERIFIED", "PRIOR", "SIGNED"})
#: Licences of Blume that let a patient see studies.
LICENCES = frozenset({"BPP", "AFD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the checks look at."""

    settings: StudyShare
    request: ShareRequest
    now: float
    #: What PowerServer has of the study; None before it was asked.
    studies: tuple[Match, ...] | None = field(default=None, repr=False)
    #: OmegaAI has the organization; None where it was not asked.
    organization_exists: bool | None = None
    patient: Patient | None = None
    #: Workflow status of the study at OmegaAI; None: not told.
    status: str | None = None
    #: By what the arrival was proven.
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check: it holds, or the share is refused with its code."""

    code: str
    text: str
    cure: str
    holds: Callable[[Facts], bool]


def versions(text: str) -> tuple[int, ...]:
    """Return a version as numbers, so that 4.10 comes after 4.4; () for what is none.

    >>> versions("4.10") > versions("4.4.2"), versions("6.x")
    (True, ())
    """
    parts = text.strip().split(".")
    return tuple(map(int, parts)) if parts and all(p.isascii() and p.isdigit() for p in parts) else ()


def _new_enough(settings: StudyShare) -> bool:
    version = versions(settings.powerserver_version)
    if version >= (6, 7):
        return True
    try:
        return version >= (6, 0) and date.fromisoformat(settings.powerserver_patch) >= PATCHED
    except ValueError:
        return False


def _ends_in_time(facts: Facts) -> bool:
    if not facts.request.expires_at:
        return True
    at = moment(facts.request.expires_at)
    return at is not None and facts.now < at <= facts.now + facts.settings.longest_days * 86400


def _has_a_valid_recipient(request: ShareRequest) -> bool:
    """Say so also where there is no method or no recipient: those have checks of their own."""
    if request.method not in METHODS or not request.recipients:
        return True
    return any(valid(request, *one) for one in request.recipients)


def _same_patient(facts: Facts) -> bool:
    """Say whether the study is of the patient given: by identifier, and by issuer where both sides tell one."""
    request = facts.request
    for study in facts.studies or ():
        issuer = study.get("IssuerOfPatientID", "").strip()
        if study.get("PatientID", "").strip() != request.patient:
            return False
        if issuer and request.issuer and issuer != request.issuer:
            return False
    return True


#: The four site parameters, the prerequisites, the request itself: these need nobody else.
BY_OURSELVES: Sequence[Check] = (
    Check("SHARE_DISABLED", "OmegaAI Share Enabled is not true",
          "set enabled: true at the station of the study share in site.yaml", lambda f: f.settings.enabled),
    Check("SHARE_STATION_MISSING", "OmegaAI Migration Station Name is missing",
          "set migration_station: to the name of OmegaAI's DICOM station",
          lambda f: bool(f.settings.migration_station)),
    Check("SHARE_STATION_UNKNOWN", "OmegaAI Migration Station Name names no DICOM station of the site",
          "add the station, with AE title, host and port, to dicom:, or correct the name",
          lambda f: not f.settings.migration_station or f.settings.migration_station in f.settings.dicom),
    Check("SHARE_VOLUME_MISSING", "OmegaAI Migration Volume ID is missing",
          "set volume: to the volume's id from OmegaAI's maintenance page", lambda f: bool(f.settings.volume)),
    Check("SHARE_URL_MISSING", "OmegaAI Share URL is missing",
          "set share_url: to https://HOST/share-study/ORGANIZATION", lambda f: bool(f.settings.share_url)),
    Check("SHARE_URL_INVALID", "OmegaAI Share URL is not https://HOST/share-study/ORGANIZATION",
          "correct share_url:; nothing may stand behind the organization",
          lambda f: not f.settings.share_url or organization_of(f.settings.share_url) is not None),
    Check("SHARE_URL_OTHER_ORGANIZATION", "OmegaAI Share URL ends in another organization than this site's",
          "share_url: and organization: must name the same organization",
          lambda f: organization_of(f.settings.share_url) in {None, f.settings.organization}),
    Check("SHARE_ORGANIZATION_INVALID", "the site's organization is neither a UUID nor a number",
          "set organization: to OmegaAI's organizationId", lambda f: is_organization(f.settings.organization)),
    Check("SHARE_SSO_MISSING", "single sign-on with Azure AD B2C is not set up",
          "set it up at OmegaAI, then sso: true", lambda f: f.settings.sso),
    Check("SHARE_USERS_NOT_JOINED", "PowerServer's and OmegaAI's users are not integrated",
          "integrate them, then user_integration: true", lambda f: f.settings.user_integration),
    Check("POWERSERVER_TOO_OLD", "PowerServer is older than study share needs: 6.0 patched on 2026-01-07, or 6.7",
          "update it, then powerserver_version: and powerserver_patch:", lambda f: _new_enough(f.settings)),
    Check("MIRTH_TOO_OLD", "PowerServer's Mirth is older than 4.4.2", "update it, then mirth_version:",
          lambda f: versions(f.settings.mirth_version) >= MIRTH),
    Check("REQUESTER_UNKNOWN", "the request does not say who asks for it",
          "the sender must name a requester: Task.requester, or requested_by", lambda f: bool(f.request.requested_by)),
    Check("REQUESTER_NOT_ALLOWED", "the requester may not share studies",
          "add the requester to requesters:, or let somebody else ask",
          lambda f: not f.settings.requesters or f.request.requested_by in f.settings.requesters),
    Check("ORGANIZATION_MISMATCH", "the request is for another organization",
          "the sender must send it to that organization's site",
          lambda f: f.request.organization == f.settings.organization),
    Check("STUDY_INVALID", "the request names no study by its Study Instance UID",
          "the sender must give Task.focus.identifier, or study", lambda f: is_uid(f.request.study_uid)),
    Check("PATIENT_MISSING", "the request names no patient", "the sender must give Task.for, or patient",
          lambda f: bool(f.request.patient)),
    Check("METHOD_UNKNOWN", "the method is none of email-link, blume, copy-link", "the sender must choose one",
          lambda f: f.request.method in METHODS),
    Check("RECIPIENT_MISSING", "there is no recipient", "the sender must give one at least",
          lambda f: bool(f.request.recipients)),
    Check("RECIPIENTS_TOO_MANY", f"there are more than {MOST} recipients", "ask for them in several requests",
          lambda f: len(f.request.recipients) <= MOST),
    Check("RECIPIENT_INVALID", "no recipient is a valid address of its kind",
          "correct the e-mail addresses, or write provider:ID or organization:ID",
          lambda f: _has_a_valid_recipient(f.request)),
    Check("LICENCE_MISSING", "sending to Blume needs the licence BPP or AFD", "license it in Breeze, then licence:",
          lambda f: f.request.method != "blume" or f.settings.licence in LICENCES),
    Check("EXPIRY_INVALID", "the share would end in the past, or later than the site allows",
          "the sender must give a time with offset, within longest_days:", _ends_in_time),
)  # fmt: skip

#: What PowerServer and OmegaAI say, before anything is sent.
BEFORE_TRANSFER: Sequence[Check] = (
    Check("ORGANIZATION_UNKNOWN", "OmegaAI has no such active organization", "create it there, or correct it here",
          lambda f: f.organization_exists is not False),
    Check("STUDY_UNKNOWN", "PowerServer does not have the study", "look for it in PowerServer; then try again",
          lambda f: f.studies is None or len(f.studies) > 0),
    Check("STUDY_OTHER_PATIENT", "the study is of another patient than the request says",
          "the sender must correct patient or study; nothing was sent", _same_patient),
)  # fmt: skip

#: What must hold before anybody is given access.
BEFORE_SHARE: Sequence[Check] = (
    Check("TRANSFER_NOT_VERIFIED", "the arrival of the study is not proven", "try again: it is verified anew",
          lambda f: f.proof is not None),
    Check("CONSENT_DENIED", "the patient's consent denies the sharing", "ask the patient",
          lambda f: f.patient is None or f.patient.consents is not False),
    Check("PATIENT_UNKNOWN", "OmegaAI does not have the patient", "look for the patient there; then try again",
          lambda f: f.request.method != "blume" or f.patient is not None),
    Check("PATIENT_EMAIL_MISSING", "the patient has no e-mail address in OmegaAI", "add it there; then try again",
          lambda f: f.request.method != "blume" or f.patient is None or f.patient.has_email),
    Check("STUDY_NOT_SHOWN", "Blume does not show a study at this step of its workflow",
          "complete the study at OmegaAI; then try again",
          lambda f: f.request.method != "blume" or (f.status or "").upper() in SHOWN),
)  # fmt: skip


def valid(request: ShareRequest, kind: str, address: str) -> bool:
    """Say whether a recipient may be given access by the request's method."""
    return kind in RECIPIENTS.get(request.method, ()) and is_recipient(kind, address)


def refusals(checks: Sequence[Check], facts: Facts) -> list[Problem]:
    """Return a problem for each check that does not hold."""
    return [Problem(code=c.code, text=c.text, hint=c.cure) for c in checks if not c.holds(facts)]
