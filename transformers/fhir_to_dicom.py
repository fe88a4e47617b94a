"""FHIR in, DICOM out: a mapping's plan compiled to closures. The transformer plug-in `fhir-to-dicom`.

It reads as `fhir-to-hl7` does; what is made is one data set, as a Part 10 file. Workers load pydicom only where a
channel of this transformer runs.
"""

from __future__ import annotations

from typing import Any

from messages.problem import Problem, Problems
from transformers import hl7_to_fhir
from transformers.base import Filtered, Given, Transformed
from transformers.dicom_formats import derived_uid
from transformers.fhir_path import PathError
from transformers.fhir_to_fhir import FhirToFhir
from transformers.hl7_values import Plan, Run
from transformers.mapping_values import named

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "fhir-to-dicom"


class FhirToDicom(FhirToFhir):
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    def transform(self, document: Any, given: Given) -> Transformed | Filtered:
        """Map the document; raises Problems with the rule's place and the attribute."""
        from transformers.dicom_dataset import encoded  # noqa: PLC0415  # pydicom only where a channel writes DICOM

        part = self._plan["destinations"][given.destination]
        try:
            run = self._start(document, given)
            line = self._line(run)
            run.action = line.plan["do"] or ""
            if not run.action:
                return hl7_to_fhir.not_sent(line.plan)
            body: dict[str, Any] = {}
            self._fill(self._maps[part["map"]], run, run.root, body, None)
        except PathError as error:
            raise Problems([Problem(code="E302", text=str(error))]) from None
        if run.problems:
            raise Problems(run.problems)
        for path in part["empty"]:
            _add_empty(body, path.split("."))
        instance = derived_uid(given.control_id, "UTC") or ""
        try:
            made = encoded(body, part["sop_class_uid"], instance)
        except ValueError:
            # pydicom's own words may hold the value.
            text = "the data set cannot be written: a value does not fit its attribute"
            raise Problems([Problem(code="E304", text=text)]) from None
        return Transformed(encoded=made, control_id=given.control_id, action=run.action)

    def _start(self, document: Any, given: Given | None = None) -> Run:
        run = FhirToFhir._start(self, document, given)  # noqa: SLF001  # of its own class
        run.zone = self._zone_of(run.root)
        return run

    def _zone_of(self, root: Any) -> str:
        plan: Plan = self._plan["zone"]
        if "zone" in plan:
            return str(plan["zone"])
        found = named(plan)(root.scope)
        if not found:
            raise Problems.one("E309", f"the time zone is not known: {plan['source']} gave nothing")
        return str(found[0])


def compile_plan(plan: Plan) -> FhirToDicom:
    """Return the transformer of a plan; raises ValueError for a plan of another language."""
    return FhirToDicom(plan)


def _add_empty(body: dict[str, Any], steps: list[str]) -> None:
    """Add an attribute without a value, in every item of the sequences on the way, where no line wrote it."""
    name, *rest = steps
    if not rest:
        body.setdefault(name, [] if name.endswith("Sequence") else "")
        return
    for item in body.get(name, ()):
        _add_empty(item, rest)
