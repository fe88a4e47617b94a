"""A form is sent as a whole or not at all: mandatory questions, conditions, types, options, order."""

import pytest

from messages.problem import Problems
from transformers.form_answers import read_form
from transformers.form_model import Card
from transformers.form_words import Words

WORDS = Words("en", "UTC")


def item(name, kind="string", **more):
    return {"linkId": name, "type": kind, "text": f"Question {name}", **more}


def answer(name, *values, inside=(), kind="valueString"):
    found = {"linkId": name, "answer": [{kind: value} for value in values]}
    if inside:
        found["answer"][0]["item"] = list(inside)
    return found


def options(*codes):
    return [{"valueCoding": {"code": code, "display": code.upper()}} for code in codes]


def read(items, answers):
    response = {"resourceType": "QuestionnaireResponse", "authored": "2025-11-20", "item": answers}
    return read_form(response, {"resourceType": "Questionnaire", "title": "T", "item": items}, WORDS)


def codes(items, answers):
    with pytest.raises(Problems) as caught:
        read(items, answers)
    return [problem.code for problem in caught.value.problems], str(caught.value)


def coding(code):
    return {"code": code}


def when(question, operator, **value):
    return [{"question": question, "operator": operator, **value}]


YES = when("a", "=", answerCoding={"code": "yes"})


def test_mandatory_questions_are_listed_by_their_link_ids():
    found, text = codes([item("1", required=True), item("2"), item("3.1", required=True)], [answer("2", "x")])

    assert found == ["FORM_INCOMPLETE"]
    assert "not answered: 1, 3.1" in text


def test_an_answer_of_spaces_is_no_answer():
    assert codes([item("1", required=True)], [answer("1", "  ")])[0] == ["FORM_INCOMPLETE"]


@pytest.mark.parametrize(
    ("condition", "chosen", "asked"),
    [
        (YES, "yes", True),
        (YES, "no", False),
        (when("a", "!=", answerCoding={"code": "yes"}), "no", True),
        (when("a", "exists", answerBoolean=True), "no", True),
        (when("a", "exists", answerBoolean=False), None, True),
        (when("a", "=", answerCoding={"code": "yes"}), None, False),
        (when("a", "!=", answerCoding={"code": "yes"}), None, True),
    ],
)
def test_what_was_not_asked_need_not_be_answered(condition, chosen, asked):
    items = [item("a", "choice", answerOption=options("yes", "no")), item("b", required=True, enableWhen=condition)]
    answers = [answer("a", coding(chosen), kind="valueCoding")] if chosen else []

    if asked:
        assert codes(items, answers)[0] == ["FORM_INCOMPLETE"]
    else:
        assert [question.link_id for question in read(items, answers).all()] == ["a"]


@pytest.mark.parametrize(
    ("operator", "value", "given", "asked"),
    [(">", 5, 6, True), (">", 5, 5, False), (">=", 5, 5, True), ("<", 5, 4, True), ("<=", 5, 6, False)],
)
def test_numbers_are_compared_as_numbers(operator, value, given, asked):
    items = [item("n", "integer"), item("b", required=True, enableWhen=when("n", operator, answerInteger=value))]
    answers = [answer("n", given, kind="valueInteger")]

    assert (len(read(items, answers).questions) == 1) if not asked else codes(items, answers)[0] == ["FORM_INCOMPLETE"]


@pytest.mark.parametrize(("behavior", "asked"), [("all", False), ("any", True)])
def test_several_conditions_hold_together_or_one_is_enough(behavior, asked):
    conditions = [*when("x", "exists", answerBoolean=True), *when("y", "exists", answerBoolean=True)]
    items = [item("x"), item("y"), item("z", required=True, enableWhen=conditions, enableBehavior=behavior)]
    answers = [answer("x", "1")]

    assert (codes(items, answers)[0] == ["FORM_INCOMPLETE"]) if asked else read(items, answers)


def test_subcategories_go_to_three_levels_under_the_answer():
    items = [item("1", "choice", answerOption=options("yes"), item=[item("1.1", item=[item("1.1.1", required=True)])])]
    deep = answer("1.1.1", "deep")
    whole = [answer("1", coding("yes"), kind="valueCoding", inside=[answer("1.1", "x", inside=[deep])])]
    broken = [answer("1", coding("yes"), kind="valueCoding", inside=[answer("1.1", "x")])]

    (first,) = read(items, whole).questions
    assert [question.answers for question in first.all()][1:] == [("x",), ("deep",)]
    assert codes(items, broken)[0] == ["FORM_INCOMPLETE"]


def test_what_stands_under_a_question_that_was_not_answered_was_not_asked():
    items = [item("1", "choice", answerOption=options("yes"), item=[item("1.1", required=True)])]

    assert len(list(read(items, []).all())) == 1


def test_in_a_group_that_repeats_a_condition_looks_at_its_own_repetition():
    inner = [item("k"), item("v", required=True, enableWhen=when("k", "=", answerString="x"))]
    items = [item("g", "group", repeats=True, item=inner)]
    one = {"linkId": "g", "item": [answer("k", "x"), answer("v", "1")]}
    other = {"linkId": "g", "item": [answer("k", "y")]}

    assert len(read(items, [one, other]).questions) == 2
    assert codes(items, [other, {"linkId": "g", "item": [answer("k", "x")]}])[0] == ["FORM_INCOMPLETE"]


