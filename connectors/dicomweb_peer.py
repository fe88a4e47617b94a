"""`dicomweb-peer`: a server that speaks DICOMweb, such as OmegaAI's: QIDO-RS and STOW-RS, with a token where it asks.

An instance counts as stored when the server's answer names it as such; an HTTP 200 alone says nothing of it.
Sources: DICOM PS3.18 10.5 (STOW-RS), 10.6 (QIDO-RS), F.2 (DICOM JSON); PS3.18 Table 10.5.3-1 and I.2.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from connectors import dicom_status
from connectors.dicom_base import Found, Instance, InstanceOutcome, Match, Query, Verdict
from connectors.fhir_client import UNAVAILABLE, Call, FhirClient, FhirServer
from connectors.http import HttpAnswer

_JSON = "application/dicom+json"
#: Keys whose values may stand in a URL.
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
#: Matches that are asked for at a time.
_PAGE = 1000
_STORED, _FAILED = "00081199", "00081198"
_INSTANCE_UID, _FAILURE_REASON, _WARNING_REASON = "00081155", "00081197", "00081196"


@dataclass(kw_only=True)
class DicomwebStation(FhirServer):
    """A server that speaks DICOMweb. Implements `connectors.dicom_base.DicomwebPeer`, which says what holds."""

    base: str = field(metadata={"help": "The server's DICOMweb base, such as https://omegaai.example.org/dicom-web."})
    attempts: int = field(default=3, metadata={"help": "Times that an instance is tried."})
    retry_after: float = field(default=1.0, metadata={"help": "Seconds before an instance is tried again."})
    max_instance_bytes: int = field(
        default=512 * 1024**2, metadata={"help": "Longest file that is sent: a request is held in memory."}
    )
    _client: FhirClient | None = field(default=None, init=False, repr=False, compare=False)

    async def find(self, query: Query) -> Found:
        """See `DicomwebPeer.find`."""
        path, parameters = _target(query)
        matches: list[Match] = []
        try:
            while True:
                page = f"{path}?limit={_PAGE}&offset={len(matches)}{parameters}"
                answer = await self._ask(Call(method="GET", path=page, headers={"Accept": _JSON}, repeatable=True))
                if answer.status not in {200, 204}:
                    return Found(
                        verdict=_verdict(answer.status), status=answer.status, words=_words(answer.status),
                        matches=tuple(matches),
                    )  # fmt: skip
                found = _matches(answer)
                matches += found
                if len(found) < _PAGE or len(matches) >= query.limit:
                    break
        except (OSError, ValueError) as error:
            words = str(error) if isinstance(error, OSError) else "the answer is no DICOM JSON"
            return Found(verdict=Verdict.UNANSWERED, words=words, matches=tuple(matches))
        is_cut = len(matches) > query.limit or (len(matches) == query.limit and len(found) == _PAGE)
        return Found(
            verdict=Verdict.SUCCESS, status=answer.status, words="success", matches=tuple(matches[: query.limit]),
            is_cut=is_cut,
        )  # fmt: skip

    async def store(self, instances: Sequence[Instance]) -> AsyncIterator[InstanceOutcome]:
        """See `DicomwebPeer.store`."""
        for instance in instances:
            for attempt in range(1, self.attempts + 1):
                outcome = await self._store(instance, attempt)
                if outcome.verdict not in {Verdict.UNANSWERED, Verdict.DEFERRED} or attempt == self.attempts:
                    break
                await asyncio.sleep(self.retry_after)
            yield outcome

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _store(self, instance: Instance, attempt: int) -> InstanceOutcome:
        status: int | None = None
        if instance.size > self.max_instance_bytes:
            verdict, words = Verdict.REFUSED, f"not sent: longer than {self.max_instance_bytes} bytes"
        else:
            try:
                boundary = secrets.token_hex(16)
                content = await asyncio.to_thread(_body, instance, boundary)
                kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
                call = Call(
                    method="POST", path="/studies", headers={"Accept": _JSON}, content=content, content_type=kind,
                    repeatable=True,  # the same SOP Instance UID: it cannot double
                )  # fmt: skip
                answer = await self._ask(call)
            except OSError as error:
                verdict, words = Verdict.UNANSWERED, str(error)
            else:
                status = answer.status
                verdict, words = _stored(answer, instance.reference.sop_instance_uid)
        return InstanceOutcome(
            verdict=verdict, status=status, words=words, reference=instance.reference, attempts=attempt
        )

    async def _ask(self, call: Call) -> HttpAnswer:
        if self._client is None:
            self._client = FhirClient(self)
        return await self._client.ask(call, "")


def _target(query: Query) -> tuple[str, str]:
    """Return path and further parameters of a query (PS3.18 Table 10.6.1-1)."""
    given = {key: value for key, value in query.keys.items() if value}
    if wrong := sorted(given.keys() - set(_UIDS)):
        raise ValueError(f"{wrong[0]} must not stand in a URL: ask for it, and compare here")
    fields = "".join(f"&includefield={_tag(key)}" for key in query.keys if key not in given)
    study, series = given.pop("StudyInstanceUID", None), given.pop("SeriesInstanceUID", None)
    if query.level == "STUDY":
        return "/studies", (f"&StudyInstanceUID={quote(study, safe='')}" if study else "") + fields
    if study is None or query.level == "PATIENT":
        raise ValueError("a query below the level of studies needs StudyInstanceUID")
    within = f"/studies/{quote(study, safe='')}"
    if query.level == "SERIES":
        return f"{within}/series", (f"&SeriesInstanceUID={quote(series, safe='')}" if series else "") + fields
    within += f"/series/{quote(series, safe='')}" if series else ""
    more = "".join(f"&{key}={quote(value, safe='')}" for key, value in given.items())
    return f"{within}/instances", more + fields


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword} is no keyword of DICOM")
    return f"{tag:08X}"


def _matches(answer: HttpAnswer) -> list[Match]:
    """Return the matches of an answer. Raises ValueError: it is no DICOM JSON."""
    found = orjson.loads(answer.body) if answer.body else []
    if not isinstance(found, list) or not all(isinstance(match, dict) for match in found):
        raise ValueError("no list of data sets")
    return [
        {keyword: _text(element) for tag, element in match.items() if (keyword := keyword_for_tag(tag))}
        for match in found
    ]


def _text(element: Any) -> str:
    """Return an element's values as they stand in DICOM, parted by backslashes; sequences are left out."""
    values = element.get("Value", []) if isinstance(element, Mapping) else []
    return "\\".join(str(value.get("Alphabetic", "")) if isinstance(value, Mapping) else str(value) for value in values)


