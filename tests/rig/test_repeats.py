from __future__ import annotations

from tests.rig.repeats import repeats


def test_an_identity_that_comes_again_is_processed_once_and_told_the_same(tmp_path):
    assert repeats(tmp_path, messages=5).failed() == []
