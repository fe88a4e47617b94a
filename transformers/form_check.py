"""What is wrong with a submitted form: mandatory questions, types of answers, choices.

A form that is not whole is never sent as whole. Source: FHIR R4, Questionnaire.item and QuestionnaireResponse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from messages.problem import Problem
from transformers.form_enabled import same_coding, value_of
from transformers.form_items import ROOT, Asked, told, wrong

#: Questionnaire.item.type → which value[x] answers it (FHIR R4, value set item-type).
ANSWERS: Mapping[str, frozenset[str]] = {
    "boolean": frozenset({"valueBoolean"}),
    "decimal": frozenset({"valueDecimal"}),
    "integer": frozenset({"valueInteger"}),
    "date": frozenset({"valueDate"}),
    "dateTime": frozenset({"valueDateTime"}),
    "time": frozenset({"valueTime"}),
    "string": frozenset({"valueString"}),
    "text": frozenset({"valueString"}),
    "url": frozenset({"valueUri"}),
    # An option may be any of these (Questionnaire.item.answerOption.value[x]).
    "choice": frozenset({"valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"}),
    "open-choice": frozenset(
        {"valueCoding", "valueString", "valueInteger", "valueDate", "valueTime", "valueReference"}
    ),
    "attachment": frozenset({"valueAttachment"}),
    "reference": frozenset({"valueReference"}),
    "quantity": frozenset({"valueQuantity"}),
}
#: LinkIds that one problem lists.
_LISTED = 50


def problems(questions: Sequence[Asked], options: Mapping[str, Sequence[Mapping[str, Any]] | None]) -> list[Problem]:
    """Return all that is wrong with the answers.

    Args:
        questions: paired, and `enabled` found out.
        options: the codings or values that each choice allows, by linkId; None where they are not known here.
    """
    everything = [asked for question in questions for asked in question.all()]
    found = [problem for asked in everything for problem in _of(asked, options)]
    missing = list(dict.fromkeys(told(asked.link_id) for asked in everything if _is_missing(asked)))
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        text = f"mandatory questions are not answered: {', '.join(missing[:_LISTED])}{more}"
        found.insert(0, wrong(text, ROOT, "FORM_INCOMPLETE"))
    return found


def _is_missing(asked: Asked) -> bool:
    if not asked.enabled or asked.definition.get("required") is not True or asked.type == "display":
        return False
    if asked.type == "group":
        return not any(one.answers for one in asked.all())
    return not any(_has_value(answer) for answer in asked.answers)


def _has_value(answer: Mapping[str, Any]) -> bool:
    value = value_of(answer, "value")
    return bool(value.strip()) if isinstance(value, str) else value is not None


def _of(asked: Asked, options: Mapping[str, Sequence[Mapping[str, Any]] | None]) -> Iterator[Problem]:
    name = told(asked.link_id)
    if not asked.answers:
        return
    if not asked.enabled:
        yield wrong(f"{name} is answered, and its condition says that it was not asked", asked.expression)
    if len(asked.answers) > 1 and asked.definition.get("repeats") is not True:
        yield wrong(f"{name} takes one answer and has {len(asked.answers)}", asked.expression)
    most = asked.definition.get("maxLength")
    for number, answer in enumerate(asked.answers):
        at = f"{asked.expression}.answer[{number}]"
        word = next((key for key in answer if key.startswith("value")), "")
        if word not in ANSWERS.get(asked.type, ()):
            yield wrong(f"{name} is a question of type {asked.type}, and its answer is of another", at)
        elif asked.type == "choice" and not is_offered(answer[word], options.get(asked.link_id)):
            yield wrong(f"{name}: the answer is none of the form's options", at)
        elif isinstance(most, int) and asked.type in ("string", "text") and len(answer[word]) > most:
            yield wrong(f"{name} takes {most} characters, and its answer is longer", at)


def is_offered(value: Any, offered: Sequence[Mapping[str, Any]] | None) -> bool:
    """Say whether a value is one of the options; true where the options are not known here."""
    if offered is None:
        return True
    for option in offered:
        one = value_of(option, "value")
        if isinstance(value, Mapping) and isinstance(one, Mapping):
            if "code" in value and same_coding(value, one):
                return True
        elif value == one or (isinstance(one, Mapping) and value == one.get("display")):
            # Portals also send the words of the option instead of its code.
            return True
    return False
