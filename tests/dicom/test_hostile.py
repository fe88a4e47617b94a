"""Peers that mean harm, in a short profile; `python -m tests.dicom.hostile` has the full figures."""

import sys

import pytest

from tests.dicom import hostile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@pytest.mark.parametrize("how", hostile.ATTACKS, ids=lambda how: how.__name__.replace("_", " "))
def test_harm_costs_little_memory_and_a_real_peer_is_still_served(tmp_path, how):
    found = hostile.attack(tmp_path / "in", how, megabytes=96)

    assert found["served"]
    assert found["grew_bytes"] <= hostile.LIMIT


def test_aborted_associations_leave_nothing_behind(tmp_path):
    found = hostile.aborted_associations(tmp_path / "in", 250)

    assert found["served"]
    assert max(found["more_threads"], found["more_descriptors"], found["left_files"]) <= 0
    assert found["grew_bytes"] <= 8 * hostile.MEGABYTE
