"""The wheel: it brings one module and one folder, and lives beside distributions that use the names of our rooms."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.cli.console_script import free_ports

ROOT = Path(__file__).resolve().parents[2]
#: Top-level names of ours that other distributions use too.
CONTESTED = ("store", "channels", "connectors", "messages")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """A distribution that installs top-level packages with the names of our rooms."""
    path = tmp_path_factory.mktemp("stranger") / "stranger-1.0-py3-none-any.whl"
    files = {f"{name}/__init__.py": b"WHOSE = 'a stranger'\n" for name in CONTESTED}
    files |= {
        "stranger-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n",
        "stranger-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    files["stranger-1.0.dist-info/RECORD"] = (record + "stranger-1.0.dist-info/RECORD,,\n").encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


class Installed:
    """An environment of its own in which wheels are installed, with the libraries that the tests run with."""

    def __init__(self, folder: Path, *wheels: Path) -> None:
        self.folder = folder
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.python = folder / "venv" / "bin" / "python"
        self._libraries()
        for each in wheels:
            subprocess.run(
                [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", self.python,
                 "install", "--no-deps", "--no-index", each],
                check=True,
            )  # fmt: skip

    def _libraries(self) -> None:
        """Make every library of this environment visible, but not the checkout that is installed here."""
        libraries = self.folder / "libraries"
        libraries.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith(("plugin_host", "_plugin_host", "__pycache__")) and entry.suffix != ".pth":
                (libraries / entry.name).symlink_to(entry)
        purelib = self.output("import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        (Path(purelib) / "libraries.pth").write_text(f"{libraries}\n")

    def output(self, code: str) -> str:
        """Run Python code there; return what it prints."""
        return self._run([self.python, "-c", code]).stdout

    def plugin_host(self, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command from a folder that is not the checkout."""
        return self._run([self.python.with_name("plugin-host"), *map(str, arguments)], **env)

    def _run(self, command: list[object], **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.elsewhere, capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "PYTHONPATH": "", **env},
        )  # fmt: skip


@pytest.fixture(scope="session", params=["ours first", "stranger first"])
def installed(request, tmp_path_factory, wheel, stranger):
    order = (wheel, stranger) if request.param == "ours first" else (stranger, wheel)
    return Installed(tmp_path_factory.mktemp("installed"), *order)


def test_the_wheel_installs_one_module_and_one_folder(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0] for name in names} == {
        "plugin_host.py", "plugin_host_rooms", "plugin_host-0.1.0.dist-info",
    }  # fmt: skip


def test_the_wheel_holds_all_rooms_and_the_shipped_site_and_nothing_left_over(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.removeprefix("plugin_host_rooms/") for name in names if name.startswith("plugin_host_rooms/")}

    rooms = {"messages", "connectors", "transformers", "store", "channels", "console", "simulators", "host", "mappings"}
    assert {name.split("/")[0] for name in inside} == rooms
    for room in rooms:
        tracked = subprocess.run(["git", "ls-files", room], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert set(tracked.splitlines()) <= inside
    assert [name for name in inside if "__pycache__" in name or name.startswith("tests")] == []


def test_all_plugins_of_the_wheel_work_beside_the_stranger(installed):
    found = installed.plugin_host("plugins", "--json")

    assert found.returncode == 0, found.stderr
    plugins = json.loads(found.stdout)["plugins"]
    assert {plugin["name"] for plugin in plugins} >= {"fhir-listener", "mllp-sender", "fhir-to-hl7"}
    assert {plugin["origin"] for plugin in plugins} == {"plugin-host 0.1.0"}


def test_the_strangers_packages_stay_the_strangers(installed):
    for name in CONTESTED:
        assert installed.output(f"import {name}; print({name}.WHOSE)") == "a stranger\n"


def test_our_rooms_are_ours_once_the_front_door_is_imported(installed):
    code = "import plugin_host, store, channels.registry; print(store.__file__); print(channels.registry.__file__)"

    for path in installed.output(code).splitlines():
        assert "/plugin_host_rooms/" in path


def test_a_strangers_room_that_was_imported_first_is_refused_and_named(installed):
    done = installed._run([installed.python, "-c", "import store, plugin_host; plugin_host.main()"])

    assert done.returncode != 0
    assert "'store' was imported from" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_site_is_made_checked_and_tested_from_another_folder(installed, tmp_path):
    site = tmp_path / "site"

    assert installed.plugin_host("init", site).returncode == 0
    assert installed.plugin_host("check", "--site", site).returncode == 0
    tested = installed.plugin_host("test", "--site", site)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_message_goes_through_from_another_folder(installed):
    fhir, console, mllp = map(str, free_ports(3))
    ports = {"PLUGIN_HOST_FHIR_PORT": fhir, "PLUGIN_HOST_CONSOLE_PORT": console, "POWERSERVER_MLLP_PORT": mllp}
    demo = installed.plugin_host("demo", "--once", **ports)

    assert demo.returncode == 0, demo.stderr
    assert "\n  MSA|AA|" in demo.stdout


def test_messages_are_not_kept_beside_the_library(installed):
    refused = [installed.plugin_host(command) for command in ("run", "status", "reconcile")]

    for done in refused:
        assert (done.returncode, done.stdout) == (3, "")
        assert "plugin-host init mappings" in done.stderr
