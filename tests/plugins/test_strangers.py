"""Connectors that others wrote: found by their entry points, run without any change here; broken ones are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from simulators.blume import make_bundle
from simulators.powerserver import PowerServer
from tests.cli.console_script import CHANNEL, ROOT, RunningHost, free_ports, line_of, plugin_host, wait_until

STRANGER = Path(__file__).parent / "stranger"
PAGE = ROOT / "docs" / "plugins.md"


@pytest.fixture
def installed(tmp_path):
    """The stranger's package as pip would leave it, in a folder that Python looks into."""
    folder = tmp_path / "installed"
    shutil.copytree(STRANGER / "clinic_files", folder / "clinic_files")
    _describe(
        folder,
        "clinic-files",
        "clinic-file-writer = clinic_files.writer:FileWriter\nclinic-folder-reader = clinic_files.reader:FolderReader",
    )
    return folder


def _describe(folder: Path, name: str, entry_points: str) -> None:
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[plugin_host.connectors]\n{entry_points}\n")


@pytest.fixture
def broken(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "old_fax.py").write_text("import a_library_that_is_gone\n")
    _describe(folder, "old-fax", "old-fax-sender = old_fax:FaxSender\nold-fax-reader = old_fax_reader:FaxReader")
    return folder


@pytest.fixture
def site(tmp_path):
    return Path(shutil.copytree(ROOT / "mappings", tmp_path / "mappings"))


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, "utf-8")


def write_to_files(site: Path, folder: Path) -> None:
    ours, theirs = ("mllp-sender", "powerserver"), ("clinic-file-writer", "archive")
    lines = "connector: {}\n    station: {}"
    edit(site / f"{CHANNEL}.yaml", (lines.format(*ours), lines.format(*theirs)))
    edit(site / "site.yaml", ("stations:\n", f"stations:\n  archive:\n    folder: {folder}\n"))


def test_a_strangers_connectors_are_listed_with_where_they_come_from(installed):
    listed = plugin_host("plugins", "--json", env={"PYTHONPATH": str(installed)})
    settings = plugin_host("plugins", "clinic-folder-reader", env={"PYTHONPATH": str(installed)})

    assert listed.code == 0
    found = {plugin["name"]: plugin for plugin in listed.json["plugins"]}
    assert found["clinic-file-writer"]["origin"] == "clinic-files 1.0"
    assert found["clinic-file-writer"]["broken"] is None
    assert "  folder: str, required\n      Folder to look into; it must be there.\n" in settings.out


def test_a_strangers_destination_delivers_in_a_host_that_knows_nothing_of_it(installed, site, tmp_path):
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    write_to_files(site, outbox)
    env = {"PYTHONPATH": str(installed)}
    with RunningHost(tmp_path / "data", free_ports(1)[0], site=site, env=env) as host:
        shown = host.wait_for_status(host.book(make_bundle(1)), "SENT")

    (delivery,) = shown["deliveries"]
    (file,) = outbox.iterdir()
    assert file.name == f"{delivery['control_id']}.hl7"
    assert file.read_bytes() == delivery["sent"].encode()
    assert delivery["timeline"][-1]["response"] == file.name


def test_while_the_strangers_folder_is_away_messages_wait(installed, site, tmp_path):
    outbox = tmp_path / "outbox"
    write_to_files(site, outbox)
    env = {"PYTHONPATH": str(installed)}
    with RunningHost(tmp_path / "data", free_ports(1)[0], site=site, env=env) as host:
        message = host.book(make_bundle(1))
        told = wait_until(lambda: "unreachable" in (said := host.command("status").out) and said, "unreachable")
        outbox.mkdir()
        host.wait_for_status(message, "SENT")

    assert "FileNotFoundError" in told


