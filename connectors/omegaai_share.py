"""OmegaAI's FHIR service as study shares use it: organization, patient, study; the share itself; the Task's progress.

No identifier stands in an address: resources are found by POST _search, and a share is a Task whose body says who is to
see what (A-43: the vendor's own call is not public). `If-None-Exist` with our reference makes it safe to repeat.

Source: FHIR R4 http.html (conditional create), search.html, task.html, consent.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from connectors.fhir_client import FORM, STRICTLY, UNAVAILABLE, Call, FhirClient, FhirServer
from connectors.fhir_reply import read_matches
from connectors.http import HttpAnswer
from connectors.omegaai_results import read_results
from connectors.share_base import Patient, Refused, Result, Share, ShareIntent, TaskProgress, WantedResults

#: System of our references, of the words of a share, and of a job's progress.
REFERENCE = "urn:plugin-host:share"
WORDS = "urn:plugin-host:share-study"
#: Statuses after which the same request may be tried again: not now, or changed meanwhile.
_AGAIN = UNAVAILABLE | {401, 408, 409, 412, 425, 500}
_RETURN = {"Prefer": "return=representation"}


@dataclass(kw_only=True)
class OmegaAiShare(FhirServer):
    """OmegaAI's FHIR service for study shares. See `connectors.share_base.OmegaAi`."""

    organization_system: str = field(
        default="urn:omegaai:org", metadata={"help": "System of Organization.identifier for the organizationId."}
    )
    status_extension: str = field(
        default="http://hl7.org/fhir/us/core/StructureDefinition/status",
        metadata={"help": "Extension of ImagingStudy that holds the workflow status, as a string."},
    )
    consents: bool = field(default=True, metadata={"help": "Ask for Consent resources of the patient."})
    _client: FhirClient | None = field(default=None, init=False, repr=False, compare=False)

    async def organization(self, organization: str) -> bool:
        """See `OmegaAi.organization`."""
        found = await self._search("Organization", {"identifier": f"{self.organization_system}|{organization}"})
        return any(one.get("active", True) is True for one in found)

    async def patient(self, system: str, identifier: str) -> Patient | None:
        """See `OmegaAi.patient`."""
        found = await self._search("Patient", {"identifier": f"{system}|{identifier}"})
        if len(found) != 1:
            return None
        telecom = found[0].get("telecom") or []
        has_email = any(point.get("system") == "email" and point.get("value") for point in telecom)
        return Patient(id=found[0]["id"], has_email=has_email, consents=await self._consents(found[0]["id"]))

    async def _consents(self, patient: str) -> bool | None:
        if not self.consents:
            return None
        found = await self._search("Consent", {"patient": f"Patient/{patient}", "status": "active"})
        types = {(consent.get("provision") or {}).get("type") for consent in found}
        return None if not types else "deny" not in types

    async def study_status(self, study_uid: str) -> str | None:
        """See `OmegaAi.study_status`."""
        found = await self._search("ImagingStudy", {"identifier": f"urn:dicom:uid|urn:oid:{study_uid}"})
        told = [
            extension.get("valueString")
            for study in found
            for extension in study.get("extension") or []
            if extension.get("url") == self.status_extension
        ]
        return told[0] if len(told) == 1 else None

    async def share(self, intent: ShareIntent) -> Share:
        """See `OmegaAi.share`."""
        guard = {"If-None-Exist": urlencode({"identifier": f"{REFERENCE}|{intent.reference}"})}
        answer = await self._ask("POST", "/Task", _task(intent), {**guard, **_RETURN}, repeatable=True)
        task = _resource(answer)
        if task.get("status") in {"rejected", "failed", "cancelled"}:
            raise Refused(f"OmegaAI does not share it: the Task is {task['status']}")
        return Share(id=str(task["id"]), launch=_output(task, "launch"))

    async def revoke(self, reference: str) -> None:
        """See `OmegaAi.revoke`."""
        for task in await self._search("Task", {"identifier": f"{REFERENCE}|{reference}"}):
            if task.get("status") != "cancelled":
                await self._write(task | {"status": "cancelled"})

    async def results(self, wanted: WantedResults) -> list[Result]:
        """See `OmegaAi.results`."""
        found = await self._search("Patient", {"identifier": f"{wanted.system}|{wanted.patient}"})
        return await read_results(self._made(), self.base, found[0], wanted) if len(found) == 1 else []

    async def tell(self, task: str, progress: TaskProgress) -> None:
        """See `OmegaAi.tell`."""
        held = _resource(await self._ask("GET", f"/Task/{task}", None, {}, repeatable=True))
        told = {**held, "status": progress.status, "businessStatus": {"coding": [_coding(progress.state)]}}
        told.pop("statusReason", None)
        if progress.code is not None:
            told["statusReason"] = {"coding": [_coding(progress.code)], "text": progress.reason or progress.code}
        others = [one for one in held.get("output") or [] if not _is_ours(one)]
        told["output"] = others + [_output_of(name, value) for name, value in progress.output.items()]
        if not told["output"]:
            del told["output"]
        if told != held:
            await self._write(told)

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    # -- calls ------------------------------------------------------------------------------------------------

    async def _search(self, kind: str, criteria: Mapping[str, str]) -> list[dict[str, Any]]:
        form = urlencode(criteria).encode()
        call = Call(
            method="POST", path=f"/{kind}/_search", headers=STRICTLY, content=form, content_type=FORM, repeatable=True
        )
        return read_matches(_held(await self._made().ask(call, "")), kind)

    async def _write(self, resource: dict[str, Any]) -> None:
        """Write a resource back, if nobody else has changed it meanwhile."""
        version = (resource.get("meta") or {}).get("versionId")
        headers = {"If-Match": f'W/"{version}"'} if version else {}
        await self._ask("PUT", f"/{resource['resourceType']}/{resource['id']}", resource, headers, repeatable=True)

    async def _ask(
        self, method: str, path: str, body: object | None, headers: Mapping[str, str], *, repeatable: bool
    ) -> HttpAnswer:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        call = Call(method=method, path=path, headers=headers, content=content, repeatable=repeatable)
        return _held(await self._made().ask(call, ""))

    def _made(self) -> FhirClient:
        if self._client is None:
            self._client = FhirClient(self)
        return self._client


