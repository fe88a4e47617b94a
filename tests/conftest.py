"""What holds for all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Some hundred processes are started. Where the environment forbids to keep bytecode, each of them would compile again
# whatever module was edited since it was installed: a start would take twice the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The samples' appointments are of 2025, and the shipped site refuses what is over. Hosts of the tests take them,
# whatever day it is; what the shipped site itself does is shown by tests/cli/test_rules_before_sending.py and
# tests/test_readme.py.
os.environ.setdefault("APPOINTMENT_PAST_WINDOW", "3650 days")


@pytest.hookimpl(trylast=True)  # pytest-randomly shuffles before
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what starts processes before what only computes: the last tests are short, so no worker waits for another.

    `tests/rig` has the longest. Tests of one file stay together, for the fixtures that they share.
    """
    ranks = {path: (path.parent.name != "rig", path.parent == HERE) for path in {item.path for item in items}}
    items.sort(key=lambda item: ranks[item.path])
