from __future__ import annotations

import pytest

from tests.rig.retries import retries


@pytest.mark.parametrize("script", ["hang up", "garbage"])
def test_a_peer_that_fails_is_asked_once_for_each_wait(tmp_path, script):
    assert retries(tmp_path, script).failed() == []