def _body(instance: Instance, boundary: str) -> bytes:
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return head + instance.path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()


def _stored(answer: HttpAnswer, uid: str) -> tuple[Verdict, str]:
    """Return what a STOW-RS answer says of the one instance that was sent (PS3.18 10.5.3, I.2)."""
    if answer.status not in {200, 202, 409}:
        return _verdict(answer.status), _words(answer.status)
    try:
        said = orjson.loads(answer.body)
        stored = [item for item in _items(said, _STORED) if _first(item, _INSTANCE_UID) == uid]
        failed = [item for item in _items(said, _FAILED) if _first(item, _INSTANCE_UID) in {uid, None}]
    except (ValueError, AttributeError, TypeError):
        return Verdict.UNANSWERED, "the answer is no DICOM JSON"
    if failed or answer.status == 409:
        reason = _first(failed[0], _FAILURE_REASON) if failed else None
        meaning = dicom_status.meaning(int(reason or dicom_status.CANNOT_UNDERSTAND), dicom_status.STORE)
        return meaning.verdict if meaning.verdict is Verdict.DEFERRED else Verdict.REFUSED, meaning.words
    if not stored:
        return Verdict.UNANSWERED, "the answer does not name the instance"
    if warning := _first(stored[0], _WARNING_REASON):
        return Verdict.WARNING, dicom_status.meaning(int(warning), dicom_status.STORE).words
    return Verdict.SUCCESS, "success"


def _items(said: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    items: list[Mapping[str, Any]] = said.get(tag, {}).get("Value", [])
    return items


def _first(item: Mapping[str, Any], tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]


def _verdict(status: int) -> Verdict:
    return Verdict.DEFERRED if status in UNAVAILABLE or status in {408, 500} else Verdict.REFUSED


def _words(status: int) -> str:
    known = {401: "our token is not accepted", 403: "we may not do this", 404: "nothing is there", 413: "too long"}
    return f"HTTP {status}" + (f": {known[status]}" if status in known else "")
