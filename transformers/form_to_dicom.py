"""FHIR forms in, DICOM Encapsulated PDF out: the mapping language of `fhir_to_dicom` with `%pdf` and `%pdf_length`.

The transformer plug-in `form-to-dicom`. Heavy: the role `work` runs it.
"""

from __future__ import annotations

from typing import ClassVar

from transformers.fhir_to_dicom import FhirToDicom
from transformers.form_to_hl7 import FormToHl7
from transformers.mapping_run import Plan

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "form-to-dicom"


class FormToDicom(FhirToDicom):
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    heavy: ClassVar[bool] = True

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._reader = FormToHl7({**plan, "destinations": {}, "maps": {}, "validators": {}})
