from __future__ import annotations

from tests.rig.disk_errors import failing_syncs


def test_after_a_failed_sync_nobody_is_answered_and_the_process_leaves_at_once(tmp_path, seed):
    assert failing_syncs(tmp_path, seed, size=5).failed() == []
