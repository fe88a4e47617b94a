"""Checks a whole mapping file and makes its plan: all mistakes at once, each with file, line, column and advice.

The plan is JSON-able data with everything that running needs; the transformer's `compile_plan` makes closures of it.
Nothing imported here (YAML, pydantic, ANTLR, HL7's tables) is needed after that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from messages.problem import Place, Problem, Problems
from transformers import (
    fhir_mapping_check,
    fhir_to_dicom,
    fhir_to_fhir,
    fhir_to_fhir_check,
    fhir_to_hl7,
    form_mapping_check,
    form_to_dicom,
    form_to_hl7,
    hl7_mapping_check,
    hl7_to_fhir,
    mapping_fragments,
)
from transformers import mapping_shape as shape
from transformers.dicom_mapping_model import DicomMapping
from transformers.fhir_to_fhir_model import FhirMapping as PairMapping
from transformers.form_mapping_model import FormDicomMapping, FormMapping
from transformers.hl7_mapping_model import Hl7Mapping
from transformers.mapping_desk import Desk
from transformers.mapping_examples import Example, examples
from transformers.mapping_file import Steps, load
from transformers.mapping_model import Mapping as FhirMapping
from transformers.mapping_site import Site


@dataclass(frozen=True, slots=True)
class Direction:
    """How the files of one transformer are read: their words, and what makes a plan of them."""

    model: type[BaseModel]
    plan: Callable[[Desk, Any, set[Steps]], dict[str, Any]]


def _to_dicom(desk: Desk, mapping: Any, left_out: set[Steps]) -> dict[str, Any]:
    from transformers import dicom_mapping_check  # noqa: PLC0415  # pydicom only where a file writes DICOM

    return dicom_mapping_check.plan(desk, mapping, left_out)


#: By the name of the transformer. A file that names another one is read as if it named none; then its plug-in's own.
DIRECTIONS: Mapping[str, Direction] = {
    fhir_to_hl7.KIND: Direction(FhirMapping, fhir_mapping_check.plan),
    hl7_to_fhir.KIND: Direction(Hl7Mapping, hl7_mapping_check.plan),
    form_to_hl7.KIND: Direction(FormMapping, form_mapping_check.plan),
    fhir_to_dicom.KIND: Direction(DicomMapping, _to_dicom),
    form_to_dicom.KIND: Direction(FormDicomMapping, form_mapping_check.dicom_plan),
    fhir_to_fhir.KIND: Direction(PairMapping, fhir_to_fhir_check.plan),
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check found. A file with an error has no plan."""

    problems: list[Problem]
    plan: dict[str, Any] | None
    #: The place of a value in the file, by keys and list positions, for checks of connectors and channel kinds.
    places: Callable[[Sequence[str | int]], Place]
    #: The file's text, for showing problems.
    source: str = ""
    tests: tuple[Example, ...] = ()


def check_mapping(path: Path, site: Site, name: str | None = None) -> Checked:
    """Check a mapping file; `name` is how problems call it (the path by default)."""
    shown = name or path.as_posix()
    try:
        document = load(path, shown)
    except Problems as found:
        source = path.read_text(errors="replace") if path.is_file() else ""
        return Checked(list(found.problems), None, lambda _: Place(shown, 1, 1), source)
    named = document.data.get("transformer")
    direction = DIRECTIONS.get(named if isinstance(named, str) else "") or DIRECTIONS[fhir_to_hl7.KIND]
    of_fragments = mapping_fragments.put_in(document, site.folder)
    mapping, problems, left_out = shape.read(document, direction.model, document.data)
    desk = Desk(document, site, f"{path.resolve().parent.name}/{path.name}", problems=[*of_fragments, *problems])
    if of_fragments:
        # What a fragment was to write is not missing besides.
        left_out = {*left_out, ("map", mapping_fragments.WORD)}
    plan = {} if mapping is None else direction.plan(desk, mapping, left_out)
    problems = sorted(desk.problems, key=lambda problem: _order(problem, shown))
    failed = any(problem.severity == "error" for problem in problems)
    if failed or mapping is None:
        return Checked(problems, None, document.place, document.text)
    return Checked(problems, plan, document.place, document.text, tuple(examples(desk, mapping)))


def _order(problem: Problem, shown: str) -> tuple[bool, str, int, int]:
    place = problem.place or Place("", 0, 0)
    return (place.file != shown, place.file, place.line, place.column)
