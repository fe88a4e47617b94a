"""Names of a mapping that depend on the document alone are evaluated once for all looks at a message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from transformers.fhir_path import compile_path
from transformers.fhir_path_parse import parse
from transformers.fhir_path_scope import Scope
from transformers.steady import LastLook, steady_names

DAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
UTC_ZONE = {"zone": "UTC"}
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1990-01-01"}


def lets(**paths):
    return {name: {"path": parse(text)} for name, text in paths.items()}


@pytest.mark.parametrize(
    ("paths", "steady"),
    [
        ({"mrn": "%it.identifier.value", "is_old": "%mrn.exists()"}, {"mrn", "is_old"}),
        ({"is_past": "%it.birthDate < today()", "late": "%is_past.not()", "name": "%it.name"}, {"name"}),
        ({"moment": "iif(%it.active, now(), @2026-01-01)", "of_day": "timeOfDay()"}, set()),
        ({"is_new": "%known.not()", "a": "%b", "b": "%change", "c": "%it.id"}, {"c"}),
        ({"kept": "Patient.where(id = %it.id and (birthDate > today()).not())"}, set()),
    ],
    ids=["the document", "the date", "the time", "names that are given", "inside a filter"],
)
def test_a_name_is_steady_where_neither_the_time_nor_a_given_name_is_behind_it(paths, steady):
    assert set(steady_names(lets(**paths), ("known", "change"), UTC_ZONE)) == steady


def test_a_table_s_name_is_as_steady_as_what_it_looks_up():
    items = lets(code="%it.id") | {
        "text": {"from": [parse("%code")], "name": "text"},
        "due": {"from": [parse("%it.birthDate"), parse("now()")], "name": "due"},
    }

    assert set(steady_names(items, (), UTC_ZONE)) == {"code", "text"}


def test_what_a_format_writes_is_as_steady_as_the_zone_of_its_times():
    items = lets(place="%change") | {"start": {"from": [parse("%it.birthDate")], "as": "datetime", "name": "start"}}
    zone = {"from": [parse("%place")], "name": "zone"}

    assert steady_names(items, ("change",), UTC_ZONE) == ("start",)
    assert steady_names(items, ("change",), zone) == ()


@pytest.fixture
def looks():
    """Return a function that looks at a thing of a document, and what was evaluated."""
    evaluated = []
    path = compile_path(parse("%it.birthDate"))

    def born(scope):
        evaluated.append(scope.resource["id"])
        return path(scope)

    last = LastLook(("born",))

    def look(document, focus=None):
        scope = Scope(document, {"born": born, "now": compile_path(parse("now()"))}, DAY, values={"it": [document]})
        last.give(scope, focus)
        return scope

    return look, evaluated


def test_the_same_thing_of_the_same_document_is_evaluated_once(looks):
    look, evaluated = looks

    values = [look(PATIENT).value("born"), look(PATIENT).value("born"), look(PATIENT).value("born")]

    assert values == [["1990-01-01"]] * 3
    assert evaluated == ["p1"]
    assert look(PATIENT).references is look(PATIENT).references


def test_another_thing_or_an_equal_document_is_evaluated_anew(looks):
    look, evaluated = looks

    look(PATIENT).value("born")
    look(PATIENT, 1).value("born")
    look(dict(PATIENT), 1).value("born")
    look(dict(PATIENT, birthDate="2000-02-02"), 1).value("born")

    assert len(evaluated) == 4


def test_what_is_not_steady_is_of_its_own_look(looks):
    look, _ = looks

    look(PATIENT).value("now")

    assert "now" not in look(PATIENT).values
