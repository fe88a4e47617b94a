"""The words of a mapping file whose messages carry a form as a PDF: those of FHIR → HL7 or DICOM, and `document:`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from transformers.dicom_mapping_model import DicomMapping
from transformers.mapping_model import LetItem, Mapping
from transformers.mapping_words import Part, Text

#: Keys of `heading:`: the lines above a form, in this order.
HEADINGS = (
    "patient", "identifier", "issuer", "birth_date", "order", "accession", "form_version", "version", "author",
)  # fmt: skip


class Limits(Part):
    """How large a document may be."""

    size: int = Field(default=10_485_760, ge=10_000, le=104_857_600, description="bytes of the PDF, before base64")
    pages: int = Field(default=100, ge=1, le=2000)


class Fonts(Part):
    """Further fonts of the site, for letters that ours do not have."""

    folder: Text = Field(description="a folder with .ttf and .otf files")
    families: list[Text] = Field(min_length=1, description="names of their families, in the order to try them")


class Document(Part):
    """The PDF that a form becomes: `%pdf` in the rules, as base64."""

    response: Text = Field(default="%it", description="FHIRPath: the QuestionnaireResponse")
    form: Text | None = Field(default=None, description="FHIRPath: its Questionnaire, if the message has it")
    forms: Text | None = Field(default=None, description="a folder of the site with Questionnaires (*.json)")
    read_from: Text | None = Field(default=None, description="a FHIR station that has the Questionnaires (omegaai)")
    pdf: Text | None = Field(default=None, description="FHIRPath: a PDF to fill in, or one that is finished (base64)")
    fields: dict[str, Text] = Field(default={}, description="linkId → field of the PDF, where they are not the same")
    language: LetItem | None = Field(default=None, description="language of the labels: pt-BR, en")
    heading: dict[Literal[HEADINGS], LetItem] = Field(default={}, description="lines above the form")  # type: ignore[valid-type]
    template: Text | None = Field(default=None, description="a typst file of the site instead of our own page")
    fonts: Fonts | None = None
    limits: Limits = Limits()


class FormMapping(Mapping):
    """A channel that receives forms and sends them as PDF."""

    document: Document


class FormDicomMapping(DicomMapping):
    """A channel that receives forms and sends them as DICOM objects."""

    transformer: Literal["form-to-dicom"]  # type: ignore[assignment]  # another one than the base's
    document: Document
