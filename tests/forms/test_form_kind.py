"""The rules of forms: which version is sent as what, decided by facts and memory alone."""

import pytest

from channels.form import Form
from channels.kind import Go, Hold, Occasion, Outcome, Wait
from messages.lifecycle import Event
from messages.problem import Problems

RULES = Form("form-to-hl7", {"study_within_hours": 24})
#: 2025-11-20T18:29:00Z and an hour later.
NOW = 1763663340.0 + 3600


def facts(version="1", minute=29, status="completed", **more):
    found = {"form": ("qr-1",), "status": (status,), "authored": (f"2025-11-20T15:{minute:02}:00-03:00",)}
    if version is not None:
        found["version"] = (version,)
    return found | {name: (value,) for name, value in more.items()}


def occasion(delivery=16, others=None, now=NOW):
    known = others or {}
    return Occasion(
        now=now, delivery=delivery, remembered=lambda key: known.get(("form", key)),
        elsewhere=lambda kind, key: known.get((kind, key)), is_open=lambda _: False,
    )  # fmt: skip


def accepted(memory, said, delivery=16):
    assert isinstance(said, Go)
    after, _ = RULES.settled(said.memory, Outcome(event=Event.ACCEPTED, delivery=delivery, now=NOW))
    return after


def sent(memory, given):
    return accepted(memory, RULES.before_mapping(given, memory, occasion()))


def test_a_first_form_is_new_and_a_later_one_replaces_it():
    memory = sent(None, facts("1"))
    said = RULES.before_mapping(facts("2"), memory, occasion())

    assert memory["live"]["document"] == "qr-1.v1"
    assert said.values == {"change": "again", "version": "2", "document": "qr-1.v2", "previous": "qr-1.v1"}


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [
        (facts("2"), facts("1"), "superseded"),
        (facts("1"), facts("1"), "the same version"),
        (facts("10"), facts("9"), "superseded"),
        (facts(None, 30), facts(None, 29), "superseded"),
        (facts(None, 30), facts(None, 30), "the same version"),
        (facts("abc", 30), facts("def", 29), "superseded"),
    ],
)
def test_what_is_not_later_is_not_sent(first, second, held):
    said = RULES.before_mapping(second, sent(None, first), occasion())

    assert isinstance(said, Hold)
    assert held in said.reason


def test_a_refused_document_does_not_stand_there_and_the_next_one_is_new():
    said = RULES.before_mapping(facts("1"), None, occasion())
    memory, _ = RULES.settled(said.memory, Outcome(event=Event.REFUSED, delivery=16, now=NOW))

    assert RULES.before_mapping(facts("2"), memory, occasion()).values["change"] == "new"


def test_a_form_that_was_withdrawn_may_come_again_later():
    memory = sent(sent(None, facts("1")), facts("2", status="entered-in-error"))

    assert memory["live"] is None
    assert RULES.before_mapping(facts("3"), memory, occasion()).values["change"] == "new"
    assert isinstance(RULES.before_mapping(facts("1"), memory, occasion()), Hold)


@pytest.mark.parametrize("status", ["in-progress", "stopped"])
def test_what_is_not_completed_is_not_sent(status):
    assert isinstance(RULES.before_mapping(facts(status=status), None, occasion()), Hold)


def test_a_form_waits_until_powerserver_has_the_appointment_of_its_order():
    given = facts(study="sr-55")
    on_its_way = {("appointment", "order sr-55"): {"state": "REQUESTED"}}
    there = {("appointment", "order sr-55"): {"state": "REQUESTED", "powerserver": {"state": "PENDING"}}}

    assert isinstance(RULES.before_mapping(given, None, occasion()), Wait)
    assert isinstance(RULES.before_mapping(given, None, occasion(others=on_its_way)), Wait)
    assert isinstance(RULES.before_mapping(given, None, occasion(others=there)), Go)


def test_a_form_does_not_wait_for_ever():
    with pytest.raises(Problems, match="FORM_STUDY_UNKNOWN"):
        RULES.before_mapping(facts(study="sr-55"), None, occasion(now=NOW + 25 * 3600))


def test_an_addendum_needs_the_form_that_it_adds_to():
    parent = {("form", "qr-0"): {"live": {"document": "qr-0.v3"}}}
    said = RULES.before_mapping(facts(adds_to="qr-0"), None, occasion(others=parent))

    assert said.values == {"change": "addendum", "version": "1", "document": "qr-1.v1", "previous": "qr-0.v3"}
    with pytest.raises(Problems, match="FORM_PARENT_UNKNOWN"):
        RULES.before_mapping(facts(adds_to="qr-0"), None, occasion())


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"study_within_hours": -1}, "number of hours"), ({"study_within": 1}, "no setting 'study_within'"), ({}, None)],
)
def test_settings_of_the_site_are_checked(settings, words):
    found = [text for _, text, _ in Form.check(settings)]

    assert (found == []) if words is None else (words in found[0])
