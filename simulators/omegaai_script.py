"""What the simulated OmegaAI does with a request, and the words of its script.

Each request but those for /metadata takes the next word; after the last word every request is carried out.

| word | what happens |
|---|---|
| accept | it is carried out and answered, as a FHIR R4 server does |
| 500, 412, 401, … | nothing is done; that status, with an OperationOutcome |
| 503 N, 429 N | the same, with Retry-After: N |
| html, html 502 | nothing is done; a page in HTML, with status 200 or the one given |
| error | nothing is done; 200 with an OperationOutcome of severity error |
| nothing found | nothing is done; a Bundle of type searchset without entries |
| entry N | nothing is done; a Bundle is answered with 200, its first entry with status N |
| empty | nothing is done; 200 without content |
| redirect | nothing is done; 307 to another address |
| minimal | carried out; answered without content, as Prefer: return=minimal asks for |
| gzip | carried out; the content is compressed |
| bomb | 200 with 64 MiB of blanks, compressed to 64 kB |
| meanwhile | somebody else changes the resource first, then it is carried out |
| late N | carried out; answered N seconds later |
| slow | carried out; answered one byte at a time |
| no answer | carried out; no answer, ever; the line stays open |
| hang up | nothing is done; the line is closed |
| done and hang up | carried out; the line is closed without an answer |
| hang up mid-answer | carried out; half an answer, and the line is closed |
| garbage | bytes that are no HTTP, and the line is closed |
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

from simulators.omegaai_records import Outcome, Resource, operation_outcome

#: Answer to /metadata.
STATEMENT: Resource = {
    "resourceType": "CapabilityStatement", "status": "active", "date": "2025-11-20", "kind": "instance",
    "fhirVersion": "4.0.1", "format": ["json"],
}  # fmt: skip
_PAGE = b"<!DOCTYPE html><title>Sign in</title><p>The service is not available."

_DEEDS = (
    "accept", "html", "error", "empty", "redirect", "minimal", "gzip", "bomb", "meanwhile", "slow", "no answer",
    "hang up", "done and hang up", "hang up mid-answer", "garbage", "nothing found",
)  # fmt: skip
#: Deeds by which nothing is carried out.
UNDONE = frozenset(
    {"metadata", "status", "html", "error", "entry", "empty", "redirect", "bomb", "hang up", "garbage", "nothing found"}
)


class Step(NamedTuple):
    """One word of a script."""

    deed: str
    #: Status of the answer, or of an entry.
    status: int = 200
    #: Seconds: of Retry-After, or until the answer.
    seconds: float = 0.0


ACCEPT = Step("accept")


def read_step(word: str) -> Step:
    """Return one word of a script as a step.

    Raises:
        ValueError: not a word of the table above.
    """
    word = word.strip()
    first, _, rest = word.partition(" ")
    if first.isdigit() and 100 <= int(first) <= 599 and (not rest or rest.isdigit()):
        return Step("status", int(first), float(rest or 0))
    if first == "late" and rest:
        return Step("late", seconds=float(rest))
    if first in ("html", "entry") and rest.isdigit():
        return Step(first, int(rest))
    if word in _DEEDS:
        return Step(word)
    raise ValueError(f"'{word}' is no word of a script; there are: a status, late N, entry N, {', '.join(_DEEDS)}")


def read_script(words: Iterable[str]) -> list[Step]:
    """Return the words of a script as steps; `500*3` stands for three times 500.

    Raises:
        ValueError: a word is not in the table above.
    """
    steps: list[Step] = []
    for word in words:
        once, star, times = word.rpartition("*")
        steps += [read_step(once)] * int(times) if star and times.isdigit() else [read_step(word)]
    return steps


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived."""

    method: str
    #: As it stood in the request line: path and query.
    target: str
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes


def read_request(payload: bytes) -> Request:
    """Return a request of the journal, taken apart."""
    head, _, body = payload.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, target, headers, body)


def answer_bytes(step: Step, request: Request, outcome: Outcome | None) -> bytes:
    """Return what is written as an answer."""
    if step.deed == "garbage":
        return b"MSH|^~\\&|not|HTTP\r"
    status, headers, body = _scripted(step, request) if outcome is None else _carried_out(step, outcome)
    return _http(status, headers, body, request)


def metadata_bytes(request: Request, statement: Resource, clock_ahead: float) -> bytes:
    """Return the answer to /metadata, dated by a clock that is so many seconds ahead."""
    headers = {"Content-Type": "application/fhir+json", "Date": formatdate(time.time() + clock_ahead, usegmt=True)}
    return _http(200, headers, _json(statement), request)


def _http(status: int, headers: dict[str, str], body: bytes, request: Request) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    content = b"" if request.method == "HEAD" else body
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + content


def _carried_out(step: Step, outcome: Outcome) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/fhir+json; charset=utf-8", **outcome.headers}
    if step.deed == "minimal":
        return outcome.status, headers, b""
    body = _json(outcome.resource)
    if step.deed == "gzip":
        return outcome.status, headers | {"Content-Encoding": "gzip"}, gzip.compress(body)
    return outcome.status, headers, body


def _scripted(step: Step, request: Request) -> tuple[int, dict[str, str], bytes]:
    fhir = {"Content-Type": "application/fhir+json"}
    wait = {"Retry-After": f"{step.seconds:g}"} if step.seconds else {}
    answers = {
        "html": (step.status, {"Content-Type": "text/html"}, _PAGE),
        "empty": (200, fhir, b""),
        "nothing found": (200, fhir, _json({"resourceType": "Bundle", "type": "searchset", "total": 0})),
        "redirect": (307, {"Location": "https://elsewhere.invalid/fhir"}, b""),
        "error": (200, fhir, _json(operation_outcome("error", "the rule book says no", "business-rule"))),
        "status": (step.status, fhir | wait, _json(operation_outcome("error", f"scripted {step.status}"))),
    }
    if step.deed == "bomb":
        return 200, fhir | {"Content-Encoding": "gzip"}, gzip.compress(b" " * 67_108_864)
    if step.deed == "entry":
        return 200, fhir, _json(_with_a_failure(step.status, len(json.loads(request.body)["entry"])))
    return answers[step.deed]


def _with_a_failure(status: int, count: int) -> Resource:
    failed = {"response": {"status": str(status), "outcome": operation_outcome("error", "not this one")}}
    entries = [failed, *({"response": {"status": "201"}} for _ in range(count - 1))]
    return {"resourceType": "Bundle", "type": "batch-response", "entry": entries}


def _json(resource: Resource) -> bytes:
    return json.dumps(resource, ensure_ascii=False).encode()
