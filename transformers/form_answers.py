"""Makes a form of a QuestionnaireResponse and its Questionnaire, or says what is wrong with it.

Source: FHIR R4 Questionnaire, QuestionnaireResponse; extensions questionnaire-itemControl, -signatureRequired, -hidden.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from messages.problem import Problem, Problems
from transformers import form_check, form_enabled
from transformers.form_enabled import same_coding, value_of
from transformers.form_items import Asked, pair, told, wrong
from transformers.form_model import Card, Form, Option, Picture, Question, Row
from transformers.form_pictures import Unusable, picture
from transformers.form_words import Words
from transformers.pdf_form import Answer

#: Characters that one answer may have: an answer that is longer than a book's chapter is no answer.
MAX_TEXT = 20_000
#: Bytes that the pictures of a form may have together.
MAX_PICTURES = 16 * 1024 * 1024
_EXTENSION = "http://hl7.org/fhir/StructureDefinition/questionnaire-"
#: Codes of questionnaire-itemControl for groups that are tables.
_GRIDS = frozenset({"gtable", "htable", "table", "atable", "grid"})

Json = Mapping[str, Any]


def read_form(response: Json, questionnaire: Json, words: Words) -> Form:
    """Return the form.

    Raises:
        Problems: FORM_INCOMPLETE (lists linkIds), FORM_INVALID, FORM_ATTACHMENT, FORM_QUESTIONNAIRE, FORM_TOO_LARGE.
    """
    questions, options, problems = _checked(response, questionnaire)
    reader = _Reader(words, options)
    shown = reader.questions(questions)
    problems += reader.problems
    if problems:
        raise Problems(sorted(problems, key=lambda problem: problem.code != "FORM_INCOMPLETE"))
    return Form(
        title=str(questionnaire.get("title") or questionnaire.get("name") or questionnaire.get("id") or ""),
        version=str(questionnaire.get("version") or ""),
        language=words.language,
        description=str(questionnaire.get("description") or ""),
        authored=authored(response),
        digest=digest(response),
        questions=shown,
    )


def _checked(
    response: Json, questionnaire: Json
) -> tuple[list[Asked], dict[str, Sequence[Json] | None], list[Problem]]:
    """Return the questions with their answers, the options of choices by linkId, and what is wrong with the answers."""
    questions, problems = pair(questionnaire, response)
    form_enabled.find_out(questions)
    choices = _choices(questionnaire.get("item") or ())
    options: dict[str, Sequence[Json] | None] = {item["linkId"]: _offered(item, questionnaire) for item in choices}
    return questions, options, problems + form_check.problems(questions, options)


def authored(response: Json) -> datetime:
    """Return when the form was answered; a date without a time is the beginning of that day in UTC.

    Raises:
        Problems: FORM_INVALID, the response does not say.
    """
    text = response.get("authored")
    if not isinstance(text, str):
        raise Problems([wrong("the response does not say when it was answered", "QuestionnaireResponse.authored")])
    full = text + "-01-01"[len(text) - 4 :] if "T" not in text else text
    moment = datetime.fromisoformat(full)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def digest(response: Json) -> str:
    """Return the SHA-256 of what was answered: the response without what a server adds to it."""
    content = {name: value for name, value in response.items() if name not in ("id", "meta", "text")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain_answers(response: Json, questionnaire: Json | None, words: Words) -> dict[str, list[Answer]]:
    """Return the answers by linkId, for the fields of a PDF form.

    With the Questionnaire the answers are checked as those of any form.

    Raises:
        Problems: as `read_form`.
    """
    if questionnaire is not None:
        _, _, problems = _checked(response, questionnaire)
        if problems:
            raise Problems(problems)
    found: dict[str, list[Answer]] = {}
    _collect(response.get("item") or (), found, words)
    return found


def _collect(items: Sequence[Json], found: dict[str, list[Answer]], words: Words) -> None:
    for item in items:
        for answer in item.get("answer") or ():
            name = next((key for key in answer if key.startswith("value")), "valueString")
            value = answer.get(name, "")
            if name == "valueBoolean":
                given = Answer("true" if value else "false")
            else:
                given = Answer(words.value(name, value), str(value.get("code", "")) if name == "valueCoding" else "")
            if name != "valueAttachment":
                found.setdefault(str(item.get("linkId")), []).append(given)
            _collect(answer.get("item") or (), found, words)
        _collect(item.get("item") or (), found, words)


def _choices(items: Sequence[Json]) -> list[Json]:
    found = []
    for item in items:
        if item.get("type") in ("choice", "open-choice"):
            found.append(item)
        found += _choices(item.get("item") or ())
    return found


def _offered(item: Json, questionnaire: Json) -> list[Json] | None:
    """Return a choice's options, as answerOption has them; None where its value set is not in the form."""
    if item.get("answerOption"):
        return list(item["answerOption"])
    reference = str(item.get("answerValueSet", ""))
    for contained in questionnaire.get("contained") or ():
        if contained.get("resourceType") == "ValueSet" and reference in (
            f"#{contained.get('id')}",
            contained.get("url"),
        ):
            return _of_value_set(contained)
    return None


def _of_value_set(value_set: Json) -> list[Json] | None:
    listed = (value_set.get("expansion") or {}).get("contains")
    if listed is None:
        parts = (value_set.get("compose") or {}).get("include") or ()
        if any("concept" not in part for part in parts):
            return None
        listed = [{"system": part.get("system"), **concept} for part in parts for concept in part["concept"]]
    names = ("system", "code", "display")
    return [{"valueCoding": {name: one[name] for name in names if one.get(name)}} for one in listed]


