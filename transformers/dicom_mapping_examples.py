"""The tests of a mapping file from FHIR to DICOM, run: what is made is read back from its own bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from transformers import form_to_dicom, mapping_attempt
from transformers.base import Transformed
from transformers.dicom_dataset import decoded
from transformers.dicom_dictionary import attribute
from transformers.fhir_to_dicom import compile_plan
from transformers.form_to_dicom import FormToDicom
from transformers.mapping_checked import Example
from transformers.mapping_explain import Trace

_STEP = re.compile(r"(.+?)(?:\[(\d+)\])?")


def run(plan: Mapping[str, Any], example: Example, folder: Path, now: datetime) -> tuple[tuple[str, ...], Trace]:
    """Run one test; return what is not as expected, and what it did with the mapping."""
    transformer = FormToDicom(plan) if plan["transformer"] == form_to_dicom.KIND else compile_plan(plan)
    done = mapping_attempt.attempt(plan, transformer, mapping_attempt.sample(example, folder), example, now)

    def compare(result: Transformed) -> Iterator[str]:
        return _of_data(example.expect, result, folder)

    return tuple(mapping_attempt.differences(example.expect, done, "a data set", compare)), done.seen


def _of_data(expect: Mapping[str, str], result: Transformed, folder: Path) -> Iterator[str]:
    data = decoded(result.encoded)
    for word, wanted in expect.items():
        if word == "action":
            if wanted != result.action:
                yield f"expected the action {wanted}, got {result.action}"
        elif word == "message":
            whole = json.loads((folder / wanted).read_bytes())
            for keyword in dict.fromkeys([*whole, *data]):
                if whole.get(keyword) != data.get(keyword) and keyword != "SOPInstanceUID":
                    yield f"{_words(keyword)}: expected {_shown(whole.get(keyword))}, got {_shown(data.get(keyword))}"
        else:
            found = at(data, word)
            if _shown(found) != ("nothing" if wanted == "absent" else wanted):
                yield f"{_words(word)}: expected {wanted}, got {_shown(found)}"


def at(data: Any, path: str) -> Any:
    """Return what stands at `ScheduledProcedureStepSequence[0].Modality`; of a sequence without a number the first."""
    found = data
    for step in path.split("."):
        match = _STEP.fullmatch(step)
        known = attribute(match[1]) if match else None
        if match is None or known is None or not isinstance(found, dict) or known.keyword not in found:
            return None
        found = found[known.keyword]
        if isinstance(found, list) and (match[2] or known.vr == "SQ"):
            number = int(match[2] or 0)
            found = found[number] if number < len(found) else None
    return found


def _words(path: str) -> str:
    """Return a path with the name that the standard gives its last attribute."""
    known = attribute(path.rpartition(".")[2].partition("[")[0])
    return f"{path} {known.shown} {known.name}" if known else path


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    return (
        "\\".join(value)
        if isinstance(value, list) and all(isinstance(one, str) for one in value)
        else (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    )
