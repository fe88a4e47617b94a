from __future__ import annotations

import shutil

import pytest

from simulators.powerserver import PowerServer
from tests.replay.kit import ROOT, Site


@pytest.fixture
def site(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    with PowerServer() as powerserver:
        env = {
            "PLUGIN_HOST_DATA": str(tmp_path / "data"),
            "PLUGIN_HOST_FHIR_PORT": "0",
            "PLUGIN_HOST_CONSOLE_PORT": "0",
            "POWERSERVER_MLLP_PORT": str(powerserver.port),
        }
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        yield Site(tmp_path / "mappings", powerserver, env)


@pytest.fixture
def running(site):
    """The site with the shipped revision deployed."""
    site.start()
    return site
