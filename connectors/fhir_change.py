"""One change to a FHIR server: found, put into what the server holds by now, written with If-Match.

Nothing of others is lost, and a change that is there already is not written again: so a resend does no harm, and makes
no new version that would come back to us as an event. Source: FHIR R4 http.html (2.21.0.7 to .12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from connectors.base import Reply
from connectors.fhir_client import FORM, STRICTLY, Call, FhirClient
from connectors.fhir_envelope import Envelope, Search, carries, is_id, query
from connectors.fhir_merge import Resource, dumps, json_patch, merged, without_nulls
from connectors.fhir_reply import CONFLICTS, read_matches, read_refusal, read_reply, read_resource, reply, version_of
from connectors.http import HttpAnswer
from messages.lifecycle import Event

_JSON_PATCH = "application/json-patch+json"
_REPRESENTATION = {"Prefer": "return=representation"}
#: Statuses of a JSON Patch whose `test` failed; servers differ.
_TEST_FAILED = frozenset({400, 422})
#: Codes of changes that are not made, so that nothing of others is written over.
CHANGED_MEANWHILE, WRITE_CONFLICT = "CHANGED_MEANWHILE", "WRITE_CONFLICT"


@dataclass(frozen=True, slots=True)
class _Found:
    """The server's resource as it was read."""

    answer: HttpAnswer
    resource: Resource
    #: What If-Match says; None where the server gives no version.
    etag: str | None

    @property
    def name(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"


@dataclass(frozen=True, slots=True)
class Change:
    """One envelope on its way."""

    client: FhirClient
    envelope: Envelope
    #: X-Request-Id of every call that it takes.
    request_id: str
    update_with: Literal["put", "patch"]
    unversioned: Literal["refuse", "write"]

    async def bundle(self) -> Reply:
        """Post a transaction or a batch; once more after a conflict."""
        entries = self.envelope.body.get("entry") or []
        call = Call(
            method="POST", path="", content=dumps(self.envelope.body), repeatable=all(map(_is_repeatable, entries))
        )
        answer = await self._ask(call)
        if answer.status in CONFLICTS:
            answer = await self._ask(call)
        return read_reply(answer, len(entries))

    async def conditional_update(self) -> Reply:
        """Leave it to the server to find the resource. The URL holds what identifies it."""
        path = f"/{self.envelope.type}?{query(self.envelope.find[0])}"
        content = dumps(without_nulls(self.envelope.body))
        return read_reply(
            await self._ask(Call(method="PUT", path=path, headers=_REPRESENTATION, content=content, repeatable=True))
        )

    async def put_in(self) -> Reply:
        """Find, put the change in, write; after a conflict once more, decided anew by what the server holds by then.

        After a second conflict it is for a person: somebody else is at work on the resource.
        """
        answer: HttpAnswer | None = None
        etag: str | None = None
        for _ in range(2):
            found = await self._find()
            if isinstance(found, Reply):
                return found
            if answer is not None and answer.status in _TEST_FAILED and found is not None and found.etag == etag:
                return read_reply(answer)  # nobody was quicker: the server will not have it
            call = self._create() if found is None else self._update(found)
            if isinstance(call, Reply):
                return call
            answer = await self._ask(call)
            if not self._again(call, answer, found):
                return read_reply(answer)
            etag = found.etag if found else None
        assert answer is not None  # noqa: S101 - tells the type; the loop runs
        if answer.status in CONFLICTS:
            return replace(read_reply(answer), event=Event.REFUSED, code=WRITE_CONFLICT)
        return replace(read_reply(answer), event=Event.DEFERRED)

    def _again(self, call: Call, answer: HttpAnswer, found: _Found | None) -> bool:
        if answer.status in CONFLICTS:
            return True
        if found is None:  # created by somebody else since we looked: our change is not in it
            return self.envelope.method == "PUT" and answer.status == 200 and "If-None-Exist" in call.headers
        return call.content_type == _JSON_PATCH and call.repeatable and answer.status in _TEST_FAILED

    # -- finding --------------------------------------------------------------------------------------------

    async def _find(self) -> _Found | Reply | None:
        """Return the resource that is meant; None for a new one; a reply where that is the end of it."""
        envelope = self.envelope
        if envelope.id:
            answer = await self._ask(Call(method="GET", path=f"/{envelope.type}/{envelope.id}", repeatable=True))
            return read_refusal(answer) or self._found(answer, read_resource(answer))
        for search in envelope.find:
            found = await self._search(search)
            if found is not None:
                return found
        if envelope.missing == "refuse":
            return Reply(raw=b"", event=Event.REFUSED, reason=f"the server has no such {envelope.type}")
        return None

    async def _search(self, search: Search) -> _Found | Reply | None:
        kind = self.envelope.type
        call = Call(
            method="POST", path=f"/{kind}/_search", content=query(search).encode(), content_type=FORM,
            headers=STRICTLY, repeatable=True,
        )  # fmt: skip
        answer = await self._ask(call)
        if (refusal := read_refusal(answer)) is not None:
            return refusal
        matches = read_matches(answer, kind)
        if not matches:
            return None
        if len(matches) > 1:
            return reply(answer, Event.REFUSED, f"{len(matches)} resources of type {kind} match; one must")
        if not carries(matches[0], search):  # a server that does not know a parameter may leave it out
            return reply(answer, Event.REFUSED, f"the {kind} that the search gave has not the identifier searched for")
        return self._found(answer, matches[0])

    def _found(self, answer: HttpAnswer, resource: Resource) -> _Found | Reply:
        if resource["resourceType"] != self.envelope.type or not is_id(resource.get("id")):
            return reply(answer, Event.REFUSED, f"what the server gave is no {self.envelope.type} with an id")
        version = version_of(resource)
        etag = answer.headers.get("etag") if self.envelope.id else None
        return _Found(answer, resource, etag or (f'W/"{version}"' if version else None))

    # -- writing --------------------------------------------------------------------------------------------

    def _create(self) -> Call:
        body = without_nulls(self.envelope.body)
        body.pop("id", None)
        headers = dict(_REPRESENTATION)
        if self.envelope.find:
            headers["If-None-Exist"] = query(self.envelope.find[0])
        return Call(
            method="POST", path=f"/{self.envelope.type}", headers=headers, content=dumps(body),
            repeatable=bool(self.envelope.find),
        )  # fmt: skip

    def _update(self, found: _Found) -> Call | Reply:
        """Return the write that puts the change into what was found; a reply where none is to be made."""
        envelope = self.envelope
        if envelope.method == "POST":
            return reply(found.answer, Event.ACCEPTED, f"{found.name} is there already; nothing was written")
        changed = self._changed(found.resource)
        if changed == found.resource:  # first of all: a resend finds its own change, and that stands against nothing
            return reply(found.answer, Event.ACCEPTED, f"{found.name} is so already; nothing was written")
        if refusal := self._against(found):
            return replace(reply(found.answer, Event.REFUSED, refusal[1]), code=refusal[0])
        marks = _REPRESENTATION | ({"If-Match": found.etag} if found.etag else {})
        path = f"/{found.name}"
        if changed is None or self.update_with == "patch":
            patch = json_patch(found.resource, changed) if changed else envelope.body
            return Call(
                method="PATCH", path=path, headers=marks, content=dumps(patch), content_type=_JSON_PATCH,
                repeatable=changed is not None,  # ours tests what it replaces; of a transformer's nobody knows
            )  # fmt: skip
        return Call(method="PUT", path=path, headers=marks, content=dumps(changed), repeatable=True)

    def _changed(self, resource: Resource) -> Resource | None:
        """Return the server's resource as it is to be; None where the transformer gave a patch of its own."""
        envelope = self.envelope
        if envelope.method == "PATCH":
            return None
        if envelope.merge:
            return merged(resource, envelope.body, envelope.join)
        return without_nulls({**envelope.body, "id": resource["id"], "meta": resource.get("meta")})

    def _against(self, found: _Found) -> tuple[str | None, str] | None:
        """Say what stands against the change, as (code, text); None where nothing does."""
        for name, allowed in self.envelope.only_if.items():
            if not _is_among(found.resource.get(name), allowed):
                text = f"the server's {self.envelope.type}.{name} is not one that this change may follow"
                return CHANGED_MEANWHILE, text
        if self.envelope.if_match not in (None, version_of(found.resource)):
            text = f"the server's {self.envelope.type} is in another version than the change was made for"
            return CHANGED_MEANWHILE, text
        if found.etag is None and self.unversioned == "refuse":
            return None, "the server gives no version; unversioned: write would overwrite what others change meanwhile"
        return None

    async def _ask(self, call: Call) -> HttpAnswer:
        return await self.client.ask(call, self.request_id)


def _is_among(value: object, allowed: Sequence[object]) -> bool:
    """Say whether a value is one of these; the same instant in another zone is the same."""
    moment = _moment(value)
    return value in allowed or (moment is not None and moment in map(_moment, allowed))


def _moment(value: object) -> datetime | None:
    """Return what an instant says (FHIR R4 datatypes.html, instant); None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _is_repeatable(entry: Mapping[str, Any]) -> bool:
    request = entry.get("request") or {}
    return request.get("method") in ("GET", "HEAD", "PUT", "DELETE") or "ifNoneExist" in request
