"""Checks a whole mapping file and makes its plan: all mistakes at once, each with file, line, column and advice.

The plan is JSON-able data with everything that running needs; the transformer's `compile_plan` makes closures of it.
Nothing imported here (YAML, pydantic, ANTLR, HL7's tables) is needed after that; what one kind of file alone needs is
imported when the first such file is checked.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messages.problem import Place, Problem, Problems
from transformers import mapping_fragments
from transformers import mapping_shape as shape
from transformers.mapping_checked import Checked
from transformers.mapping_desk import Desk
from transformers.mapping_examples import examples
from transformers.mapping_file import Steps, load
from transformers.mapping_site import Site
from transformers.mapping_words import Part


@dataclass(frozen=True, slots=True)
class Direction:
    """How the files of one transformer are read; each is `module:name` in this room, imported when it is asked for."""

    words: str
    check: str

    @property
    def model(self) -> type[Part]:
        """The words of its files."""
        found: type[Part] = _imported(self.words)
        return found

    @property
    def plan(self) -> Callable[[Desk, Any, set[Steps]], dict[str, Any]]:
        """What makes a plan of a file."""
        found: Callable[[Desk, Any, set[Steps]], dict[str, Any]] = _imported(self.check)
        return found


#: What a file is that names no transformer.
USUAL = "fhir-to-hl7"
#: By the name of the transformer. A file that names another one is read as if it named none; then its plug-in's own.
DIRECTIONS: Mapping[str, Direction] = {
    USUAL: Direction("mapping_model:Mapping", "fhir_mapping_check:plan"),
    "hl7-to-fhir": Direction("hl7_mapping_model:Hl7Mapping", "hl7_mapping_check:plan"),
    "form-to-hl7": Direction("form_mapping_model:FormMapping", "form_mapping_check:plan"),
    "fhir-to-dicom": Direction("dicom_mapping_model:DicomMapping", "dicom_mapping_check:plan"),
    "form-to-dicom": Direction("form_mapping_model:FormDicomMapping", "form_mapping_check:dicom_plan"),
    "fhir-to-fhir": Direction("fhir_to_fhir_model:FhirMapping", "fhir_to_fhir_check:plan"),
}


def check_mapping(path: Path, site: Site, name: str | None = None) -> Checked:
    """Check a mapping file; `name` is how problems call it (the path by default)."""
    shown = name or path.as_posix()
    try:
        document = load(path, shown)
    except Problems as found:
        source = path.read_text(errors="replace") if path.is_file() else ""
        return Checked(list(found.problems), None, lambda _: Place(shown, 1, 1), source)
    named = document.data.get("transformer")
    direction = DIRECTIONS.get(named if isinstance(named, str) else "", DIRECTIONS[USUAL])
    of_fragments = mapping_fragments.put_in(document, site.folder)
    mapping, problems, left_out = shape.read(document, direction.model, document.data)
    desk = Desk(document, site, f"{path.resolve().parent.name}/{path.name}", problems=[*of_fragments, *problems])
    if of_fragments:
        # What a fragment was to write is not missing besides.
        left_out = {*left_out, ("map", mapping_fragments.WORD)}
    plan = {} if mapping is None else direction.plan(desk, mapping, left_out)
    problems = sorted(_causes(desk.problems), key=lambda problem: _order(problem, shown))
    failed = any(problem.severity == "error" for problem in problems)
    if failed or mapping is None:
        return Checked(problems, None, document.place, document.text)
    return Checked(problems, plan, document.place, document.text, tuple(examples(desk, mapping)))


def _causes(problems: list[Problem]) -> list[Problem]:
    """Leave out what only follows: without the kind nobody knows which names its rules give, nor what they may be."""
    if not any(problem.code == "E480" for problem in problems):
        return problems
    return [problem for problem in problems if problem.code not in {"E102", "E483"}]


def _order(problem: Problem, shown: str) -> tuple[bool, str, int, int]:
    place = problem.place or Place("", 0, 0)
    return (place.file != shown, place.file, place.line, place.column)


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(f"transformers.{module}"), attribute)
