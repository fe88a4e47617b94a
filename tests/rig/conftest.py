from __future__ import annotations

import pytest

from tests.rig.figures import chosen_seed


@pytest.fixture
def seed() -> int:
    """Printed by each trial; `RIG_SEED` replays a failing one."""
    return chosen_seed()
