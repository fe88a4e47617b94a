from __future__ import annotations

import pytest

from tests.rig.bad_peers import bad_peer_alone


@pytest.mark.parametrize(
    "manner", ["names another message", "answers when nobody waits any more", "refuses every message"]
)
def test_a_bad_peer_costs_nobody_else_and_is_credited_with_nothing(tmp_path, manner):
    assert bad_peer_alone(tmp_path, manner, 24).failed() == []
