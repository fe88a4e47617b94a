"""FHIR forms in, DICOM Encapsulated PDF out: the mapping language of `fhir_to_dicom` with `%pdf` and `%pdf_length`.

The transformer plug-in `form-to-dicom`. Heavy: the role `work` runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from transformers.fhir_to_dicom import FhirToDicom
from transformers.fhir_to_hl7 import FhirToHl7
from transformers.form_to_hl7 import FormToHl7

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "form-to-dicom"


class FormToDicom(FhirToDicom):
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    heavy: ClassVar[bool] = True
    reads: ClassVar[type[FhirToHl7]] = FormToHl7
    _reader: FormToHl7

    def missing(self, document: Any) -> Sequence[str]:
        """Return the forms that are to be read elsewhere (see `transformers.base.NeedsDefinitions`)."""
        return self._reader.missing(document)

    def learn(self, canonical: str, body: bytes) -> bool:
        """Take a form that was read elsewhere."""
        return self._reader.learn(canonical, body)
