from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from simulators.powerserver import PowerServer
from tests.cli.console_script import ROOT, RunningHost, without_clock


@pytest.fixture(scope="session")
def powerserver():
    with PowerServer() as peer:
        yield peer


@pytest.fixture(scope="session")
def host(tmp_path_factory, powerserver):
    """A host that all tests of a session share: each books for itself and leaves the channel started."""
    folder = tmp_path_factory.mktemp("host")
    with RunningHost(folder / "data", powerserver.port, site=_shipped(folder)) as running:
        yield running


@pytest.fixture
def own_host(tmp_path):
    """A host of the test's own, to be killed; its PowerServer too."""
    with PowerServer() as peer, RunningHost(tmp_path / "data", peer.port, site=_shipped(tmp_path / "own")) as running:
        running.peer = peer
        yield running


@pytest.fixture
def site(tmp_path):
    """A copy of the shipped site."""
    return Path(shutil.copytree(ROOT / "mappings", tmp_path / "mappings"))


def _shipped(folder: Path) -> Path:
    return without_clock(Path(shutil.copytree(ROOT / "mappings", folder / "mappings")))
