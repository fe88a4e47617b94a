"""The words of a mapping file that reads FHIR and writes DICOM: those of `fhir_to_fhir_model`, and its destinations.

Decisions where a reader could doubt:

* A target is a keyword or a tag; inside a sequence the whole way: `ScheduledProcedureStepSequence.Modality`.
* A sequence on the way has one item, which all lines that name it share; `[]` makes an item of each thing of `for:`.
* What DICOM wants even if it is empty (type 2) the host writes empty; what must have a value is asked for.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from transformers import fhir_to_fhir_model
from transformers import mapping_model as common
from transformers.mapping_words import Label, OpenPart, Part, Text


class Destination(OpenPart):
    """Where data sets go. Further words override the station's settings."""

    connector: Label
    station: Label
    object: Text = Field(description="what is made: worklist-item, encapsulated-pdf, or attributes of a sop_class")
    sop_class: Text | None = Field(default=None, description="UID of the SOP class, for object: attributes")
    when_unanswered: Literal["resend", "hold"] = "resend"
    retry: common.Retry = common.Retry()
    parked: Literal["block", "pass"] = "block"
    connections: int = Field(default=1, ge=1, le=64)
    after: common.Wait | None = None


class DicomMapping(fhir_to_fhir_model.FhirMapping):
    """A channel that reads FHIR and writes DICOM."""

    PARTS: ClassVar[dict[str, type[Part]]] = {
        **fhir_to_fhir_model.FhirMapping.PARTS, "destinations": Destination
    }  # fmt: skip

    transformer: Literal["fhir-to-dicom"]  # type: ignore[assignment]  # another one than the base's
    destinations: dict[Label, Destination] = Field(min_length=1)  # type: ignore[assignment]  # of DICOM
