from __future__ import annotations

from tests.rig.huge import huge


def test_what_is_far_too_large_is_refused_and_costs_little(tmp_path):
    assert huge(tmp_path, full=False).failed() == []