def _says(item: Json, name: str) -> Any:
    """Return the value of one of the questionnaire's own extensions; None where it is missing."""
    for extension in item.get("extension") or ():
        if extension.get("url") == _EXTENSION + name:
            return value_of(extension, "value")
    return None


def _control(item: Json) -> frozenset[str]:
    concept = _says(item, "itemControl")
    codings = concept.get("coding") or () if isinstance(concept, Mapping) else ()
    return frozenset(str(coding.get("code")) for coding in codings)


class _Reader:
    """Turns questions with their answers into what is shown."""

    def __init__(self, words: Words, options: Mapping[str, Sequence[Json] | None]) -> None:
        self._words = words
        self._options = options
        self._bytes = 0
        self.problems: list[Problem] = []

    def questions(self, asked: Sequence[Asked]) -> tuple[Question, ...]:
        shown = [one for one in asked if (one.enabled or one.answers) and _says(one.definition, "hidden") is not True]
        return tuple(question for question in map(self._question, shown) if question is not None)

    def _question(self, asked: Asked) -> Question | None:
        card = self._card(asked)
        text = str(asked.definition.get("text") or "")
        if card is Card.GRID:
            rows = tuple(map(self._row, (one for one in asked.inside if one.enabled)))
            return self._made(asked, card, text, rows=rows)
        inside = self.questions(asked.inside)
        if card is Card.GROUP and not inside and not text:
            return None
        if card in (Card.SIGNATURE, Card.IMAGE):
            return self._made(asked, card, text, pictures=self._pictures(asked), inside=inside)
        options = self._marked(asked) if card in (Card.CHOICE, Card.CHECKBOXES) else ()
        return self._made(asked, card, text, answers=self._answers(asked), options=options, inside=inside)

    def _made(self, asked: Asked, card: Card, text: str, **parts: Any) -> Question:
        prefix = str(asked.definition.get("prefix") or "")
        return Question(link_id=asked.link_id, card=card, text=text, prefix=prefix, **parts)

    def _card(self, asked: Asked) -> Card:
        item, kind = asked.definition, asked.type
        if kind == "group":
            return Card.GRID if _control(item) & _GRIDS and self._is_table(asked.inside) else Card.GROUP
        if kind == "attachment":
            return Card.SIGNATURE if _says(item, "signatureRequired") is not None else Card.IMAGE
        if kind in ("choice", "open-choice"):
            if "drop-down" in _control(item) or not self._options.get(asked.link_id):
                return Card.DROPDOWN
            return Card.CHECKBOXES if item.get("repeats") is True else Card.CHOICE
        return {"display": Card.TEXT, "text": Card.PARAGRAPH}.get(kind, Card.LINE)

    def _is_table(self, rows: Sequence[Asked]) -> bool:
        """Say whether questions fit one table: choices of the same options in the same order, nothing under them."""
        columns = {tuple(option.text for option in self._marked(row)) for row in rows if row.type == "choice"}
        return len(columns) == 1 and () not in columns and all(row.type == "choice" and not row.inside for row in rows)

    def _answers(self, asked: Asked) -> tuple[str, ...]:
        found = []
        for number, answer in enumerate(asked.answers):
            name = next((key for key in answer if key.startswith("value")), None)
            if name is None or (asked.type == "attachment") != (name == "valueAttachment"):
                continue  # said by the check
            text = self._option_text(asked, name, answer[name]) or self._words.value(name, answer[name])
            if len(text) > MAX_TEXT:
                at = f"{asked.expression}.answer[{number}]"
                told_ = f"{told(asked.link_id)}: an answer has more than {MAX_TEXT:,} characters"
                self.problems.append(wrong(told_, at, "FORM_TOO_LARGE"))
            else:
                found.append(text)
        return tuple(found)

    def _option_text(self, asked: Asked, name: str, value: Any) -> str:
        """Return the form's own words for a code that was answered without words."""
        if name != "valueCoding" or value.get("display"):
            return ""
        for option in self._options.get(asked.link_id) or ():
            coding = option.get("valueCoding")
            if coding and same_coding(value, coding):
                return self._words.value(name, coding)
        return ""

    def _marked(self, asked: Asked) -> tuple[Option, ...]:
        """Return all options, those that were chosen marked; other words of an open choice come last."""
        left = [answer for answer in asked.answers if value_of(answer, "value") is not None]
        found = []
        for option in self._options.get(asked.link_id) or ():
            name = next((key for key in option if key.startswith("value")), "valueString")
            hits = [answer for answer in left if form_check.is_offered(value_of(answer, "value"), [option])]
            left = [answer for answer in left if answer not in hits]
            found.append(Option(text=self._words.value(name, option.get(name, "")), chosen=bool(hits)))
        for answer in left:
            name = next(key for key in answer if key.startswith("value"))
            found.append(Option(text=self._words.value(name, answer[name]), chosen=True))
        return tuple(found)

    def _row(self, asked: Asked) -> Row:
        text = str(asked.definition.get("text") or "")
        return Row(text=text, options=self._marked(asked), several=asked.definition.get("repeats") is True)

    def _pictures(self, asked: Asked) -> tuple[Picture, ...]:
        found = []
        for number, answer in enumerate(asked.answers):
            if "valueAttachment" not in answer:
                continue  # said by the check
            try:
                one = picture(answer["valueAttachment"])
                self._bytes += len(one.data)
                if self._bytes > MAX_PICTURES:
                    raise Unusable(f"the pictures have more than {MAX_PICTURES // 1024 // 1024} MiB together")
                found.append(one)
            except Unusable as error:
                at = f"{asked.expression}.answer[{number}].valueAttachment"
                self.problems.append(wrong(f"{told(asked.link_id)}: {error}", at, "FORM_ATTACHMENT"))
        return tuple(found)
