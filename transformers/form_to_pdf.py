"""A form as a PDF: typst sets the page, archivable (PDF/A-2a) and accessible (PDF/UA-1), the same bytes each time.

The patient's words reach the template as data, never as markup. Nothing is read from or written to a disk but the
fonts. Sources: ISO 19005-2, ISO 14289-1; typst reference, `document`, `image`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from messages.problem import Problem, Problems
from transformers.form_fonts import OWN, Drawable, NoFont
from transformers.form_model import Card, Form, Picture, Question
from transformers.form_words import Words

TEMPLATE = Path(__file__).parent / "form_page.typ"
PRODUCER = "plugin-host"
_FAMILY = "DejaVu Sans"
#: Characters that all texts of a form may have together; each text counts for a few more.
MAX_TEXTS = 300_000
_EACH = 8
#: Lines of the heading that stand on every page: who the patient is.
_WHOSE = ("patient", "identifier", "birth_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The lines above a form: what each is called, and its value. Patient data."""

    #: (key of `form_words.LABELS`, value); a line without a value is left out.
    lines: Sequence[tuple[str, str]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """How a site's pages are made."""

    #: Source of the template.
    template: str = field(repr=False)
    #: Folders with further fonts.
    fonts: tuple[str, ...] = ()
    #: Names of further font families, in the order in which they are tried.
    families: tuple[str, ...] = ()


def own_template() -> str:
    """Return the template that ships."""
    return TEMPLATE.read_text("utf-8")


def render(form: Form, heading: Heading, words: Words, press: Press) -> bytes:
    """Return the PDF.

    Raises:
        Problems: FORM_UNPRINTABLE, with why.
    """
    try:
        data = page_data(form, heading, words, press)
    except NoFont as error:
        raise Problems([Problem(code="FORM_UNPRINTABLE", text=str(error), issue_type="business-rule")]) from None
    return typeset(press.template, data, press.fonts)


def typeset(template: str, data: Mapping[str, Any], fonts: Sequence[str]) -> bytes:
    """Return the PDF of a template and its data.

    Raises:
        Problems: FORM_UNPRINTABLE, the template cannot be set; its own words, without the data, are the reason.
    """
    import typst  # noqa: PLC0415 - 20 MB that only the process that makes pages needs

    files: Any = {"main.typ": template.encode(), "form.json": orjson.dumps(data)}
    try:
        compiler = typst.Compiler(
            files,
            root=str(OWN),
            font_paths=[str(OWN), *fonts],
            ignore_system_fonts=True,
        )
        pdf = compiler.compile(format="pdf", pdf_standards=["a-2a", "ua-1"])
    except typst.TypstError:
        # Its words quote the page's content.
        text = "the page cannot be set by the template as a PDF/A-2a and PDF/UA-1 document"
        raise Problems([Problem(code="FORM_UNPRINTABLE", text=text, issue_type="business-rule")]) from None
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave no PDF")
    return pdf


def page_data(form: Form, heading: Heading, words: Words, press: Press) -> dict[str, Any]:
    """Return what the template is given, as JSON.

    Raises:
        NoFont: a letter that no font has.
    """
    drawable = _Texts(_drawable(press.fonts))
    language, _, region = words.language.partition("-")
    at = form.authored
    lines = [(key, value) for key, value in heading.lines if value]
    return {
        "title": drawable.text(form.title) or " ",
        "description": drawable.text(form.description),
        "producer": PRODUCER,
        "labels": words.labels,
        "lang": language.lower() or "en",
        "region": region.upper() if len(region) == 2 else None,
        "fonts": [_FAMILY, *press.families],
        "date": {
            "year": at.year, "month": at.month, "day": at.day,
            "hour": at.hour, "minute": at.minute, "second": at.second,
        },
        "digest": form.digest,
        "header": [{"name": words.labels[key], "value": drawable.text(value)} for key, value in lines],
        "whose": [drawable.text(value) for key, value in lines if key in _WHOSE],
        "questions": [_question(question, drawable) for question in form.questions],
    }  # fmt: skip


class _Texts:
    """The texts of one page, as the fonts can draw them; together no more than a page can be made of."""

    def __init__(self, drawable: Drawable) -> None:
        self._drawable = drawable
        self._left = MAX_TEXTS

    def text(self, text: str) -> str:
        """Return a text; raises NoFont, and Problems (FORM_TOO_LARGE) when there are too many."""
        self._left -= len(text) + _EACH
        if self._left < 0:
            text = f"the form has more than {MAX_TEXTS:,} characters"
            raise Problems([Problem(code="FORM_TOO_LARGE", text=text, issue_type="business-rule")])
        return self._drawable.text(text)


def _question(question: Question, drawable: _Texts) -> dict[str, Any]:
    said = question.answers or question.pictures or any(option.chosen for option in question.options)
    return {
        "card": question.card,
        "text": drawable.text(question.text),
        "prefix": drawable.text(question.prefix),
        "answers": [drawable.text(answer) for answer in question.answers],
        "options": [{"text": drawable.text(one.text), "chosen": one.chosen} for one in question.options],
        "rows": [
            {
                "text": drawable.text(row.text),
                "options": [{"text": drawable.text(one.text), "chosen": one.chosen} for one in row.options],
                "several": row.several,
            }
            for row in question.rows
        ],
        "pictures": [{"svg": _wrapped(one), "width": one.width} for one in question.pictures],
        "blank": not said and question.card not in (Card.GROUP, Card.TEXT, Card.GRID),
        "inside": [_question(inner, drawable) for inner in question.inside],
    }


def _wrapped(picture: Picture) -> str:
    """Return a picture as text that typst takes without a file: an SVG around its unchanged bytes."""
    size = f'width="{picture.width}" height="{picture.height}"'
    data = base64.b64encode(picture.data).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><image {size} href="data:{picture.mime};base64,{data}"/></svg>'
    )


@cache
def _drawable(folders: tuple[str, ...]) -> Drawable:
    return Drawable(folders)
