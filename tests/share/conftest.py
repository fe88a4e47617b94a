"""A store of its own for each test of jobs, shares and the audit trail."""

from __future__ import annotations

import pytest

from store.connection import connect
from store.schema import migrate
from store.store import Store


@pytest.fixture
def folder(tmp_path):
    link = connect(tmp_path / "data")
    migrate(link)
    link.close()
    return tmp_path / "data"


@pytest.fixture
def store(folder):
    opened = Store(folder, "test")
    yield opened
    opened.close()
