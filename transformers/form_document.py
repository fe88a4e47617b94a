"""The PDF of one message: a form that is set, or a PDF form that is filled in; within the limits of the mapping.

Compiled from `document:` of a plan. Raises Problems with the codes that docs/forms.md explains.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from transformers import form_answers, form_to_pdf, pdf_form
from transformers.fhir_path import Scope, compile_path
from transformers.form_known import Known
from transformers.form_to_pdf import Heading, Press
from transformers.form_words import Words
from transformers.mapping_values import named, texts
from transformers.pdf_safety import Limits, refused


class Documents:
    """Makes the documents of one channel."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._response = compile_path(plan["response"])
        self._form = compile_path(plan["form"]) if plan["form"] else None
        self._pdf = compile_path(plan["pdf"]) if plan["pdf"] else None
        forms = {name: one["form"] for name, one in plan["forms"].items()}
        self.known = Known(forms, elsewhere=plan["read_from"])
        self._fields: Mapping[str, str] = plan["fields"]
        self._language = named(plan["language"]) if plan["language"] else None
        self._heading = {name: named(item) for name, item in plan["heading"].items()}
        self._press = Press(
            template=plan["template"], fonts=tuple(plan["fonts"]), families=tuple(plan["families"])
        )  # fmt: skip
        self._limits = Limits(size=plan["limits"]["size"], pages=plan["limits"]["pages"])

    def pdf(self, scope: Scope, zone: str) -> bytes:
        """Return the document of a message; `zone` is the one its times are shown in."""
        given = _first(self._pdf(scope)) if self._pdf else None
        response = _first(self._response(scope))
        words = Words(self._text(self._language, scope) or "en", zone)
        if given is not None:
            return self._filled(given, response, scope, words)
        if not isinstance(response, Mapping):
            raise refused("FORM_UNKNOWN", "the message has no QuestionnaireResponse and no PDF")
        form = form_answers.read_form(response, self._questionnaire(response, scope), words)
        lines = [(name, self._line(name, item, scope, words)) for name, item in self._heading.items()]
        lines.append(("authored", words.moment(form.authored)))
        pdf = form_to_pdf.render(form, Heading(lines=lines), words, self._press)
        pdf_form.within(pdf, self._limits)
        return pdf

    def _filled(self, given: Any, response: Any, scope: Scope, words: Words) -> bytes:
        try:
            source = base64.b64decode("".join(str(given).split()), validate=True)
        except binascii.Error:
            raise refused("PDF_INVALID", "the PDF of the message is not base64") from None
        if not isinstance(response, Mapping) or not response.get("item"):
            return pdf_form.finished(source, self._limits)
        answers = form_answers.plain_answers(response, self._known(response, scope), words)
        named_ = {self._fields.get(link_id, link_id): values for link_id, values in answers.items()}
        return pdf_form.filled(source, named_, self._limits)

    def _questionnaire(self, response: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
        form = self._known(response, scope)
        if form is None:
            text = "the form that was answered is neither in the message nor known to the site"
            raise refused("FORM_UNKNOWN", text)
        return form

    def _known(self, response: Mapping[str, Any], scope: Scope) -> Mapping[str, Any] | None:
        """Return the Questionnaire: the message's, or the site's with this canonical."""
        found = _first(self._form(scope)) if self._form else None
        if isinstance(found, Mapping):
            return found
        return self.known.find(str(response.get("questionnaire") or ""))

    def _line(self, name: str, item: Any, scope: Scope, words: Words) -> str:
        given = _first(item(scope))
        if isinstance(given, Mapping):
            return spoken_name(given)
        text = self._text(item, scope)
        return words.date(text) if name == "birth_date" and text else text

    @staticmethod
    def _text(item: Any, scope: Scope) -> str:
        return next(iter(texts(item(scope))), "") if item else ""


def spoken_name(name: Mapping[str, Any]) -> str:
    """Return a HumanName in the order in which it is spoken; its own text where it has one.

    >>> spoken_name({"family": "Silva", "given": ["Ana", "Maria"], "prefix": ["Dr"]})
    'Dr Ana Maria Silva'
    """
    if name.get("text"):
        return str(name["text"])
    parts = [*(name.get("prefix") or ()), *(name.get("given") or ()), name.get("family"), *(name.get("suffix") or ())]
    return " ".join(str(part) for part in parts if part)


def _first(values: list[Any]) -> Any:
    return values[0] if values else None