def _held(answer: HttpAnswer) -> HttpAnswer:
    """Return an answer that is a success; raises ConnectionError (try again) or Refused (for good)."""
    if 200 <= answer.status < 300:
        return answer
    if answer.status in _AGAIN or answer.status >= 500:
        raise ConnectionError(f"OmegaAI answers {answer.status}")
    raise Refused(f"OmegaAI answers {answer.status}")


def _resource(answer: HttpAnswer) -> dict[str, Any]:
    """Return the resource that an answer holds; raises ConnectionError where there is none."""
    try:
        resource = json.loads(answer.body)
    except ValueError:
        raise ConnectionError(f"OmegaAI answers {answer.status} without a resource") from None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Task" or "id" not in resource:
        raise ConnectionError(f"OmegaAI answers {answer.status} without the Task")
    return resource


def _task(intent: ShareIntent) -> dict[str, Any]:
    """Return the Task that asks OmegaAI for a share."""
    given: Sequence[tuple[str, dict[str, Any]]] = [
        ("method", {"valueCode": intent.method}),
        ("recipient-kind", {"valueCode": intent.recipient_kind}),
        *([("recipient", {"valueString": intent.recipient})] if intent.recipient else []),
        *([("accession", {"valueString": intent.accession})] if intent.accession else []),
        ("volume", {"valueString": intent.volume}),
        ("requested-by", {"valueString": intent.requested_by}),
    ]
    study = {"system": "urn:dicom:uid", "value": f"urn:oid:{intent.study_uid}"}
    patient = {"system": intent.patient_system, "value": intent.patient} if intent.patient_system else None
    task: dict[str, Any] = {
        "resourceType": "Task",
        "identifier": [{"system": REFERENCE, "value": intent.reference}],
        "status": "requested",
        "intent": "order",
        "code": {"coding": [_coding("share-study-intent")]},
        "focus": {"type": "ImagingStudy", "identifier": study},
        "for": {"type": "Patient", "identifier": patient or {"value": intent.patient}},
        "owner": {"type": "Organization", "identifier": {"value": intent.organization}},
        "restriction": {"period": {"end": intent.expires_at}},
        "input": [{"type": {"coding": [_coding(name)]}, **value} for name, value in given],
    }
    if intent.reason:
        task["reasonCode"] = {"text": intent.reason}
    return task


def _coding(code: str) -> dict[str, str]:
    return {"system": WORDS, "code": code}


def _output_of(name: str, value: str | int) -> dict[str, Any]:
    typed = {"valueInteger": value} if isinstance(value, int) else {"valueString": value}
    return {"type": {"coding": [_coding(name)]}, **typed}


def _is_ours(output: Mapping[str, Any]) -> bool:
    codings = (output.get("type") or {}).get("coding") or []
    return any(coding.get("system") == WORDS for coding in codings)


def _output(task: Mapping[str, Any], name: str) -> str | None:
    for output in task.get("output") or []:
        codings = (output.get("type") or {}).get("coding") or []
        if any(coding.get("code") == name for coding in codings):
            value = output.get("valueString")
            return value if isinstance(value, str) else None
    return None
