"""Peers that mean harm, in a short profile; `python -m tests.dicom.hostile` has the full figures.

What is measured is shown to be measured: the library's own server falls to the same attacks, and a door that leaks is
seen to.
"""

import sys

import pytest

from tests.dicom import hostile
from tests.dicom.door import door

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    with door(tmp_path_factory.mktemp("ours"), max_instance_bytes=hostile.MEGABYTE) as at:
        assert hostile.is_served(at.port)
        yield at


@pytest.fixture
def stock(tmp_path):
    """One for each attack: it keeps what an earlier one has cost it."""
    with door(tmp_path / "stock", "stock") as at:
        assert hostile.is_served(at.port)
        yield at


@pytest.mark.parametrize("how", hostile.ATTACKS, ids=lambda how: how.__name__.replace("_", " "))
def test_harm_costs_little_memory_and_a_real_peer_is_still_served(ours, how):
    found = hostile.attack(ours, how, megabytes=96)

    assert found["served"]
    assert found["grew_bytes"] <= hostile.LIMIT


@pytest.mark.parametrize(
    "how",
    [hostile.a_pdu_of_4_gib_before_an_association, hostile.a_deflated_bomb, hostile.thirty_idle_peers],
    ids=lambda how: how.__name__.replace("_", " "),
)
def test_the_same_harm_is_seen_where_a_door_does_not_ward_it_off(stock, how):
    found = hostile.attack(stock, how, megabytes=96)

    assert found["grew_bytes"] > hostile.LIMIT or not found["served"]


def test_aborted_associations_leave_nothing_behind(tmp_path):
    with door(tmp_path / "in") as at:
        assert hostile.is_served(at.port)
        found = hostile.aborted_associations(at, 1000)

    assert found["served"]
    assert max(found["more_threads"], found["more_descriptors"], found["left_files"]) <= 0
    assert found["grew_bytes"] <= 4 * hostile.MEGABYTE


def test_what_aborted_associations_leave_behind_would_be_seen(tmp_path):
    with door(tmp_path / "in", "leaky") as at:
        assert hostile.is_served(at.port)
        found = hostile.aborted_associations(at, 100, within=0.2)

    assert min(found["more_threads"], found["more_descriptors"]) >= 80
    assert found["grew_bytes"] > 5 * hostile.MEGABYTE
