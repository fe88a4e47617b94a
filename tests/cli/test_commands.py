"""The commands that need no running host."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from host import command_line
from host.codes import codes
from host.command_bug import report
from host.command_line import COMMANDS
from host.command_line import plugin_host as front_door
from tests.cli.console_script import CHANNEL, ROOT, SAMPLE, SCRIPT, plugin_host

GOLDEN = ROOT / "mappings" / "samples" / "golden" / "appointment-request.hl7"
WORKED = ROOT / "tests" / "peers" / "siu_s12.hl7"
NOW = "2025-11-20T15:30:00-03:00"


def run(*arguments: object, **env: str) -> click.testing.Result:
    result = CliRunner().invoke(front_door, [str(argument) for argument in arguments], prog_name="plugin-host", env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def site(tmp_path):
    return Path(shutil.copytree(ROOT / "mappings", tmp_path / "mappings"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def line_of(path: Path, text: str) -> int:
    """Return the number of the first line that holds the text."""
    return next(n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if text in line)


# -- the front door ---------------------------------------------------------------------------------------------------


def test_help_takes_less_than_a_third_of_a_second():
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([SCRIPT, "--help"], check=True, capture_output=True)
        return time.perf_counter() - began

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
    assert told.err.startswith("a bug in plugin-host: ValueError at cli/test_commands.py:")
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

    assert done.stdout.startswith("E001 ")
    assert done.stderr == ""


def test_no_color_is_used_where_nobody_wants_it():
    for env, command in (({"NO_COLOR": "1"}, ["stauts"]), ({"TERM": "dumb"}, ["plugins"]), ({}, ["check"])):
        result = plugin_host(*command, env=env)
        assert "\x1b" not in result.out + result.err


# -- check and test ---------------------------------------------------------------------------------------------------


def test_the_shipped_site_has_no_mistake():
    result = run("check")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 file(s), 0 error(s), 0 warning(s)\n"


def test_a_mistake_is_told_with_its_place_its_line_and_what_is_meant(site):
    edit(site / f"{CHANNEL}.yaml", '"%patient.gender"', '"%patient.gendre"')
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

    assert run("test", "--site", site).exit_code == 1


def test_tests_that_name_no_time_take_the_one_that_is_given(site):
    edit(site / f"{CHANNEL}.yaml", "    now: 2025-11-20T15:30:00-03:00\n    expect: {", "    expect: { MSH-7.1: x,")
    result = run("test", "--site", site, "--now", NOW, "-k", "is an S12")

    assert "20251120153000.000-0300" in result.stdout


def test_coverage_names_the_rules_that_no_test_touches(site):
    edit(
        site / f"{CHANNEL}.yaml",
        "  PID-1: { number: true }",
        '  PID-1: { number: true }\n  PID-23: { from: "%patient.managingOrganization.display" }',
    )
    result = run("test", "--site", site, "--coverage", "-k", "S12")

    number = line_of(site / f"{CHANNEL}.yaml", "PID-23")
    assert f"{CHANNEL}.yaml:{number}:3: no test touches this" in result.stdout


# -- try --------------------------------------------------------------------------------------------------------------


def masked(message: bytes) -> bytes:
    """Without MSH-7 and MSH-10, which the host writes."""
    header, *rest = message.split(b"\r")
    fields = header.split(b"|")
    fields[6] = fields[9] = b""
    return b"\r".join([b"|".join(fields), *rest])


@pytest.mark.parametrize("golden", [GOLDEN, WORKED], ids=["golden", "worked example"])
def test_try_prints_the_s12_of_the_worked_example(golden):
    result = plugin_host("try", CHANNEL, "mappings/samples/appointment-request.json")

    assert (result.code, result.err) == (0, "")
    assert masked(result.out.encode().replace(b"\n", b"\r")) == masked(golden.read_bytes())


def test_try_pretends_a_time():
    assert "|20251120153000.000-0300||SIU^S12^SIU_S12|" in run("try", CHANNEL, SAMPLE, "--now", NOW).stdout


def test_try_as_json_names_destination_action_and_message():
    (result,) = json.loads(run("try", CHANNEL, SAMPLE, "--json").stdout)["results"]

    assert set(result) == {"destination", "action", "message"}
    assert (result["destination"], result["action"]) == ("powerserver", "request")


def test_try_explains_each_rule_with_its_place():
    result = run("try", CHANNEL, SAMPLE, "--explain")

    rule = rf"PID-8 +M +male +%patient\.gender +table: of this rule +mappings/{CHANNEL}\.yaml:\d+:3"
    assert re.search(f"^{rule}$", result.stdout, re.MULTILINE)


def test_try_knows_what_was_sent_before(tmp_path):
    confirm = ROOT / "mappings" / "samples" / "appointment-confirm.json"

    assert "SIU^S14" in run("try", CHANNEL, confirm, "--known").stdout


def test_try_names_the_rule_that_filters(tmp_path):
    document = json.loads(SAMPLE.read_bytes())
    document["entry"][9]["resource"]["status"] = "entered-in-error"
    file = tmp_path / "booking.json"
    file.write_text(json.dumps(document))
    result = run("try", CHANNEL, file)

    assert result.exit_code == 0
    told = r"powerserver: filtered: entered in error in Blume \(mappings/\S+\.yaml:\d+:\d+\)\n"
    assert re.fullmatch(told, result.stdout)


CANARY = "CANARY-Conceição-12345678909"


#: What is wrong with the document → a change of it, given the Bundle, its Patient and its Appointment.
_CHANGES = {
    "gender": lambda _, patient, __: patient.update(gender=CANARY),
    "unknown element": lambda _, patient, __: patient["name"][0].update({CANARY: CANARY}),
    "name": lambda _, patient, __: patient.update(name=CANARY),
    "birth date": lambda _, patient, __: patient.update(birthDate=CANARY),
    "issuer": lambda _, patient, __: patient["identifier"][0].update(system=f"urn:oid:{CANARY}"),
    "reference": lambda _, __, booking: booking["participant"][0]["actor"].update(reference=f"urn:uuid:{CANARY}"),
    "start": lambda _, __, booking: booking.update(start=CANARY),
    "resource": lambda bundle, _, __: bundle["entry"][3]["resource"].update(name=CANARY),
    "no patient": lambda bundle, _, __: bundle["entry"].pop(0),
    "searchset": lambda bundle, _, __: bundle.update(type="searchset"),
}
#: What is no such document at all.
_BODIES = {
    "no JSON": b'{"resourceType": "Bundle", "type": "' + CANARY.encode(),
    "twice": b'{"' + CANARY.encode() + b'": 1, "' + CANARY.encode() + b'": 2}',
    "latin-1": f'{{"resourceType": "Bundle", "id": "{CANARY}"}}'.encode("latin-1"),
    "other resource": json.dumps({"resourceType": "Patient", "name": [{"family": CANARY}]}).encode(),
    "nothing": b"",
}


def _refused(wrong: str) -> bytes:
    if wrong in _BODIES:
        return _BODIES[wrong]
    bundle = json.loads(SAMPLE.read_bytes())
    _CHANGES[wrong](bundle, bundle["entry"][0]["resource"], bundle["entry"][9]["resource"])
    return json.dumps(bundle).encode()


@pytest.mark.parametrize("wrong", [*_CHANGES, *_BODIES])
def test_try_refuses_what_the_door_refuses_and_says_where_without_a_patients_value(wrong, tmp_path):
    file = tmp_path / "booking.json"
    file.write_bytes(_refused(wrong))
    text, data = run("try", CHANNEL, file), run("try", CHANNEL, file, "--json")
    told = text.stdout + text.stderr + data.stdout + data.stderr

    assert text.exit_code == data.exit_code == 1
    assert text.stdout == ""
    assert text.stderr.startswith("error ") or re.match(r"mappings/\S+:\d+:\d+: error ", text.stderr)
    for part in ("CANARY", "Conceição", "12345678909"):
        assert part not in told
    refused = json.loads(data.stdout)["refused"]
    assert refused
    assert all(problem["code"] for problem in refused)


def test_a_mapping_with_a_mistake_is_not_tried(site):
    edit(site / f"{CHANNEL}.yaml", '"%patient.gender"', '"%patient.gendre"')
    result = run("try", CHANNEL, SAMPLE, "--site", site)

    assert (result.exit_code, result.stdout) == (3, "")
    assert "did you mean 'gender'?" in result.stderr


def test_a_channel_is_found_by_its_name_whatever_its_file_is_called(site):
    (site / f"{CHANNEL}.yaml").rename(site / "bookings.yaml")

    assert run("try", CHANNEL, SAMPLE, "--site", site).stdout.startswith("MSH|")


# -- explain, plugins, completion, init -------------------------------------------------------------------------------


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
