"""The demo site with its peers and its store; a test breaks one thing of it, and it is whole again afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from host.command_doctor import examine_site
from host.deploying import deploy_site
from host.resource_sync import synchronise
from host.running import prepare_store
from host.site import check_files, mapping_files, read_site
from messages.health import Finding, Mark
from simulators import omegaai_resources
from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from store.store import Store
from transformers.resource_file import read_plan

SHIPPED = Path(__file__).parents[2] / "mappings"


@dataclass
class Demo:
    """A site as the demo has it."""

    folder: Path
    data: Path
    omegaai: OmegaAI
    powerserver: PowerServer
    kept: dict[Path, bytes | None] = field(default_factory=dict)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text of a file; it must be there."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text, f"{old!r} is not in {name}"
        self.keep(path)
        path.write_text(text.replace(old, new), "utf-8")

    def append(self, name: str, text: str) -> None:
        path = self.folder / name
        self.keep(path)
        path.write_text(path.read_text("utf-8") + text, "utf-8")

    def keep(self, path: Path) -> None:
        """Remember a file as it is, to be put back."""
        if path not in self.kept:
            self.kept[path] = path.read_bytes() if path.exists() else None

    def declare(self, name: str, value: str) -> None:
        """Declare a fact anew, or for the first time."""
        path = self.folder / "site.yaml"
        self.keep(path)
        lines = path.read_text("utf-8").splitlines(keepends=True)
        line = f"  {name}: {{ value: {value}, by: a test, on: 2025-11-20 }}\n"
        lines = [one for one in lines if not one.startswith(f"  {name}:")]
        lines.insert(next(n for n, one in enumerate(lines) if one.startswith("declared:")) + 1, line)
        path.write_text("".join(lines), "utf-8")

    def restore(self) -> None:
        for path, body in self.kept.items():
            if body is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(body)
        self.kept.clear()

    def compare(self, role: str = "sync") -> None:
        """Compare the resources of both sides, as the host does it."""
        site = read_site(self.folder)
        with contextlib.closing(Store(self.data, role)) as store:
            asyncio.run(synchronise(site, read_plan(site), store, whole=True, accept=True))

    def doctor(self, *only: str) -> list[Finding]:
        return examine_site(read_site(self.folder), only)

    def found(self, *only: str) -> list[Finding]:
        """Return what warns or fails."""
        return [finding for finding in self.doctor(*only) if finding.mark in {Mark.WARN, Mark.FAIL}]


def _free_port() -> int:
    """Return a port that stays free: below those that the system gives to others' sockets (from 32768 on)."""
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


@pytest.fixture(scope="module")
def peers() -> Iterator[tuple[OmegaAI, PowerServer]]:
    with OmegaAI() as omegaai, PowerServer() as powerserver:
        omegaai_resources.load(omegaai.records)
        yield omegaai, powerserver


@pytest.fixture(scope="module")
def whole(tmp_path_factory, peers):
    """The demo site, whole."""
    omegaai, powerserver = peers
    folder = tmp_path_factory.mktemp("site") / "mappings"
    shutil.copytree(SHIPPED, folder)
    export = folder / "samples/powerserver-resources/resources.csv"
    os.utime(export, (time.time() - 60, time.time() - 60))
    data = tmp_path_factory.mktemp("data")
    port = _free_port()
    variables = {
        "PLUGIN_HOST_DATA": str(data), "OMEGAAI_FHIR_URL": omegaai.base, "PLUGIN_HOST_FHIR_PORT": str(port),
        "POWERSERVER_MLLP_PORT": str(powerserver.port),
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    demo = Demo(folder, data, omegaai, powerserver)
    prepare_store(data)
    with contextlib.closing(Store(data, "host")) as store:
        deploy_site(store.writer, store.connection, check_files(read_site(folder), mapping_files(folder)))
    demo.compare()
    yield demo
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@pytest.fixture
def demo(whole) -> Iterator[Demo]:
    """The demo site, to be broken."""
    yield whole
    whole.restore()
