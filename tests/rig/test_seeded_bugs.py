from __future__ import annotations

import pytest

from tests.rig.bugs import copy_tree, is_caught, plant
from tests.rig.seeded import BUGS


def test_every_seeded_bug_can_still_be_planted(tmp_path):
    for number, bug in enumerate(BUGS):
        tree = tmp_path / str(number)
        copy_tree(tree, only={name for name, _, _ in bug.edits})
        plant(bug, tree)


# The others take minutes: `make soak ONLY=T20`.
@pytest.mark.parametrize("name", ["no answer counts as accepted", "pending messages are pruned"])
def test_a_seeded_bug_is_caught(tmp_path, name):
    assert is_caught(next(bug for bug in BUGS if bug.name == name), tmp_path)
