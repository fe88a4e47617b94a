from __future__ import annotations

from tests.rig.power_loss import power_loss


def test_no_power_cut_takes_back_what_was_promised_and_the_weaker_setting_does(tmp_path, seed):
    assert power_loss(tmp_path, states=300, control=100, seed=seed).failed() == []
