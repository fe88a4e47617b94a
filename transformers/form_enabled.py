"""Which questions of a form were to be answered: `enableWhen` and `enableBehavior`.

Source: FHIR R4, Questionnaire.item.enableWhen and value set questionnaire-enable-operator. An answer is looked for in
the nearest group around the question that asks it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from messages.problem import Problems
from transformers.form_items import Asked, told

#: Conditions that one form may have.
CONDITIONS = 2000

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def find_out(questions: Sequence[Asked]) -> None:
    """Set `enabled` of all questions.

    Raises:
        Problems: FORM_QUESTIONNAIRE for conditions that go in a circle or name no question, FORM_TOO_LARGE.
    """
    everything = [asked for question in questions for asked in question.all()]
    definitions = {asked.link_id: asked.definition for asked in everything}
    _look_for_circles(definitions)
    answered: dict[str, list[Asked]] = {}
    for asked in everything:
        answered.setdefault(asked.link_id, []).append(asked)
    for asked in everything:  # what is around stands before
        whole = not asked.around or asked.around[-1].enabled
        asked.enabled = whole and _is_enabled(asked, answered)


def _look_for_circles(definitions: Mapping[str, Mapping[str, Any]]) -> None:
    needs = {link: [str(one["question"]) for one in item.get("enableWhen") or ()] for link, item in definitions.items()}
    if sum(map(len, needs.values())) > CONDITIONS:
        raise Problems.one("FORM_TOO_LARGE", f"the form has more than {CONDITIONS:,} conditions")
    left = {link: {other for other in others if other in needs} for link, others in needs.items()}
    while free := {link for link, others in left.items() if not others}:
        left = {link: others - free for link, others in left.items() if link not in free}
    if left:
        text = f"enableWhen goes in a circle: {told(min(left))} waits for its own answer"
        raise Problems.one("FORM_QUESTIONNAIRE", text)


def _is_enabled(asked: Asked, answered: Mapping[str, list[Asked]]) -> bool:
    conditions = asked.definition.get("enableWhen") or ()
    if not conditions:
        return True
    # R4: enableBehavior is required with several conditions; `any` where it is missing shows rather more than less.
    every = asked.definition.get("enableBehavior", "any") == "all"
    results = (
        _is_true(condition, _nearest(asked, answered.get(str(condition["question"]), ()))) for condition in conditions
    )
    return all(results) if every else any(results)


def _nearest(asked: Asked, candidates: Sequence[Asked]) -> list[Mapping[str, Any]]:
    """Return the answers of those candidates that share the innermost group with a question."""
    for depth in range(len(asked.around), 0, -1):
        group = asked.around[depth - 1]
        near = [one for one in candidates if one is group or group in one.around]
        if near:
            return [answer for one in near for answer in one.answers]
    return [answer for one in candidates for answer in one.answers]


def _is_true(condition: Mapping[str, Any], answers: Iterable[Mapping[str, Any]]) -> bool:
    how, wanted = condition["operator"], value_of(condition, "answer")
    if how == "exists":
        return bool(list(answers)) is bool(wanted)
    values = [value_of(answer, "value") for answer in answers]
    if how in ("=", "!="):
        return any(_same(value, wanted) for value in values) is (how == "=")
    return any(_compares(_ORDERED[how], value, wanted) for value in values)


def value_of(element: Mapping[str, Any], prefix: str) -> Any:
    """Return what stands in `value[x]` or `answer[x]`; None when nothing does."""
    return next((element[key] for key in element if key.startswith(prefix) and key != prefix), None)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, Mapping) and isinstance(wanted, Mapping) and "code" in value and "code" in wanted:
        return same_coding(value, wanted)
    return type(value) is type(wanted) and bool(value == wanted)


def same_coding(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two codings have the same code; of a system only where both name one."""
    systems = one.get("system"), other.get("system")
    return one.get("code") == other.get("code") and (None in systems or systems[0] == systems[1])


def _compares(how: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    left, right = _comparable(value), _comparable(wanted)
    return type(left) is type(right) and left is not None and how(left, right)


def _comparable(value: Any) -> Decimal | datetime | str | None:
    if isinstance(value, Mapping):
        value = value.get("value")
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and "T" in value:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else None
    return value if isinstance(value, str) else None
