"""A response laid beside its Questionnaire: each question with what was answered, in the order of the form.

Sources: FHIR R4, QuestionnaireResponse (qrs-1, linkId, nesting under answer.item), Questionnaire.item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from messages.problem import Problem, Problems
from transformers.form_model import DEPTH, QUESTIONS

#: A linkId that is told in a problem: a name that the form's author chose, and nothing else.
_TOLD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}", re.ASCII)
#: Items of a Questionnaire that hold no answer.
_WITHOUT_ANSWER = ("group", "display")
ROOT = "QuestionnaireResponse"


@dataclass(slots=True, kw_only=True)
class Asked:
    """A question of the form, once for each repetition of the group that it stands in."""

    #: Questionnaire.item.
    definition: Mapping[str, Any]
    #: Where the answer stands, or would stand: a FHIRPath.
    expression: str
    around: tuple[Asked, ...]
    #: Something was submitted for it, if only an empty group.
    is_there: bool = False
    answers: Sequence[Mapping[str, Any]] = ()
    inside: list[Asked] = field(default_factory=list)
    #: Its conditions are true, and those of what it stands in; `form_enabled` finds out.
    enabled: bool = True

    @property
    def type(self) -> str:
        """Questionnaire.item.type."""
        return str(self.definition["type"])

    @property
    def link_id(self) -> str:
        """Questionnaire.item.linkId."""
        return str(self.definition["linkId"])

    def all(self) -> Iterator[Asked]:
        """Yield this one and those inside, in order."""
        yield self
        for one in self.inside:
            yield from one.all()


def told(link_id: str) -> str:
    """Return a linkId for a problem's text; one that is no plain name is not repeated."""
    return link_id if _TOLD.fullmatch(link_id) else "(a linkId that is no plain name)"


def wrong(text: str, expression: str, code: str = "FORM_INVALID") -> Problem:
    """Return a problem of a form, at a place of the response."""
    return Problem(code=code, text=text, expression=expression, issue_type="business-rule")


def pair(questionnaire: Mapping[str, Any], response: Mapping[str, Any]) -> tuple[list[Asked], list[Problem]]:
    """Return the form's questions with their answers, and what in the response fits none of them.

    Raises:
        Problems: FORM_TOO_LARGE, or FORM_QUESTIONNAIRE for a form that no answer could fit.
    """
    known: set[str] = set()
    _survey(questionnaire.get("item") or (), known, 1)
    pairing = _Pairing()
    return pairing.level(questionnaire.get("item") or (), response.get("item") or (), ROOT, ()), pairing.problems


def _survey(items: Sequence[Mapping[str, Any]], known: set[str], depth: int) -> None:
    if depth > DEPTH:
        raise Problems.one("FORM_TOO_LARGE", f"the form is nested deeper than {DEPTH} levels")
    for item in items:
        if item["linkId"] in known:
            text = f"the form has two questions with the linkId {told(str(item['linkId']))}"
            raise Problems.one("FORM_QUESTIONNAIRE", text)
        known.add(item["linkId"])
        if len(known) > QUESTIONS:
            raise Problems.one("FORM_TOO_LARGE", f"the form has more than {QUESTIONS:,} questions")
        _survey(item.get("item") or (), known, depth + 1)


class _Pairing:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._count = 0

    def level(
        self,
        definitions: Sequence[Mapping[str, Any]],
        items: Sequence[Mapping[str, Any]],
        at: str,
        around: tuple[Asked, ...],
    ) -> list[Asked]:
        """Pair the items of one level, in the order of the form."""
        found: dict[str, list[Asked]] = {str(one["linkId"]): [] for one in definitions}
        position = {link_id: number for number, link_id in enumerate(found)}
        by_id = {str(one["linkId"]): one for one in definitions}
        last = 0
        for number, item in enumerate(items):
            expression = f"{at}.item[{number}]"
            link_id = str(item.get("linkId"))
            if link_id not in by_id:
                self.problems.append(wrong("an answer to a question that the form does not have here", expression))
                continue
            if position[link_id] < last:
                self.problems.append(wrong(f"{told(link_id)} is not in the order of the form", expression))
            last = max(last, position[link_id])
            if found[link_id] and not (by_id[link_id]["type"] == "group" and by_id[link_id].get("repeats")):
                self.problems.append(wrong(f"{told(link_id)} stands twice and does not repeat", expression))
                continue
            found[link_id].append(self._answered(by_id[link_id], item, expression, around))
        for link_id, asked in found.items():
            if not asked:
                asked.append(self._missing(by_id[link_id], at, around))
        return [one for asked in found.values() for one in asked]

    def _new(self, definition: Mapping[str, Any], expression: str, around: tuple[Asked, ...]) -> Asked:
        self._count += 1
        if self._count > QUESTIONS:
            raise Problems.one("FORM_TOO_LARGE", f"more than {QUESTIONS:,} questions are answered")
        return Asked(definition=definition, expression=expression, around=around)

    def _missing(self, definition: Mapping[str, Any], at: str, around: tuple[Asked, ...]) -> Asked:
        asked = self._new(definition, at, around)
        if asked.type == "group":
            # What stands under a question is asked by its answer; what stands in a group by the group.
            asked.inside = self.level(definition.get("item") or (), (), at, (*around, asked))
        return asked

    def _answered(
        self, definition: Mapping[str, Any], item: Mapping[str, Any], expression: str, around: tuple[Asked, ...]
    ) -> Asked:
        asked = self._new(definition, expression, around)
        asked.is_there = True
        name = told(asked.link_id)
        answers, items = item.get("answer") or (), item.get("item") or ()
        if answers and items:
            self.problems.append(wrong(f"{name} has an answer and items beside it (qrs-1)", expression))
        if asked.type in _WITHOUT_ANSWER:
            if answers:
                self.problems.append(wrong(f"{name} is a {asked.type} and takes no answer", expression))
        else:
            asked.answers = answers
            if items and not answers:
                text = f"{name} is a question: what is under it belongs into its answer"
                self.problems.append(wrong(text, expression))
            items = [inner for answer in answers for inner in answer.get("item") or ()]
            if not answers:
                return asked
        asked.inside = self.level(definition.get("item") or (), items, expression, (*around, asked))
        return asked
