from __future__ import annotations

from tests.rig import kills


def test_nothing_acknowledged_is_lost_or_overtaken_over_twenty_kills_under_load(tmp_path, seed):
    assert kills.random_kills(tmp_path, kills.SHORT, seed).failed() == []


def test_a_host_whose_supervisor_was_killed_is_taken_over_without_a_repeat_or_a_loss(tmp_path, seed):
    assert kills.supervisor_kills(tmp_path, rounds=2, seed=seed).failed() == []
