"""Checks a mapping file that reads FHIR and writes FHIR, and makes its plan; `fhir_to_fhir.compile_plan` runs it."""

from __future__ import annotations

from typing import Any

from transformers import fhir_mapping_check, hl7_mapping_check, hl7_mapping_examples, mapping_examples
from transformers.fhir_sources import FhirSources
from transformers.fhir_to_fhir_model import FhirMapping
from transformers.mapping_desk import Desk
from transformers.mapping_file import Steps


def plan(desk: Desk, mapping: FhirMapping, left_out: set[Steps]) -> dict[str, Any]:
    """Return the plan of a mapping; what is wrong is noted at the desk."""
    desk.actions = tuple(dict.fromkeys(line.do for line in mapping.route if line.do))
    paths = fhir_mapping_check.names(desk, left_out)
    made = fhir_mapping_check.reading(desk, paths, mapping)
    made["destinations"], made["maps"] = hl7_mapping_check.destinations(FhirSources(paths), mapping, left_out, ())
    hl7_mapping_examples.check_examples(desk, mapping, mapping_examples.check_given)
    return made | fhir_mapping_check.finished(desk, paths, mapping.let)
