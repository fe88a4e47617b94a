"""PowerServer tells of appointments by orders (ORM^O01, OMI^O23): which one is meant, and what happened to it."""

from datetime import UTC, datetime

import pytest

from channels import appointment as rules
from host.site import kinds
from tests.appointment.kit import Story, change
from tests.appointment.world import World
from tests.cli.console_script import ROOT
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests, untouched

SITE = ROOT / "mappings"
START = datetime(2027, 3, 1, 12, tzinfo=UTC)


def order(story, control, status, **facts):
    """PowerServer tells of the order, of which it has no appointment's number of Blume's."""
    given = {"event": "O01", "order_control": control, "placer": None, "filler": "PS-1", "order": ("sr-1",)}
    return story.powerserver(status, **given | facts)


@pytest.mark.parametrize("name", ["order-to-blume", "imaging-order-to-blume"])
def test_the_mapping_of_orders_has_no_problem_and_its_tests_touch_every_rule(name):
    checked = check_mapping(SITE / f"examples/{name}.yaml", load_site(SITE, {}, kinds()))
    results = run_tests(checked, SITE)

    assert [show(problem, checked.source) for problem in checked.problems] == []
    assert {result.name: result.differences for result in results if not result.passed} == {}
    assert untouched(checked.plan, results) == []


def test_an_order_of_powerserver_is_about_the_appointment_that_the_patient_asked_for():
    story = Story()
    story.blume("proposed", order=("sr-1",))

    assert story.sides["hl7-to-fhir"].keys({"filler": ("PS-1",), "order": ("sr-1",)}) == ("filler PS-1", "order sr-1")
    assert story.sides["fhir-to-hl7"].keys({"placer": ("appt-2",), "order": ("sr-1",)}) == ("placer appt-2",)
    said = order(story, "SC", "CONFIRMED")
    assert (change(said), said.values["placed_as"], said.values["status"]) == ("confirmed", "appt-1", "booked")


@pytest.mark.parametrize("control", ["CA", "OC"])
def test_an_order_that_is_cancelled_cancels_the_appointment_whatever_its_status(control):
    story = Story()
    story.blume("proposed", order=("sr-1",))

    assert change(order(story, control, "CONFIRMED")) == "cancelled"


def test_a_changed_order_moves_the_appointment():
    story = Story()
    story.blume("proposed", order=("sr-1",))
    order(story, "SC", "CONFIRMED")

    assert change(order(story, "XO", "CONFIRMED", start=START)) == "confirmed"


def test_a_new_order_that_nobody_in_blume_asked_for_is_booked_and_a_changed_one_is_none_of_blume_s():
    assert change(order(Story(), "NW", "PENDING", order=())) == "booked"
    said = order(Story(), "XO", "PENDING", order=())
    assert (change(said), "placed_as" in said.values) == ("pending", False)


def test_an_order_that_tells_what_this_host_brought_is_an_echo():
    story = Story()
    story.blume("proposed", order=("sr-1",))
    order(story, "SC", "PENDING", priority=("SCHEDULED STATUS",))  # its number

    assert change(order(story, "SC", "PENDING", priority=("SCHEDULED STATUS",))) in {rules.ANSWERED, rules.HEARD}


def test_powerserver_confirms_by_an_order_and_blume_s_appointment_is_booked(tmp_path):
    with World(tmp_path, back="order-to-blume") as world:
        world.patient(1, "proposed", START)
        world.wait_for_powerserver(1, "S12")

        world.staff(1, "order", START)
        held = world.wait_for_blume(1, "booked")

    assert [one["value"] for one in held["identifier"]] == ["appt-1", "PS-1"]
    assert held["participant"][0]["status"] == "accepted"
