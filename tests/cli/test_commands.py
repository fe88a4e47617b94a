"""The other commands that need no running host."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess

import click
import pytest

from host import command_line
from host.codes import codes
from host.command_line import COMMANDS
from host.command_line import plugin_host as front_door
from tests.cli.console_script import CHANNEL, ROOT, SCRIPT, edit, line_of, plugin_host, run

NOW = "2025-11-20T15:30:00-03:00"


def test_the_shipped_site_has_no_mistake():
    result = run("check")

    assert (result.exit_code, result.stdout) == (0, "")
    assert re.fullmatch(r"\d+ file\(s\), 0 error\(s\), 0 warning\(s\)\n", result.stderr)


def test_a_mistake_is_told_with_its_place_its_line_and_what_is_meant(site):
    edit(site / f"{CHANNEL}.yaml", 'from: "%patient.gender"', 'from: "%patient.gendre"')
    text, data = run("check", "--site", site), run("check", "--site", site, "--json")
    number = line_of(site / f"{CHANNEL}.yaml", "gendre")

    assert text.exit_code == data.exit_code == 1
    first, line, marker, hint = text.stdout.splitlines()[:4]
    assert re.fullmatch(rf"{site}/{CHANNEL}\.yaml:{number}:\d+: error E\d+ .*gendre.*", first), first
    assert "PID-8" in line
    assert marker.strip(" |").startswith("^")
    assert "did you mean 'gender'?" in hint
    found = json.loads(data.stdout)
    assert found["schema"] == 1
    assert found["errors"] == 1
    (problem,) = found["files"][0]["problems"]
    assert set(problem) == {"code", "severity", "text", "hint", "file", "line", "column", "expression"}
    assert (problem["line"], found["files"][0]["fit"]) == (number, False)


def test_all_tests_of_the_shipped_site_pass_and_some_can_be_chosen():
    every, some = run("test"), run("test", "-k", "cancel", "--json")

    assert every.exit_code == some.exit_code == 0
    assert re.fullmatch(r"(\d+) of \1 tests passed\n", every.stderr)
    assert all("cancel" in test["name"] for test in json.loads(some.stdout)["tests"])


def test_a_failed_test_is_told_with_what_differs(site):
    edit(site / f"{CHANNEL}.yaml", "expect: { PID-8: U }", "expect: { PID-8: F }")
    result = run("test", CHANNEL, "--site", site)

    assert result.exit_code == 1
    assert "FAIL an unknown gender is U, none is empty" in result.stdout
    assert "PID-8" in result.stdout.split("FAIL")[1]


def test_a_site_without_tests_is_a_finding(site):
    text = (site / f"{CHANNEL}.yaml").read_text("utf-8")
    (site / f"{CHANNEL}.yaml").write_text(text[: text.index("\ntests:")], "utf-8")

    assert run("test", CHANNEL, "--site", site).exit_code == 1


def test_tests_that_name_no_time_take_the_one_that_is_given(site):
    edit(site / f"{CHANNEL}.yaml", "    now: 2025-11-20T15:30:00-03:00\n    expect: {", "    expect: { MSH-7.1: x,")
    result = run("test", "--site", site, "--now", NOW, "-k", "is an S12")

    assert "20251120153000.000-0300" in result.stdout


def test_coverage_names_the_rules_that_no_test_touches(site):
    edit(
        site / f"{CHANNEL}.yaml",
        "  RGS-1: { number: true }",
        '  RGS-1: { number: true }\n  PID-23: { from: "%patient.managingOrganization.display" }',
    )
    result = run("test", "--site", site, "--coverage", "-k", "S12")

    number = line_of(site / f"{CHANNEL}.yaml", "PID-23")
    assert f"{CHANNEL}.yaml:{number}:3: no test touches this" in result.stdout


def test_every_code_that_the_rooms_name_is_explained():
    used = {
        code
        for room in ("host", "transformers", "channels")
        for path in (ROOT / room).rglob("*.py")
        for code in re.findall(r'"(E\d{3})"', path.read_text("utf-8"))
    }

    assert sorted(used - set(codes())) == []


def test_explain_lists_all_codes_and_tells_one():
    every, one, data = run("explain"), run("explain", "e151"), run("explain", "--json")

    assert [line.split("  ")[0] for line in every.stdout.splitlines()] == sorted(codes())
    assert one.stdout.startswith("E151\n\nCause    ")
    assert "plugin-host plugins" in one.stdout
    assert set(json.loads(data.stdout)["codes"]["E151"]) == {"cause", "example", "cure"}
    assert (run("explain", "E999").exit_code, run("explain", "E999").stdout) == (1, "")


def test_plugins_lists_ours_and_tells_the_settings_of_one():
    every, one = run("plugins", "--json"), run("plugins", "mllp-sender")

    assert every.exit_code == 0
    assert {"fhir-listener", "mllp-listener", "mllp-sender", "fhir-to-hl7"} <= {
        plugin["name"] for plugin in json.loads(every.stdout)["plugins"]
    }
    assert "  port: int, required\n      TCP port of the receiver.\n" in one.stdout
    assert run("plugins", "mllp-sendre").exit_code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_one_that_it_reads(shell):
    script = plugin_host("completion", shell)

    assert script.code == 0
    assert "plugin-host" in script.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script.out, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "gives"),
    [("plugin-host sta", "status"), ("plugin-host pause app", CHANNEL), ("plugin-host messages f", "find")],
)
def test_words_are_completed(words, gives):
    completed = subprocess.run(
        [SCRIPT],
        env={
            **os.environ,
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
            "_PLUGIN_HOST_COMPLETE": "bash_complete",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"plain,{gives}" in completed.stdout.splitlines()


def test_init_makes_a_site_whose_check_and_tests_pass(tmp_path):
    folder = tmp_path / "my-site"
    made = run("init", folder)

    assert (made.exit_code, made.stdout) == (0, f"{folder}\n")
    assert run("check", "--site", folder).exit_code == 0
    assert run("test", "--site", folder).exit_code == 0
    again = run("init", folder)
    assert (again.exit_code, again.stdout) == (6, "")
    assert "nothing was written" in again.stderr


def test_every_command_module_is_in_the_table():
    modules = {path.stem for path in (ROOT / "host").glob("command_*.py")}
    helpers = {"command_line", "command_bug", "command_site", "command_access", "command_channel"}
    named = {module.removeprefix("host.") for module, _ in COMMANDS.values()}

    assert modules - helpers - named == set()
    for name, (module, _) in COMMANDS.items():
        assert isinstance(getattr(importlib.import_module(module), f"{name}_command"), click.Command)


def test_exit_codes_are_those_of_the_documentation():
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    exits = {name: value for name, value in vars(command_line).items() if name.startswith("EXIT_")}

    assert sorted(map(int, re.findall(r"^\| (\d+) \|", page, re.MULTILINE))) == sorted(exits.values())


def test_every_command_and_option_is_documented():
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    context = click.Context(front_door)
    missing = []
    for name in COMMANDS:
        command = front_door.get_command(context, name)
        parts = command.commands.values() if isinstance(command, click.Group) else [command]
        if f"`{name}" not in page:
            missing.append(name)
        for part in parts:
            missing += [
                f"{name} {option}"
                for parameter in part.params
                if isinstance(parameter, click.Option)
                for option in parameter.opts
                if option.startswith("--") and option not in page
            ]
    assert missing == []
