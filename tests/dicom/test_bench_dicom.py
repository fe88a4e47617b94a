"""The migration bench in a short profile; `python -m bench.dicom` has the full figures."""

import sys

import pytest

from bench import dicom


@pytest.mark.skipif(sys.platform != "linux", reason="quick acknowledgement is Linux's")
def test_a_migration_does_not_wait_where_dcmtks_own_pair_does_and_is_flat_in_memory(tmp_path):
    figures = dicom.measure(tmp_path, count=60, rounds=1)

    # The goal is 8, which the command holds it to; here other tests run beside it. With the delay it would be 1.
    assert figures["ratio"] >= 2
    assert dicom.holds(figures, "cpu_ms_per_instance")
    assert dicom.holds(figures, "grew_mb")


def test_a_goal_that_is_missed_is_not_held():
    assert not dicom.holds({"ratio": 1.0}, "ratio")
    assert not dicom.holds({"cpu_ms_per_instance": 3.1}, "cpu_ms_per_instance")
