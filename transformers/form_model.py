"""A submitted form as what is shown: its questions in order, each with its options and answers.

Made of a QuestionnaireResponse and its Questionnaire by `form_answers`; checked by `form_check`. Nothing here knows
FHIR's JSON or a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: Subcategories go to three levels under a question; groups may stand around them.
DEPTH = 12
#: Questions that one form may have.
QUESTIONS = 1000


class Card(StrEnum):
    """How a question is shown: the card types of OmegaAI's form builder, and what else FHIR knows."""

    LINE = "line"  #: Short Answer, number, date, time, link: one line
    PARAGRAPH = "paragraph"  #: keeps its line breaks
    CHOICE = "choice"  #: Multiple Choice: all options, the chosen one marked
    DROPDOWN = "dropdown"  #: the chosen option only
    CHECKBOXES = "checkboxes"  #: all options with and without a tick
    GRID = "grid"  #: rows of choices with the same options
    SIGNATURE = "signature"  #: an image, small
    IMAGE = "image"  #: an image, as wide as the page
    TEXT = "text"  #: words of the form itself
    GROUP = "group"  #: a heading with questions under it


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image of the patient. `data` is PNG or JPEG, its size read from its header."""

    mime: str
    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a choice."""

    text: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a grid: an option for each of its columns."""

    text: str
    options: tuple[Option, ...]
    #: Several options may be chosen: boxes, not circles.
    several: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a form, answered or not. All texts are the form's or the patient's: never logged."""

    link_id: str
    card: Card
    text: str
    #: `1.`, `a)`: the number that the form itself shows.
    prefix: str = ""
    #: Answers in words, in the order of the answers.
    answers: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    pictures: tuple[Picture, ...] = ()
    rows: tuple[Row, ...] = ()
    #: Questions under this one: subcategories, or those of a group.
    inside: tuple[Question, ...] = ()

    def all(self) -> Iterator[Question]:
        """Yield this question and those under it."""
        yield self
        for question in self.inside:
            yield from question.all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as it was submitted."""

    title: str
    #: Of the Questionnaire; "" where it has none.
    version: str
    #: `pt-BR`, `en`: of the labels around the answers.
    language: str
    description: str
    authored: datetime
    #: SHA-256 of the response's content, in hexadecimal digits.
    digest: str
    questions: tuple[Question, ...]

    def all(self) -> Iterator[Question]:
        """Yield all questions, in order."""
        for question in self.questions:
            yield from question.all()
