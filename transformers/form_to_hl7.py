"""FHIR forms in, HL7 v2 with their PDF out: the mapping language of `fhir_to_hl7` with `%pdf` and `%pdf_length`.

The transformer plug-in `form-to-hl7`. Heavy: the role `work` runs it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, ClassVar

from transformers.base import Given
from transformers.fhir_path import Scope
from transformers.fhir_to_hl7 import FhirToHl7
from transformers.form_document import Documents
from transformers.mapping_run import Plan, Run

#: Name of the transformer in a mapping file, and of its plug-in.
KIND = "form-to-hl7"


class FormToHl7(FhirToHl7):
    """One channel's mapping, compiled (see `transformers.base.Transformer`).

    Raises:
        ValueError: the plan was made for another release of the mapping language.
    """

    #: It takes milliseconds of a processor where others take microseconds.
    heavy: ClassVar[bool] = True

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._documents = Documents(plan["document"])
        self._lets |= {"pdf": self._pdf, "pdf_length": _pdf_length}

    def check(self, body: bytes) -> Any:
        """Parse and validate a document, completed with the forms that are known; raises Problems."""
        return self._documents.known.completed(super().check(body))

    def load(self, body: bytes) -> Any:
        """Parse what `check` has let in before, completed with the forms that are known."""
        return self._documents.known.completed(super().load(body))

    def missing(self, document: Any) -> Sequence[str]:
        """Return the forms that are to be read elsewhere (see `transformers.base.NeedsDefinitions`)."""
        return self._documents.known.missing(document)

    def learn(self, canonical: str, body: bytes) -> bool:
        """Take a form that was read elsewhere."""
        return self._documents.known.learn(canonical, body)

    def _pdf(self, scope: Scope) -> list[Any]:
        """Return %pdf: the document as base64; raises Problems."""
        given = Given(now=scope.now, control_id="", destination="")
        zone = Run(scope, given, self._zone).zone
        return [base64.b64encode(self._documents.pdf(scope, zone)).decode()]


def _pdf_length(scope: Scope) -> list[Any]:
    """Return %pdf_length: how many bytes the document has."""
    text: str = scope.value("pdf")[0]
    return [len(text) // 4 * 3 - text.count("=")]
