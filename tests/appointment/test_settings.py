"""The table of statuses of a site is total, in FHIR's and Blume's words, or refused with what is missing."""

import copy

import pytest

from channels.appointment_settings import check
from channels.appointment_states import State
from host.site import read_site
from tests.appointment.kit import SETTINGS
from tests.cli.console_script import ROOT


def edited(way, value):
    settings = copy.deepcopy(SETTINGS)
    around = settings
    for step in way[:-1]:
        around = around.setdefault(step, {})
    if value is None:
        del around[way[-1]]
    else:
        around[way[-1]] = value
    return settings


def test_the_shipped_site_s_table_is_total():
    assert check(read_site(ROOT / "mappings").values["appointment"]) == []
    assert check(SETTINGS) == []


@pytest.mark.parametrize(
    ("way", "value", "at", "told"),
    [
        (("statuses", "default"), None, (), "statuses: default: is missing"),
        (("statuses", "default", "CONFIRMED"), None, ("statuses", "default"), "does not say ris and fhir and blume of"),
        (("statuses", "default", "NOSHOW", "fhir"), "no-show", None, "'no-show' is no status of a FHIR Appointment"),
        (("statuses", "default", "READY", "blume"), "Ready", None, "Blume shows no 'Ready'"),
        (("statuses", "default", "READY", "hl7"), "Started", None, "no side 'hl7'"),
        (("statuses", "default", "CONFIRMD"), {"fhir": "booked"}, None, "'CONFIRMD' is no state"),
        (
            ("statuses", "org-1", "WAITLIST"),
            {"fhir": "pending"},
            ("statuses", "org-1"),
            "no state for the FHIR status wa",
        ),
        (("requested_when", "states"), ["SCHEDULED"], ("requested_when", "states"), "'SCHEDULED' is no state"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_place(way, value, at, told):
    (found,) = check(edited(way, value))

    assert told in found[1]
    assert tuple(found[0]) == (way if at is None else at)


def test_no_show_has_its_near_word():
    (found,) = check(edited(("statuses", "default", "NOSHOW", "fhir"), "no-show"))

    assert found[2] == "did you mean 'noshow'?"


def test_every_state_needs_its_row():
    for state in set(State) - {State.NONE, State.OUTSIDE}:
        assert check(edited(("statuses", "default", str(state)), None)) != []