def test_a_strangers_source_is_a_door_like_ours(installed, site, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    ours, theirs = ("fhir-listener", "blume-intake"), ("clinic-folder-reader", "inbox")
    lines = "connector: {}\n  station: {}"
    edit(site / f"{CHANNEL}.yaml", (lines.format(*ours), lines.format(*theirs)))
    edit(site / "site.yaml", ("stations:\n", f"stations:\n  inbox:\n    folder: {inbox}\n    every: 0.1\n"))
    env = {"PYTHONPATH": str(installed)}
    with PowerServer() as peer, RunningHost(tmp_path / "data", peer.port, site=site, env=env) as host:
        (inbox / "whole.json").write_bytes(make_bundle(1))
        (inbox / "broken.json").write_bytes(b'{"resourceType": "Bundle"')
        peer.wait_for(1, 15)
        wait_until(lambda: not list(inbox.glob("*.json")), "the folder is empty")
        assert f"listening on {inbox}" in host.said

    assert [path.name for path in (inbox / "taken").iterdir()] == ["whole.json"]
    assert [path.name for path in (inbox / "refused").iterdir()] == ["broken.json"]


def test_a_wrong_setting_of_a_stranger_is_told_like_ours(installed, site, tmp_path):
    write_to_files(site, tmp_path)
    edit(site / "site.yaml", (f"    folder: {tmp_path}\n", f"    foldre: {tmp_path}\n"))
    result = plugin_host("check", "--site", site, env={"PYTHONPATH": str(installed)})

    assert result.code == 1
    assert "FileWriter has no setting 'foldre'" in result.out
    assert "did you mean 'folder'?" in result.out
    assert "folder is missing: Folder that the files are written to; it must be there." in result.out


def test_a_broken_stranger_is_listed_with_its_reason_and_stops_nobody(broken, tmp_path):
    env = {"PYTHONPATH": str(broken)}
    listed, text = plugin_host("plugins", "--json", env=env), plugin_host("plugins", env=env)
    with PowerServer() as peer, RunningHost(tmp_path / "data", peer.port, env=env) as host:
        host.wait_for_status(host.book(make_bundle(1)), "SENT")

    assert listed.code == text.code == 1
    reasons = {plugin["name"]: plugin["broken"] for plugin in listed.json["plugins"]}
    assert reasons["old-fax-sender"] == "ModuleNotFoundError: No module named 'a_library_that_is_gone'"
    assert reasons["old-fax-reader"] == "ModuleNotFoundError: No module named 'old_fax_reader'"
    assert reasons["mllp-sender"] is None
    assert "BROKEN: ModuleNotFoundError: No module named 'a_library_that_is_gone'" in text.out


FLAKY = """
from dataclasses import dataclass
from clinic_files.reader import FolderReader

@dataclass(kw_only=True)
class FlakyReader(FolderReader):
    async def serve(self, intake, ready):
        class Fails:
            async def accept(self, arrival, compose):
                await intake.accept(arrival, compose)
                raise ZeroDivisionError("CANARY")
        await super().serve(Fails(), ready)
"""


def test_a_strangers_source_that_fails_is_told_and_begins_again(installed, site, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (installed / "flaky.py").write_text(FLAKY)
    _describe(installed, "flaky", "flaky-reader = flaky:FlakyReader")
    edit(site / f"{CHANNEL}.yaml", ("fhir-listener\n  station: blume-intake", "flaky-reader\n  station: inbox"))
    edit(site / "site.yaml", ("stations:\n", f"stations:\n  inbox:\n    folder: {inbox}\n    every: 0.1\n"))
    env = {"PYTHONPATH": str(installed)}
    with PowerServer() as peer, RunningHost(tmp_path / "data", peer.port, site=site, env=env) as host:
        (inbox / "1.json").write_bytes(make_bundle(1))
        told = wait_until(lambda: "a bug of the" in (said := host.command("status").out) and said, "the bug is told")
        (inbox / "1.json").unlink()
        (inbox / "2.json").write_bytes(make_bundle(2))
        peer.wait_for(2, 20)
        errors = host.errors

    assert f"{CHANNEL}: a bug of the connector: ZeroDivisionError; see the log" in told
    assert "ZeroDivisionError" in errors
    assert "CANARY" not in errors + told


@pytest.mark.parametrize(
    ("connector", "says"),
    [
        ("old-fax-sender", "the connector 'old-fax-sender' is broken: ModuleNotFoundError: No module named"),
        ("clinic-file-writre", "no connector 'clinic-file-writre': did you mean 'clinic-file-writer'?"),
        ("clinic-folder-reader", "'clinic-folder-reader' is not a destination connector"),
    ],
)
def test_a_mapping_that_names_a_wrong_stranger_is_refused_with_its_place(connector, says, broken, installed, site):
    edit(site / f"{CHANNEL}.yaml", ("connector: mllp-sender", f"connector: {connector}"))
    result = plugin_host("check", "--site", site, env={"PYTHONPATH": f"{broken}:{installed}"})

    assert result.code == 1
    assert says in result.out
    number = line_of(site / f"{CHANNEL}.yaml", f"connector: {connector}")
    assert f"{CHANNEL}.yaml:{number}:" in result.out.splitlines()[0]


@pytest.mark.parametrize("name", ["clinic_files/writer.py", "clinic_files/reader.py", "pyproject.toml"])
def test_the_page_shows_the_plugin_that_is_tested(name):
    assert (STRANGER / name).read_text("utf-8").strip() in PAGE.read_text("utf-8")


def test_the_page_names_every_part_of_the_contract():
    page = PAGE.read_text("utf-8")
    names = ["`open()`", "`send(encoded, control_id)`", "`close()`", "`serve(intake, ready)`"]
    groups = ["plugin_host.connectors", "plugin_host.transformers"]

    assert [name for name in (*names, *groups) if name not in page] == []
    assert json.dumps("plugin_host.connectors") in page
