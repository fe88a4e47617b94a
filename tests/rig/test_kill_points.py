from __future__ import annotations

from tests.rig.figures import Figures, chosen_points
from tests.rig.kill_points import HostPoints, store_points


def test_a_store_that_is_killed_before_any_of_its_calls_keeps_what_it_promised(tmp_path, seed):
    assert store_points(tmp_path, seed, size=chosen_points(12)).failed() == []


def test_lanes_that_are_killed_before_any_of_their_calls_lose_nothing_and_repeat_at_most_once(tmp_path, seed):
    figures = Figures("T1", seed)
    HostPoints(tmp_path, seed).lanes(figures, size=chosen_points(6))

    assert figures.failed() == []


def test_a_door_that_is_killed_before_any_of_its_calls_accepts_each_message_once(tmp_path, seed):
    figures = Figures("T1", seed)
    HostPoints(tmp_path, seed).intake(figures, size=chosen_points(4))

    assert figures.failed() == []
