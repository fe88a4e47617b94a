from __future__ import annotations

from tests.rig import kills


def test_nothing_acknowledged_is_lost_or_overtaken_over_twenty_kills_under_load(tmp_path, seed):
    assert kills.random_kills(tmp_path, kills.SHORT, seed).failed() == []
