"""What editors and code reviews read: SARIF, JSON Schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from host.codes import codes
from host.command_line import plugin_host as front_door
from tests.cli.console_script import CHANNEL, ROOT


def run(*arguments: object):
    return CliRunner().invoke(front_door, [str(argument) for argument in arguments], prog_name="plugin-host")


@pytest.fixture
def site(tmp_path):
    return Path(shutil.copytree(ROOT / "mappings", tmp_path / "my site"))


def log_of(site: Path, tmp_path: Path, *edits: tuple[str, str]) -> dict:
    file = site / f"{CHANNEL}.yaml"
    text = file.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    run("check", CHANNEL, "--site", site, "--sarif", tmp_path / "out.sarif")
    return json.loads((tmp_path / "out.sarif").read_text())


def test_sarif_has_the_shape_that_the_standard_asks_for(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = log_of(site, tmp_path, ("%patient.gender", "%patient.gendre"), ("AIG-12:", "AIG-99:"))

    assert (log["version"], set(log)) == ("2.1.0", {"$schema", "version", "runs"})
    (one,) = log["runs"]
    assert set(one) == {"tool", "columnKind", "results"}
    rules = one["tool"]["driver"]["rules"]
    assert (one["tool"]["driver"]["name"], [rule["id"] for rule in rules]) == ("plugin-host", ["E103", "E403"])
    assert all(rule["shortDescription"]["text"] == codes()[rule["id"]].cause for rule in rules)
    assert len(one["results"]) == 2
    for result in one["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note", "none"}
        assert result["message"]["text"]
        (where,) = result["locations"]
        place = where["physicalLocation"]
        assert place["artifactLocation"]["uri"] == f"my%20site/{CHANNEL}.yaml"
        assert place["region"]["startLine"] > 100
        assert place["region"]["startColumn"] > 0


def test_a_fit_site_gives_a_log_without_results(site, tmp_path):
    (one,) = log_of(site, tmp_path)["runs"]

    assert (one["results"], one["tool"]["driver"]["rules"]) == ([], [])


@pytest.mark.parametrize("kind", ["mapping", "site"])
def test_the_printed_schema_is_the_one_that_the_site_has(kind):
    assert json.loads(run("schema", kind).stdout) == json.loads((ROOT / "mappings" / f"{kind}.schema.json").read_text())
