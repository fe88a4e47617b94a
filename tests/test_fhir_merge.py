"""Changes to a resource that others write to as well: ours in, theirs kept."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import fhir_envelope, fhir_merge
from connectors.fhir_merge import dumps, json_patch, loads, merged
from simulators.omegaai_records import _patched

NAMES = st.sampled_from(["status", "comment", "minutesDuration", "participant", "extension"])
VALUES = st.one_of(st.text(max_size=3), st.integers(0, 9), st.lists(st.integers(0, 3), max_size=2))
RESOURCES = st.dictionaries(NAMES, VALUES)


@pytest.mark.parametrize("module", [fhir_envelope, fhir_merge], ids=["fhir_envelope", "fhir_merge"])
def test_the_examples_of_the_docstrings_are_right(module):
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize(
    ("theirs", "ours", "result"),
    [
        pytest.param({"status": "a", "comment": "x"}, {"status": "b"}, {"status": "b", "comment": "x"}, id="replaced"),
        pytest.param({"comment": "x"}, {"comment": None}, {}, id="removed"),
        pytest.param({}, {"comment": None}, {}, id="removed where it is not"),
        pytest.param({"id": "1", "meta": {"a": 1}}, {"id": "9", "meta": {}}, {"id": "1", "meta": {"a": 1}},
                     id="id and meta are the server's"),
        pytest.param({"start": "1", "_start": {"id": "x"}}, {"start": "2"}, {"start": "2"},
                     id="extensions go with the value they were of"),
        pytest.param({"start": "1", "_start": {"id": "x"}}, {"start": "1"}, {"start": "1", "_start": {"id": "x"}},
                     id="and stay with it"),
        pytest.param({"status": "a", "text": {"status": "generated"}}, {"status": "b"}, {"status": "b"},
                     id="a narrative made from the old elements goes"),
        pytest.param({"status": "a", "text": {"status": "additional"}}, {"status": "b"},
                     {"status": "b", "text": {"status": "additional"}}, id="a person's narrative stays"),
        pytest.param({"status": "a", "text": {"status": "generated"}}, {"status": "a"},
                     {"status": "a", "text": {"status": "generated"}}, id="nothing changed, nothing goes"),
        pytest.param({"identifier": [1, 2]}, {"identifier": [3]}, {"identifier": [3]}, id="a list is replaced"),
    ],
)  # fmt: skip
def test_elements_given_replace_and_the_others_stay(theirs, ours, result):
    assert merged(theirs, ours, {}) == result


@pytest.mark.parametrize(
    ("theirs", "ours", "result"),
    [
        ([], [{"system": "a", "value": "1"}], [{"system": "a", "value": "1"}]),
        (
            [{"system": "a", "value": "1", "use": "old"}, {"system": "b", "value": "1"}],
            [{"system": "a", "value": "1", "use": "usual"}],
            [{"system": "a", "value": "1", "use": "usual"}, {"system": "b", "value": "1"}],
        ),
        ([{"system": "a", "value": "1", "use": "old"}], [{"system": "a", "value": "1", "use": None}],
         [{"system": "a", "value": "1"}]),
        ([{"text": "no key"}], [{"text": "no key"}], [{"text": "no key"}]),
        ([{"text": "no key"}], [{"text": "other"}], [{"text": "no key"}, {"text": "other"}]),
    ],
)  # fmt: skip
def test_items_of_a_joined_list_are_merged_one_by_one(theirs, ours, result):
    join = {"identifier": ("system", "value")}
    assert merged({"identifier": theirs}, {"identifier": ours}, join) == {"identifier": result}


def test_items_are_told_apart_by_what_lies_deeper():
    patient = {"actor": {"reference": "Patient/1"}, "status": "needs-action", "required": "required"}
    room = {"actor": {"reference": "Location/1"}, "status": "accepted"}
    confirmed = {"actor": {"reference": "Patient/1"}, "status": "accepted"}
    result = merged(
        {"participant": [patient, room]}, {"participant": [confirmed]}, {"participant": ("actor.reference",)}
    )
    assert result == {"participant": [patient | {"status": "accepted"}, room]}


@given(RESOURCES, st.dictionaries(NAMES, st.none() | VALUES))
def test_a_change_put_in_twice_is_put_in_once(theirs, ours):
    join = {"participant": ("actor.reference",)}
    once = merged(theirs, ours, join)
    assert merged(once, ours, join) == once


@given(RESOURCES, RESOURCES)
def test_a_patch_leads_from_one_resource_to_the_other(before, after):
    assert _patched(before, json_patch(before, after)) == after


def test_decimals_keep_their_digits():
    text = b'{"valueDecimal":1.10,"small":1E-7,"count":3}'
    assert dumps(loads(text)) == text
