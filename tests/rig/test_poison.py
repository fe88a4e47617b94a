from __future__ import annotations

from tests.rig.poison import poison


def test_messages_that_fail_and_one_that_kills_are_parked_and_hold_up_nobody(tmp_path):
    assert poison(tmp_path, messages=100, every=20).failed() == []
