"""What each rule of a mapping does to one document, whichever way the mapping goes. Needs nothing of the check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import (
    fhir_to_dicom,
    fhir_to_fhir,
    fhir_to_hl7,
    form_to_dicom,
    form_to_hl7,
    hl7_mapping_explain,
    hl7_to_fhir,
    mapping_explain,
)
from transformers.base import Given
from transformers.mapping_explain import Trace


def _to_dicom(plan: Mapping[str, Any], document: Any, given: Given) -> Trace:
    return hl7_mapping_explain.traced(fhir_to_dicom.compile_plan(plan), plan, document, given)


def _from_fhir(plan: Mapping[str, Any], document: Any, given: Given) -> Trace:
    return hl7_mapping_explain.traced(fhir_to_fhir.compile_plan(plan), plan, document, given)


def _form_to_dicom(plan: Mapping[str, Any], document: Any, given: Given) -> Trace:
    return hl7_mapping_explain.traced(form_to_dicom.FormToDicom(plan), plan, document, given)


def _with_document(plan: Mapping[str, Any], document: Any, given: Given) -> Trace:
    return mapping_explain.trace(plan, document, given, {"pdf": ["JVBERi0"]})  # base64 of %PDF-; the rest is not shown


#: By the name of the transformer. One that is not here runs no rules of a mapping file, or keeps them for itself.
FOLLOWED: Mapping[str, Callable[[Mapping[str, Any], Any, Given], Trace]] = {
    fhir_to_hl7.KIND: mapping_explain.trace,
    hl7_to_fhir.KIND: hl7_mapping_explain.trace,
    form_to_hl7.KIND: _with_document,
    fhir_to_dicom.KIND: _to_dicom,
    form_to_dicom.KIND: _form_to_dicom,
    fhir_to_fhir.KIND: _from_fhir,
}


def follow(plan: Mapping[str, Any], document: Any, given: Given) -> Trace:
    """Follow one document through a plan, as far as it goes; an empty trace where there are no rules to follow."""
    way = FOLLOWED.get(plan["transformer"])
    return Trace() if way is None else way(plan, document, given)
