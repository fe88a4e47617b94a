"""Which prior studies are asked for, read from a Task, and which of those found are meant. Pure: no peers, no store.

A study is the patient's only by identifier and issuer, never by name; what a station says besides must not contradict.
Sources: DICOM PS3.4 C.2.2.2 (matching), C.6.2.1 (Study Root keys); PS3.16 CID 29 (modalities).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from channels.prior_settings import PullPrior
from channels.share_request import is_uid
from channels.task_request import identifier, inputs, one_input, text
from connectors.dicom_base import Match
from messages.problem import Problem

RESULTS = "laboratory-results"
TYPES = ("images", "imaging-reports", RESULTS)
#: The types of which the stations are asked; the others are OmegaAI's FHIR service's.
OF_STATIONS = frozenset({"images", "imaging-reports"})
#: Modalities of series that hold reports rather than images.
REPORTS = frozenset({"SR", "DOC", "KO"})

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorRequest:
    """What is asked for. Values of the message: shown to who may, never logged."""

    #: Patient identifier, its FHIR system, and the issuer by which DICOM calls it.
    patient: str = field(repr=False)
    patient_system: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    #: YYYYMMDD; "" where it is not given.
    birth_date: str = field(default="", repr=False)
    #: Study Instance UID of the study that the priors are for: it is none of them.
    current: str = field(default="", repr=False)
    #: First and last study date, YYYYMMDD; "" is open.
    first: str = ""
    last: str = ""
    modalities: frozenset[str] = frozenset()
    #: Words of which a study's description must hold one.
    words: tuple[str, ...] = ()
    body_parts: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    most: int = 10
    #: Names of the stations to ask; empty: all of the site.
    stations: tuple[str, ...] = ()


def read(task: Mapping[str, Any], settings: PullPrior, today: date) -> PriorRequest:
    """Return what a Task asks for, with the site's defaults.

    Raises:
        ValueError: a number or a date is none; the text is the name of the input.
    """
    months = _number(task, "months-back", settings.months_back)
    first = _date(task, "from") or (_months_before(today, months) if months else "")
    return PriorRequest(
        patient=identifier(task, "for"), patient_system=identifier(task, "for", "system"),
        issuer=text(task, "for", "identifier", "assigner", "display"),
        birth_date=_date(task, "birth-date"),
        current=identifier(task, "focus").removeprefix("urn:oid:"),
        first=first, last=_date(task, "to"),
        modalities=frozenset(value.upper() for value in inputs(task, "modality")),
        words=tuple(value.casefold() for value in inputs(task, "description")),
        body_parts=frozenset(value.upper() for value in inputs(task, "body-part")),
        types=frozenset(inputs(task, "type")) or frozenset({"images"}),
        most=min(_number(task, "maximum", settings.most), settings.most),
        stations=tuple(inputs(task, "station")),
    )  # fmt: skip


def refusals(request: PriorRequest, settings: PullPrior) -> list[Problem]:
    """Return what is wrong with a request, each with its code and cure."""
    return [
        Problem(code=code, text=text_, hint=cure)
        for code, text_, cure, is_wrong in REFUSALS
        if is_wrong(request, settings)
    ]


def _is_served(settings: PullPrior) -> bool:
    return settings.omegaai is not None and settings.results is not None


#: Code, what is wrong, its cure, and when it is so.
REFUSALS: tuple[tuple[str, str, str, Callable[[PriorRequest, PullPrior], bool]], ...] = (
    ("PATIENT_MISSING", "the request names no patient by an identifier", "the sender must give Task.for",
     lambda request, _: not request.patient),
    ("PATIENT_ID_WILDCARD", "the patient's identifier has a character that would match others",
     "the sender must give the identifier itself",
     lambda request, _: re.search(r"[*?\\\x00-\x1f]", request.patient) is not None),
    ("STUDY_INVALID", "the current study is no Study Instance UID", "the sender must correct Task.focus",
     lambda request, _: bool(request.current) and not is_uid(request.current)),
    ("PERIOD_INVALID", "the first day is after the last", "the sender must exchange them",
     lambda request, _: bool(request.first and request.last) and request.first > request.last),
    ("TYPE_UNKNOWN", f"a type is none of {', '.join(TYPES)}", "the sender must correct it",
     lambda request, _: bool(request.types - set(TYPES))),
    ("TYPE_NOT_SERVED", "this site has no way for laboratory results to PowerServer (A-60)",
     "set omegaai: and results: at the station of the pull, or ask for images or imaging-reports",
     lambda request, settings: RESULTS in request.types and not _is_served(settings)),
    ("PATIENT_SYSTEM_MISSING", "the patient's identifier has no system, by which laboratory results are looked for",
     "the sender must give Task.for.identifier.system",
     lambda request, settings: RESULTS in request.types and _is_served(settings) and not request.patient_system),
    ("MAXIMUM_INVALID", "the maximum is below one", "the sender must correct it", lambda request, _: request.most < 1),
    ("STATION_UNKNOWN", "a station is none of those that the site asks for priors",
     "the sender must name one of stations:, or none",
     lambda request, settings: bool(set(request.stations) - set(settings.stations))),
)  # fmt: skip


def keys(request: PriorRequest) -> dict[str, str]:
    """Return the keys of the C-FIND at STUDY level. What stations do not match by is filtered in `is_meant`."""
    period = f"{request.first}-{request.last}" if request.first or request.last else ""
    asked = dict.fromkeys(
        ("IssuerOfPatientID", "PatientBirthDate", "StudyTime", "ModalitiesInStudy", "StudyDescription",
         "StudyInstanceUID", "NumberOfStudyRelatedInstances"), "",
    )  # fmt: skip
    return asked | {"PatientID": request.patient, "StudyDate": period}


def is_meant(study: Match, request: PriorRequest) -> bool:
    """Say whether a study that a station named is one of those asked for."""
    return _is_patients(study, request) and _is_in_period(study, request) and _is_of_kind(study, request)


def _is_patients(study: Match, request: PriorRequest) -> bool:
    issuer, born = study.get("IssuerOfPatientID", "").strip(), study.get("PatientBirthDate", "").strip()
    return (
        study.get("PatientID", "").strip() == request.patient
        and (not issuer or not request.issuer or issuer == request.issuer)
        and (not born or not request.birth_date or born == request.birth_date)
    )


def _is_in_period(study: Match, request: PriorRequest) -> bool:
    at = study.get("StudyDate", "").strip()
    if not at:
        return not (request.first or request.last)
    return (not request.first or at >= request.first) and (not request.last or at <= request.last)


def _is_of_kind(study: Match, request: PriorRequest) -> bool:
    uid = study.get("StudyInstanceUID", "")
    if not is_uid(uid) or uid == request.current:
        return False
    told = {one.strip().upper() for one in study.get("ModalitiesInStudy", "").split("\\") if one.strip()}
    wanted = _modalities(request)
    if wanted and told and not wanted & told:
        return False
    description = study.get("StudyDescription", "").casefold()
    return not request.words or any(word in description for word in request.words)


def newest(studies: Iterable[tuple[str, Match]], most: int) -> list[tuple[str, Match]]:
    """Return (station, study) of the most recent studies, each once: of the station that was asked first."""
    once: dict[str, tuple[str, Match]] = {}
    for station, study in studies:
        once.setdefault(study["StudyInstanceUID"], (station, study))
    ordered = sorted(once.values(), key=lambda one: one[1]["StudyInstanceUID"])
    ordered.sort(key=lambda one: (one[1].get("StudyDate", ""), one[1].get("StudyTime", "")), reverse=True)
    return ordered[:most]


def has_series(series: Sequence[Match], request: PriorRequest) -> bool:
    """Say whether a study has a series of the modalities and body parts asked for; what is not told is not held."""
    wanted = _modalities(request)
    return any(
        (not wanted or one.get("Modality", "").strip().upper() in wanted)
        and (not request.body_parts or one.get("BodyPartExamined", "").strip().upper() in request.body_parts)
        for one in series
    )


def is_for_reports(request: PriorRequest) -> bool:
    """Say whether of studies only imaging reports are asked for."""
    return request.types & OF_STATIONS == {"imaging-reports"}


def _modalities(request: PriorRequest) -> frozenset[str]:
    return request.modalities | (REPORTS if is_for_reports(request) else frozenset())


def _date(task: Mapping[str, Any], name: str) -> str:
    written = one_input(task, name)
    if not written:
        return ""
    if not _DATE.fullmatch(written[:10]):
        raise ValueError(name)
    try:
        return date.fromisoformat(written[:10]).strftime("%Y%m%d")
    except ValueError:
        raise ValueError(name) from None


def _number(task: Mapping[str, Any], name: str, default: int) -> int:
    written = one_input(task, name)
    if not written:
        return default
    if not (written.isascii() and written.isdigit() and len(written) < 6):
        raise ValueError(name)
    return int(written)


def _months_before(today: date, months: int) -> str:
    """Return the same day so many months before, or the last day of that month, as YYYYMMDD.

    >>> _months_before(date(2026, 3, 31), 1), _months_before(date(2026, 1, 5), 12)
    ('20260228', '20250105')
    """
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    for day in range(today.day, 27, -1):
        try:
            return date(year, month + 1, day).strftime("%Y%m%d")
        except ValueError:
            continue
    return date(year, month + 1, min(today.day, 28)).strftime("%Y%m%d")
