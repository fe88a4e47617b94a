from __future__ import annotations

from tests.rig.clock import clock_jumps


def test_a_clock_that_jumps_loses_nothing_and_hurries_no_retry(tmp_path, seed):
    assert clock_jumps(tmp_path, 16, seed).failed() == []
