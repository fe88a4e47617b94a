"""The front door of the command line: help, wrong words, bugs, interruptions, broken sites."""

from __future__ import annotations

import re
import resource
import subprocess
from pathlib import Path

import pytest

from host.codes import codes
from host.command_bug import report
from host.command_line import COMMANDS
from tests.cli.console_script import CHANNEL, SAMPLE, SCRIPT, edit, plugin_host, run


def test_help_takes_less_than_a_third_of_a_second():
    def seconds() -> float:
        """Return the processor's time: what others run on the machine is not the command's doing."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([SCRIPT, "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(seconds() for _ in range(4)) < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_debug(name):
    result = run(name, "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: plugin-host {name}")
    assert "--debug" in result.stdout


def test_every_command_is_in_the_help():
    text = run("--help").stdout

    assert [name for name in COMMANDS if not re.search(rf"^  {name}  ", text, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stauts"], "There is no command 'stauts': did you mean 'status'?"),
        (["messages", "fnd"], "There is no command 'fnd': did you mean 'find'?"),
        (["check", "--jsn"], "No such option '--jsn'. Did you mean '--json'?"),
        (["check", "appointment-to-powersrver"], f"did you mean '{CHANNEL}'?"),
        (["try", "appointment-to-powersrver", SAMPLE], f"did you mean '{CHANNEL}'?"),
        (["try", CHANNEL, SAMPLE, "--destination", "powersever"], "did you mean 'powerserver'?"),
        (
            ["try", CHANNEL, SAMPLE, "--now", "yesterday"],
            "'yesterday' is no time; write it as 2025-11-20T",
        ),
        (["try", CHANNEL, SAMPLE, "--now", "2025-11-20T15:30:00"], "has no offset"),
        (["try", CHANNEL, "no-such-file.json"], "does not exist"),
        (["zzz"], "There is no command 'zzz': there are: demo, run, init, "),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_and_exit_code_2(arguments, says):
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert says in " ".join(result.stderr.split())


def test_a_bug_is_one_line_and_a_file_without_values(capsys):
    def fail() -> None:
        try:
            raise KeyError("CANARY^PATIENT")
        except KeyError as error:
            raise ValueError("CANARY^PATIENT") from error

    with pytest.raises(ValueError, match="CANARY") as caught:
        fail()
    code = report(caught.value, in_full=False)
    told = capsys.readouterr()
    log = Path(re.search(r"more in (\S+),", told.err)[1])
    written = log.read_text("utf-8")
    log.unlink()

    assert code == 70
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("a bug in plugin-host: ValueError at cli/test_front_door.py:")
    assert "KeyError" in written
    assert "CANARY" not in told.err + written


def test_a_bug_shows_its_traceback_to_who_asks(monkeypatch):
    monkeypatch.setitem(COMMANDS, "broken", ("tests.cli.broken_command", "Fails."))
    quiet, loud = run("broken"), run("broken", "--debug")

    assert quiet.exit_code == loud.exit_code == 70
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    for result in (quiet, loud):
        Path(re.search(r"more in (\S+),", result.stderr)[1]).unlink()


def test_an_interrupted_command_ends_with_130(monkeypatch):
    monkeypatch.setitem(COMMANDS, "interrupted", ("tests.cli.broken_command", "Is interrupted."))
    result = run("interrupted")

    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted"


def test_a_folder_that_the_system_refuses_is_a_matter_of_configuration(tmp_path):
    (tmp_path / "file").write_text("")
    result = plugin_host("run", env={"PLUGIN_HOST_DATA": str(tmp_path / "file" / "data")})

    assert (result.code, result.out) == (3, "")
    assert f"{tmp_path / 'file'}" in result.err


def test_without_a_store_or_with_a_broken_site_the_exit_code_is_3(site):
    no_store = run("status", "--site", site, PLUGIN_HOST_DATA=str(site / "nowhere"))
    edit(site / "site.yaml", "stations:", "statoins:")
    broken = [run(command, "--site", site) for command in ("status", "check", "test", "reconcile")]

    assert no_store.exit_code == 3
    assert "plugin-host run makes one" in no_store.stderr
    for result in broken:
        assert (result.exit_code, result.stdout) == (3, "")
        assert f"{site}/site.yaml:" in result.stderr
        assert "did you mean 'stations'?" in result.stderr


def test_a_host_does_not_start_with_a_broken_site(site):
    edit(site / "site.yaml", "stations:", "statoins:")
    result = plugin_host("run", "--site", site)

    assert (result.code, result.out) == (3, "")
    assert "did you mean 'stations'?" in result.err


def test_who_stops_reading_is_not_shown_an_error():
    done = subprocess.run(f"{SCRIPT} explain | head -1", shell=True, capture_output=True, text=True, check=True)

    assert done.stdout.startswith(f"{min(codes())} ")
    assert done.stderr == ""


def test_no_color_is_used_where_nobody_wants_it():
    for env, command in (({"NO_COLOR": "1"}, ["stauts"]), ({"TERM": "dumb"}, ["plugins"]), ({}, ["check"])):
        result = plugin_host(*command, env=env)
        assert "\x1b" not in result.out + result.err