@pytest.mark.parametrize(
    ("items", "answers", "words"),
    [
        ([item("1")], [answer("2", "x")], "does not have here"),
        ([item("1"), item("2")], [answer("2", "x"), answer("1", "x")], "not in the order"),
        ([item("1")], [answer("1", "x"), answer("1", "y")], "stands twice"),
        ([item("1")], [answer("1", "x", "y")], "takes one answer and has 2"),
        ([item("1", "integer")], [answer("1", "x")], "of type integer"),
        ([item("1", maxLength=2)], [answer("1", "xxx")], "takes 2 characters"),
        ([item("1", "group")], [answer("1", "x")], "takes no answer"),
        ([item("1", item=[item("2")])], [{"linkId": "1", "item": [answer("2", "x")]}], "belongs into its answer"),
        ([item("1", "choice", answerOption=options("a"))], [answer("1", coding("b"), kind="valueCoding")], "options"),
        ([item("1"), item("2", enableWhen=when("1", "=", answerString="x"))], [answer("2", "y")], "was not asked"),
    ],
)
def test_what_does_not_fit_the_form_is_told_by_its_place_and_not_by_its_value(items, answers, words):
    found, text = codes(items, answers)

    assert set(found) == {"FORM_INVALID"}
    assert words in text
    assert "QuestionnaireResponse.item[" in text


def test_an_open_choice_takes_other_words_and_shows_them_last():
    items = [item("1", "open-choice", answerOption=options("a"))]
    (question,) = read(items, [answer("1", "something else")]).questions

    assert [(option.text, option.chosen) for option in question.options] == [("A", False), ("something else", True)]


def test_options_of_a_value_set_within_the_form_count():
    value_set = {
        "resourceType": "ValueSet",
        "id": "v",
        "compose": {"include": [{"system": "s", "concept": [{"code": "a"}]}]},
    }
    form = {
        "resourceType": "Questionnaire",
        "contained": [value_set],
        "item": [item("1", "choice", answerValueSet="#v")],
    }
    good = {"authored": "2025", "item": [answer("1", coding("a"), kind="valueCoding")]}
    bad = {"authored": "2025", "item": [answer("1", coding("b"), kind="valueCoding")]}

    assert read_form(good, form, WORDS).questions[0].options[0].chosen
    with pytest.raises(Problems, match="none of the form's options"):
        read_form(bad, form, WORDS)


CONTROL = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl"


def control(code):
    return [{"url": CONTROL, "valueCodeableConcept": {"coding": [{"code": code}]}}]


@pytest.mark.parametrize(
    ("definition", "card"),
    [
        (item("1"), Card.LINE),
        (item("1", "text"), Card.PARAGRAPH),
        (item("1", "date"), Card.LINE),
        (item("1", "choice", answerOption=options("a")), Card.CHOICE),
        (item("1", "choice", answerOption=options("a"), repeats=True), Card.CHECKBOXES),
        (item("1", "choice", answerOption=options("a"), extension=control("drop-down")), Card.DROPDOWN),
        (item("1", "display"), Card.TEXT),
        (item("1", "attachment"), Card.IMAGE),
        (
            item("1", "group", extension=control("htable"), item=[item("r", "choice", answerOption=options("a"))]),
            Card.GRID,
        ),
        (item("1", "group", item=[item("r")]), Card.GROUP),
    ],
)
def test_each_card_of_the_form_builder_has_its_way_to_be_shown(definition, card):
    assert read([definition], []).questions[0].card is card


def row(name, *offered, **more):
    return item(name, "choice", answerOption=options(*offered), **more)


@pytest.mark.parametrize(
    ("rows", "card"),
    [
        ([row("r", "a", "b"), row("s", "a", "b")], Card.GRID),
        ([row("r", "a", "b"), row("s", "b", "a")], Card.GROUP),
        ([row("r", "a", "b"), row("s", "a", "b", "c")], Card.GROUP),
        ([row("r", "a", "b"), item("s", "choice", answerValueSet="http://elsewhere")], Card.GROUP),
        ([row("r", "a", "b"), item("s")], Card.GROUP),
    ],
)
def test_only_rows_with_the_same_options_stand_in_one_table(rows, card):
    (question,) = read([item("1", "group", extension=control("gtable"), item=rows)], []).questions

    assert question.card is card


def test_a_grid_knows_whether_a_row_takes_several_answers():
    rows = [row("r", "a", "b"), row("s", "a", "b", repeats=True)]
    given = {"linkId": "1", "item": [answer("s", coding("a"), coding("b"), kind="valueCoding")]}
    (question,) = read([item("1", "group", extension=control("gtable"), item=rows)], [given]).questions

    assert [found.several for found in question.rows] == [False, True]
    assert [[option.chosen for option in found.options] for found in question.rows] == [[False] * 2, [True] * 2]


@pytest.mark.parametrize(
    ("kind", "value", "english", "portuguese"),
    [
        ("valueBoolean", True, "Yes", "Sim"),
        ("valueDate", "1980-01-02", "2 Jan 1980", "02/01/1980"),
        ("valueDate", "1980", "1980", "1980"),
        ("valueQuantity", {"value": 1.5, "unit": "mg"}, "1.5 mg", "1,5 mg"),
        ("valueDateTime", "2025-11-20T15:29:00-03:00", "20 Nov 2025 18:29 (UTC+00:00)", "20/11/2025 18:29 (UTC+00:00)"),
        ("valueTime", "09:30:00", "09:30", "09:30"),
    ],
)
def test_values_are_written_as_the_language_writes_them(kind, value, english, portuguese):
    assert Words("en", "UTC").value(kind, value) == english
    assert Words("pt-BR", "UTC").value(kind, value) == portuguese
