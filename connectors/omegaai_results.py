"""Laboratory results of one patient, as OmegaAI's FHIR service has them: reports with their observations.

Nothing unfinished or withdrawn is taken, nothing of another patient, and no report whose parts cannot all be read.
Source: FHIR R4 diagnosticreport.html, observation.html (category, status, effective[x], result, hasMember).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.fhir_client import FhirClient
from connectors.fhir_merge import dumps
from connectors.fhir_read import read_all
from connectors.share_base import Result, WantedResults

#: Statuses of what is finished, corrections included (FHIR R4 diagnostic-report-status, observation-status).
FINISHED = frozenset({"final", "amended", "corrected", "appended"})

_Resources = dict[str, dict[str, Any]]


async def read_results(client: FhirClient, base: str, patient: dict[str, Any], wanted: WantedResults) -> list[Result]:
    """Return the results of a patient (FHIR's resource) within the days that are wanted, newest first.

    Raises:
        OSError: OmegaAI cannot be asked, or does not answer whole.
    """
    born = str(patient.get("birthDate", "")).replace("-", "")
    if born and wanted.birth_date and born != wanted.birth_date:
        return []
    of = f"Patient/{patient['id']}"
    reports = await _read(client, base, "DiagnosticReport", [("patient", of), ("category", wanted.report_category)])
    known = await _read(client, base, "Observation", [("patient", of), ("category", wanted.observation_category)])
    reports, known = _of(of, base, reports), _of(of, base, known)
    await _complete(client, base, reports, known)
    in_reports = {name for report in reports.values() for name in _parts(report, known, base)}
    in_panels = {name for one in known.values() for name in _named(one, "hasMember", base)}
    alone = {name: one for name, one in known.items() if name not in in_reports | in_panels}
    found = [
        Result(name=name, at=day(one), bundle=_bundle(one, patient, known, base))
        for name, one in (reports | alone).items()
        if one.get("status") in FINISHED and _is_within(day(one), wanted)
    ]
    found.sort(key=lambda result: result.name)
    return sorted(found, key=lambda result: result.at, reverse=True)


def day(resource: Mapping[str, Any]) -> str:
    """Return the day of a result, YYYYMMDD: when the patient was looked at, else when it was issued; "" for neither.

    >>> day({"effectivePeriod": {"start": "2025-03-01T08:00:00Z"}}), day({"issued": "2025-03-02T08:00:00Z"}), day({})
    ('20250301', '20250302', '')
    """
    period = resource.get("effectivePeriod")
    start = period.get("start") if isinstance(period, dict) else None
    at = resource.get("effectiveDateTime") or resource.get("effectiveInstant") or start or resource.get("issued") or ""
    written = str(at)[:10].replace("-", "")
    return written if len(written) == 8 and written.isdigit() else ""


def _is_within(at: str, wanted: WantedResults) -> bool:
    if not at:
        return not (wanted.first or wanted.last)
    return (not wanted.first or at >= wanted.first) and (not wanted.last or at <= wanted.last)


async def _read(client: FhirClient, base: str, kind: str, criteria: Sequence[tuple[str, str]]) -> _Resources:
    return {f"{kind}/{one['id']}": one async for one in read_all(client, base, kind, criteria)}


async def _complete(client: FhirClient, base: str, reports: _Resources, known: _Resources) -> None:
    """Read the observations that reports and panels name, and the search by category did not find."""
    while True:
        named = {name for one in (*reports.values(), *known.values()) for name in _parts(one, known, base)}
        lacking = sorted(name.partition("/")[2] for name in named - known.keys() if name.startswith("Observation/"))
        more = await _read(client, base, "Observation", [("_id", ",".join(lacking))]) if lacking else {}
        if not more.keys() - known.keys():
            return
        known |= more


def _of(patient: str, base: str, resources: _Resources) -> _Resources:
    """Leave out what a server gave that did not look at `patient`."""
    return {name: one for name, one in resources.items() if _local(one.get("subject"), base) == patient}


def _parts(resource: Mapping[str, Any], known: _Resources, base: str) -> list[str]:
    """Return the names of a result's observations, those of its panels included, each once."""
    ahead = [*_named(resource, "result", base), *_named(resource, "hasMember", base)]
    found: dict[str, None] = {}
    while ahead:
        name = ahead.pop(0)
        if name not in found:
            found[name] = None
            ahead += _named(known.get(name, {}), "hasMember", base)
    return list(found)


def _named(resource: Mapping[str, Any], element: str, base: str) -> list[str]:
    held = resource.get(element)
    names = (_local(one, base) for one in held) if isinstance(held, list) else ()
    return [name for name in names if name and not name.startswith("#")]


def _local(reference: object, base: str) -> str:
    """Return `Type/id` of a reference to the same server; "" for none."""
    written = reference.get("reference") if isinstance(reference, dict) else None
    return str(written).removeprefix(f"{base}/").partition("/_history/")[0] if isinstance(written, str) else ""


def _bundle(resource: dict[str, Any], patient: dict[str, Any], known: _Resources, base: str) -> bytes | None:
    names = _parts(resource, known, base)
    of = f"Patient/{patient['id']}"
    if any(name not in known or _local(known[name].get("subject"), base) != of for name in names):
        return None
    every = [resource, *(known[name] for name in names), patient]
    named = [(f"{one['resourceType']}/{one['id']}", one) for one in every]
    entries = [
        {"fullUrl": f"{base}/{name}", "resource": one, "request": {"method": "PUT", "url": name}} for name, one in named
    ]
    return dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
