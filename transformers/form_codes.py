"""What each code of a problem with a form means; for `plugin-host explain`. E49x: `document:` of a mapping file."""

from __future__ import annotations

from collections.abc import Mapping

from transformers.mapping_codes import Explanation


def _codes(*rows: tuple[str, str, str, str]) -> Mapping[str, Explanation]:
    return {code: Explanation(cause, example, cure) for code, cause, example, cure in rows}


CODES: Mapping[str, Explanation] = _codes(
    (
        "E490",
        "document: does not say where the Questionnaire of a form is.",
        "document: { language: pt-BR }",
        "Add form: (in the message), forms: (a folder of the site), read_from: (a FHIR server), or pdf: (a PDF form).",
    ),
    (
        "E491",
        "A file or folder that document: names is not there, or a file of the folder of fonts is no font.",
        "forms: questionaires",
        "Correct the name; put .ttf or .otf files into the folder of fonts.",
    ),
    (
        "E492",
        "A file of the folder of forms is no valid Questionnaire, or two are the same form.",
        "forms/safety.json without a version",
        "Export it again; each needs a url and a version of its own.",
    ),
    (
        "E493",
        "A template imports a package: a page is set without the network.",
        '#import "@preview/…"',
        "Copy what is needed into the template.",
    ),
    (
        "FORM_INCOMPLETE",
        "Mandatory questions that were asked are not answered. The text lists their linkIds.",
        "mandatory questions are not answered: 1.1, 4",
        "The patient answers them and submits the form again. A half-filled form is never sent as a whole one.",
    ),
    (
        "FORM_INVALID",
        "An answer does not fit its question: its type, its option, its place, how often it stands.",
        "1.1: the answer is none of the form's options",
        "Look whether Blume answered another version of the form than the message has.",
    ),
    (
        "FORM_UNKNOWN",
        "The Questionnaire is not in the message, not in the site's folder of forms, and not on the server of forms.",
        "questionnaire: https://…/ct-safety|3",
        "Publish this version in OmegaAI, or add its file to the folder that forms: names and deploy; reprocess.",
    ),
    (
        "FORM_KIND_UNKNOWN",
        "The kind of the form has no row in tables/documents.csv, or its row has the via of another channel.",
        "Questionnaire.code of urn:blume:form-kind is SURVEY",
        "Add the row, deploy, reprocess. Another via: add the file to the folder forms:, and let Blume send it again.",
    ),
    (
        "FORM_QUESTIONNAIRE",
        "The form itself cannot be answered: conditions in a circle, or one linkId twice.",
        "enableWhen goes in a circle: 4 waits for its own answer",
        "Correct the form in OmegaAI.",
    ),
    (
        "FORM_ATTACHMENT",
        "A picture cannot be shown: neither PNG nor JPEG, without data, or too large.",
        "3: the attachment is neither PNG nor JPEG",
        "The patient sends another picture.",
    ),
    (
        "FORM_TOO_LARGE",
        "More questions, levels, conditions or text than any form has.",
        "the form has more than 1,000 questions",
        "Look at what was sent; it may be an attack.",
    ),
    (
        "FORM_UNPRINTABLE",
        "A letter that no font has, or a page that the template cannot set.",
        "no font draws cjk letters; add one to the site's fonts",
        "Add a font (fonts: in document:), or correct the template; deploy, and reprocess.",
    ),
    (
        "FORM_STUDY_UNKNOWN",
        "A clinical form has no order, or PowerServer has accepted no appointment with its order in time.",
        "PowerServer does not know the study of this form",
        "Look at the appointment of this order; reprocess the form when it was accepted.",
    ),
    (
        "FORM_PARENT_UNKNOWN",
        "An addendum to a form that PowerServer does not have.",
        "PowerServer does not have the form that this one adds to",
        "Reprocess it when the other form was sent.",
    ),
    (
        "PDF_INVALID",
        "A PDF that cannot be used: damaged, encrypted, an XFA form, no PDF at all.",
        "the PDF needs a password",
        "Upload another PDF form to OmegaAI.",
    ),
    (
        "PDF_TOO_LARGE",
        "A PDF with more bytes, pages or objects than document.limits allows, or one that unpacks to too much.",
        "the PDF has 2,000 pages; at most 100 are taken",
        "Raise limits: in document:, or use a smaller PDF.",
    ),
    (
        "PDF_FIELD_UNKNOWN",
        "The PDF form has no field for questions that were answered.",
        "the PDF has no field for these questions: 4.1",
        "Name the field as the linkId, or add a line to fields: in document:.",
    ),
    (
        "PDF_FIELD_VALUE",
        "A field cannot hold the answer: no such option, or too little room.",
        "the field side has no option for the answer",
        "Correct the field in the PDF form.",
    ),
    (
        "PDF_FIELD_LOST",
        "An answer was written into its field and cannot be read on the page.",
        "the answers in these fields cannot be read on the page: name",
        "Use a font in the PDF form that has the letters, or a normal form.",
    ),
)
