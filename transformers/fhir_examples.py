"""The tests of a mapping file that writes FHIR, run. Never on the way of a message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from transformers import er7, fhir_to_fhir, hl7_to_fhir, mapping_attempt
from transformers.base import Transformed
from transformers.hl7_mapping_examples import STEP, changed
from transformers.mapping_attempt import Attempt
from transformers.mapping_checked import Example
from transformers.mapping_explain import Trace


def run_from_hl7(
    plan: Mapping[str, Any], example: Example, folder: Path, now: datetime
) -> tuple[tuple[str, ...], Trace]:
    """Run one test; return what is not as expected, and what it did with the mapping."""
    segments = er7.parse((folder / example.given).read_bytes()).segments
    for name, value in example.change.items():
        segments = changed(segments, name, None if value is None else str(value))
    transformer = hl7_to_fhir.compile_plan(plan)
    return _judged(mapping_attempt.attempt(plan, transformer, er7.encode(segments), example, now), example, folder)


def run_from_fhir(
    plan: Mapping[str, Any], example: Example, folder: Path, now: datetime
) -> tuple[tuple[str, ...], Trace]:
    """Run one test; return what is not as expected, and what it did with the mapping."""
    body = mapping_attempt.sample(example, folder)
    return _judged(mapping_attempt.attempt(plan, fhir_to_fhir.compile_plan(plan), body, example, now), example, folder)


def _judged(done: Attempt, example: Example, folder: Path) -> tuple[tuple[str, ...], Trace]:
    def compare(result: Transformed) -> Iterator[str]:
        return _change_differences(example.expect, result, folder)

    return tuple(mapping_attempt.differences(example.expect, done, "a change", compare)), done.seen


def _change_differences(expect: Mapping[str, str], result: Transformed, folder: Path) -> Iterator[str]:
    envelope = json.loads(result.encoded)
    for word, wanted in expect.items():
        if word == "action":
            if wanted != result.action:
                yield f"expected the action {wanted}, got {result.action}"
        elif word == "message":
            yield from _unlike("", json.loads((folder / wanted).read_bytes()), envelope)
        else:
            found = at(envelope["body"], word)
            got = "absent" if found is _NOTHING else "removed" if found is None else _words(found)
            if got != wanted:
                yield f"{word}: expected {wanted}, got {got}"


_NOTHING: Any = object()


def at(body: Any, path: str) -> Any:
    """Return what stands at `Appointment.participant[1].status`; of a list without a number the first."""
    found = body
    for step in path.split(".")[1:]:
        match = STEP.fullmatch(step)
        if match is None or not isinstance(found, dict) or match[1] not in found:
            return _NOTHING
        found = found[match[1]]
        if isinstance(found, list):
            number = int(match[2] or 0)
            if number >= len(found):
                return _NOTHING
            found = found[number]
    return found


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _unlike(where: str, wanted: Any, got: Any) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        for name in dict.fromkeys([*wanted, *got]):
            yield from _unlike(f"{where}.{name}".lstrip("."), wanted.get(name, _NOTHING), got.get(name, _NOTHING))
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for number, pair in enumerate(zip(wanted, got, strict=True)):
            yield from _unlike(f"{where}[{number}]", *pair)
    elif wanted != got:
        shown = ["nothing" if one is _NOTHING else _words(one) for one in (wanted, got)]
        yield f"{where}: expected {shown[0]}, got {shown[1]}"
