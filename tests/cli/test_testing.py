"""`plugin-host test`: coverage, JUnit XML, and again after each change."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from host.command_line import plugin_host as front_door
from host.watching import changes
from tests.cli.console_script import CHANNEL, ROOT, SCRIPT


def run(*arguments: object):
    return CliRunner().invoke(front_door, [str(argument) for argument in arguments], prog_name="plugin-host")


@pytest.fixture
def site(tmp_path):
    return Path(shutil.copytree(ROOT / "mappings", tmp_path / "mappings"))


def test_coverage_is_a_figure_for_each_kind():
    result = run("test", CHANNEL, "--coverage", "--site", ROOT / "mappings")
    found = json.loads(run("test", CHANNEL, "--json", "--site", ROOT / "mappings").stdout)["coverage"]

    assert found["missing"] == []
    assert found["figures"]["rules"]["touched"] == found["figures"]["rules"]["all"] > 80
    assert "rows of tables/authorities.csv" in found["figures"]
    assert "100 %" in result.stdout


def test_what_no_test_touches_is_listed_with_its_place(site):
    table = site / "tables" / "ordersets.csv"
    table.write_text(table.read_text() + "US01,ULTRASOUND,US\n")
    line = len(table.read_text().splitlines())
    result = run("test", CHANNEL, "--coverage", "--site", site)

    assert result.exit_code == 0
    assert f"mappings/tables/ordersets.csv:{line}:1: no test touches this: the row US01\n" in result.stdout


def test_junit_xml_has_a_suite_for_each_file_a_case_for_each_test_and_the_differences(site, tmp_path):
    file = site / f"{CHANNEL}.yaml"
    file.write_text(file.read_text().replace("expect: { PID-8: F }", "expect: { PID-8: X }"))
    (site / "broken.yaml").write_text("version: 1\n")
    result = run("test", "--site", site, "--junit", tmp_path / "out.xml")
    suites = ET.parse(tmp_path / "out.xml").getroot()

    assert (result.exit_code, suites.tag) == (1, "testsuites")
    suite = suites.find(f"testsuite[@name='{file}']")
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases) > 20
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "0", "0")
    (failed,) = suite.findall("testcase[failure]")
    assert (failed.get("name"), failed.get("classname")) == ("a woman is F", str(file))
    assert failed.find("failure").get("message") == "PID-8 Administrative Sex: expected X, got F"
    assert suites.find("testsuite[@errors='1']/testcase/error") is not None


# -- watch ------------------------------------------------------------------------------------------------------------


def test_a_change_a_new_file_and_a_deleted_one_are_each_told_once(tmp_path):
    kept, gone, note = tmp_path / "a.yaml", tmp_path / "b.csv", tmp_path / "note.txt"
    for path in (kept, gone, note):
        path.write_text("1")
    steps = iter([
        lambda: None,
        lambda: kept.write_text("12"),
        lambda: note.write_text("12"),
        lambda: (gone.unlink(), (tmp_path / "c.json").write_text("{}")),
    ])  # fmt: skip

    def wait() -> bool:
        step = next(steps, None)
        if step is not None:
            step()
        return step is not None

    found = [[path.name for path in changed] for changed in changes(tmp_path, wait)]
    assert found == [["a.yaml"], ["b.csv", "c.json"]]


def test_watch_runs_again_after_a_change_and_tells_a_broken_site_without_ending(site):
    command = [SCRIPT, "test", CHANNEL, "--watch", "--site", str(site)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = iter(process.stderr)
            assert "tests passed" in next(said)
            text = (site / "site.yaml").read_text()
            (site / "site.yaml").write_text("version: 2\n")
            assert "site.yaml changed" in "".join([next(said), next(said)])
            assert "site.yaml" in next(said)
            (site / "site.yaml").write_text(text)
            for line in said:
                if "tests passed" in line:
                    break
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            process.kill()
