"""The tests that stand in a mapping file, run: each gives what differs, in HL7's words.

Used by `plugin-host test`, never on the way of a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from messages.problem import Place
from transformers import (
    fhir_examples,
    fhir_to_dicom,
    fhir_to_fhir,
    form_to_dicom,
    form_to_hl7,
    hl7_tables,
    hl7_to_fhir,
    mapping_attempt,
)
from transformers.base import Transformed
from transformers.fhir_to_hl7 import FhirToHl7, compile_plan
from transformers.form_to_hl7 import FormToHl7
from transformers.hl7_path import HL7Path, parse
from transformers.mapping_checked import Checked, Example
from transformers.mapping_examples import WORDS
from transformers.mapping_explain import Trace

#: The time of a test that names none.
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
_PDF = re.compile(r"(?<=\^Base64\^)(JVBERi0)[A-Za-z0-9+/=]*")
#: Written anew at each run: no test compares them with a stored message.
_MASKED = frozenset({"MSH-7", "MSH-10"})


def _to_dicom(*arguments: Any) -> tuple[tuple[str, ...], Trace]:
    from transformers import dicom_mapping_examples  # noqa: PLC0415  # pydicom only where a file writes DICOM

    return dicom_mapping_examples.run(*arguments)


#: What runs a test, by the name of the transformer: gives what is not as expected, and the trace. HL7's are run here.
RUNNERS: Mapping[str, Callable[[Mapping[str, Any], Example, Path, datetime], tuple[tuple[str, ...], Trace]]] = {
    hl7_to_fhir.KIND: fhir_examples.run_from_hl7,
    fhir_to_fhir.KIND: fhir_examples.run_from_fhir,
    fhir_to_dicom.KIND: _to_dicom,
    form_to_dicom.KIND: _to_dicom,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """How one test of a mapping went."""

    __test__: ClassVar[bool] = False

    name: str
    place: Place
    #: One sentence for each thing that is not as expected. They show values of the test's own data.
    differences: tuple[str, ...]
    #: What it did with the mapping: for the coverage.
    trace: Trace

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.differences


def run_tests(checked: Checked, folder: Path, now: datetime | None = None) -> list[TestResult]:
    """Run the tests of a checked mapping.

    Args:
        checked: of `check_mapping`; one with errors has no tests to run.
        folder: of the site, where `given:` and `message:` name their files.
        now: the time for tests that say none.
    """
    if checked.plan is None:
        return []
    run = RUNNERS.get(checked.plan["transformer"])
    if run is not None:
        return [_result(example, *run(checked.plan, example, folder, now or NOON)) for example in checked.tests]
    plan = checked.plan
    transformer = FormToHl7(plan) if plan["transformer"] == form_to_hl7.KIND else compile_plan(plan)
    return [_run(plan, transformer, example, folder, now or NOON) for example in checked.tests]


def _result(example: Example, differences: tuple[str, ...], seen: Trace) -> TestResult:
    return TestResult(name=example.name, place=example.place, differences=differences, trace=seen)


def untouched(plan: Mapping[str, Any], results: Sequence[TestResult]) -> list[str]:
    """Return the places of rules and route lines that no test used, in the order of the file."""
    places = {line["at"] for line in plan["route"]}
    for parts in plan["maps"].values():
        places |= set(_rule_places(parts))
    used = {place for result in results for place in result.trace.touched}
    return sorted(places - used, key=lambda place: int(place.rsplit(":", 2)[1]))


def _rule_places(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for part in parts:
        for rule in part.get("rules", ()):
            yield rule["at"]
            yield from (inner["at"] for inner in rule.get("parts", ()))
        yield from _rule_places(part.get("parts", ()))


def _run(plan: Mapping[str, Any], transformer: FhirToHl7, example: Example, folder: Path, now: datetime) -> TestResult:
    destination = example.destination or next(iter(plan["destinations"]))
    version = plan["destinations"][destination]["hl7"]
    done = mapping_attempt.attempt(plan, transformer, mapping_attempt.sample(example, folder), example, now)

    def compare(result: Transformed) -> Iterator[str]:
        return _message_differences(example.expect, result, folder, version)

    differences = mapping_attempt.differences(example.expect, done, "a message", compare)
    return _result(example, tuple(differences), done.seen)


def _message_differences(expect: Mapping[str, str], result: Transformed, folder: Path, version: str) -> Iterator[str]:
    lines = _lines(result.encoded)
    for word, wanted in expect.items():
        if word == "action" and wanted != result.action:
            yield f"expected the action {wanted}, got {result.action}"
        elif word == "message":
            yield from _whole(_lines((folder / wanted).read_bytes()), lines, version)
        elif word not in WORDS:
            path = parse(word)
            got = _value(lines, path)
            if got != ("" if wanted == "absent" else wanted):
                yield _difference(path, "" if wanted == "absent" else wanted, got, version)


def _lines(encoded: bytes) -> list[list[str]]:
    """Return the segments of an encoded message, fields as on the wire: `lines[0][3]` is MSH-3.

    A PDF stands for any other: its first bytes are kept (`%PDF-`, in base64).
    """
    text = _PDF.sub(r"\1", encoded.decode())
    lines = [line.split("|") for line in text.split("\r") if line]
    return [[line[0], "|", *line[1:]] if line[0] == "MSH" else line for line in lines]


def _value(lines: Sequence[Sequence[str]], path: HL7Path) -> str:
    """Return what stands at a path of the first such segment, as on the wire; "" for nothing."""
    line = next((line for line in lines if line[0] == path.segment), [])
    text = line[path.field] if path.field < len(line) else ""
    if path.repetition or path.component:
        text = _nth(text, "~", path.repetition or 1)
    if path.component:
        text = _nth(text, "^", path.component)
    return _nth(text, "&", path.subcomponent) if path.subcomponent else text


def _nth(text: str, separator: str, number: int) -> str:
    parts = text.split(separator)
    return parts[number - 1] if number <= len(parts) else ""


def _whole(wanted: list[list[str]], got: list[list[str]], version: str) -> Iterator[str]:
    names = [line[0] for line in wanted], [line[0] for line in got]
    if names[0] != names[1]:
        yield f"expected the segments {' '.join(names[0])}, got {' '.join(names[1])}"
        return
    for wanted_line, got_line in zip(wanted, got, strict=True):
        for number in range(1, max(len(wanted_line), len(got_line))):
            path = HL7Path(wanted_line[0], number)
            one = wanted_line[number] if number < len(wanted_line) else ""
            other = got_line[number] if number < len(got_line) else ""
            if one != other and str(path) not in _MASKED:
                yield _difference(path, one, other, version)


def _difference(path: HL7Path, wanted: str, got: str, version: str) -> str:
    """Return `PID-8 Administrative Sex: expected M, got F`."""
    return f"{_words(path, version)}: expected {wanted or 'nothing'}, got {got or 'nothing'}"


def _words(path: HL7Path, version: str) -> str:
    try:
        field = hl7_tables.fields(version, path.segment)[path.field - 1]
    except (KeyError, IndexError):
        return str(path)
    components = hl7_tables.components(version, field.datatype)
    if path.component and path.component <= len(components):
        return f"{path} {components[path.component - 1].name}"
    return f"{path} {field.name}"
