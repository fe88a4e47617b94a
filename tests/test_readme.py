"""The README's own commands, followed step by step; what it shows must be what one sees."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.console_script import free_ports, wait_until, without_clock

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"<!-- test: (\w+) -->\n```\w+\n(.*?)\n```", README, re.DOTALL))
MAPPING = "my-site/appointment-to-powerserver.yaml"

#: What differs from run to run.
VARIABLE = (
    (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "MESSAGE"),
    (r"\b[0-9A-HJKMNP-TV-Z]{20}\b", "CONTROL-ID"),
    (r"\brevision [0-9a-f]{12}\b", "revision"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r'"listening": \d+', "listening"),
    (r"\bin \d+\.\d s\b", "in SECONDS"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", "TIME"),
    (r"\|\d{14}\.\d{3}[+-]\d{4}\|", "|TIME|"),
    (r"\S*/data/store\.key", "data/store.key"),
    (r"paused by \S+:", "paused by SOMEBODY:"),
    # An edit above a line of the shipped mapping does not make the README wrong.
    (r"\.yaml:\d+:", ".yaml:LINE:"),
    (r"(?m)^ +\d+ \|", "LINE |"),
    (r" +", " "),
)


def masked(text: str) -> list[str]:
    for pattern, name in VARIABLE:
        text = re.sub(pattern, name, text)
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def steps(block: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a block with the lines that they are shown to print."""
    found: list[tuple[str, list[str]]] = []
    lines = iter(block.split("\n"))
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = command[:-1] + next(lines)
            found.append((command, []))
        else:
            found[-1][1].append(line)
    return found


def matches(shown: list[str], seen: list[str]) -> bool:
    """Whether the shown lines are the seen ones; `…` stands for any number of lines."""
    if not shown:
        return not seen
    if shown[0] == "…":
        return any(matches(shown[1:], seen[n:]) for n in range(len(seen) + 1))
    return bool(seen) and shown[0] == seen[0] and matches(shown[1:], seen[1:])


class Reader:
    """Somebody who follows the README in a fresh checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "simulators").symlink_to(ROOT / "simulators")
        without_clock(Path(shutil.copytree(ROOT / "mappings", folder / "mappings")))
        fhir, console, mllp = map(str, free_ports(3))
        ports = {"PLUGIN_HOST_FHIR_PORT": fhir, "PLUGIN_HOST_CONSOLE_PORT": console, "POWERSERVER_MLLP_PORT": mllp}
        own = {"PLUGIN_HOST_DATA", "APPOINTMENT_PAST_WINDOW"}
        self.env = {name: value for name, value in os.environ.items() if name not in own} | ports
        self.terminals: list[subprocess.Popen[bytes]] = []
        self.message = ""

    def follow(self, name: str) -> None:
        """Type the commands of a block, and compare what comes with what is shown."""
        for command, shown in steps(BLOCKS[name]):
            done = subprocess.run(
                ["bash", "-c", self._typed(command)], cwd=self.folder, env=self.env, check=False, timeout=60,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
            )  # fmt: skip
            self.message = next(iter(re.findall(r"/fhir/Task/(\w{26})", done.stdout)), self.message)
            seen = masked(done.stdout.replace("\r", ""))
            assert matches(masked("\n".join(shown)), seen), f"{command}\n{done.stdout}"

    def leave_running(self, name: str) -> None:
        """Type a command that goes on, and wait until it has said what is shown."""
        ((command, shown),) = steps(BLOCKS[name])
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            self.terminals.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {self._typed(command)}"],
                    cwd=self.folder,
                    env=self.env,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            )
        wait_until(lambda: masked(log.read_text("utf-8")) == masked("\n".join(shown)), f"{log} is as shown")

    def write(self, name: str) -> None:
        """Write the line of a block under PV1, in the place of an earlier one."""
        path = self.folder / MAPPING
        lines = [line for line in path.read_text("utf-8").split("\n") if not line.startswith("      PV1-19:")]
        lines.insert(next(n for n, line in enumerate(lines) if line.startswith("      PV1-8:")), BLOCKS[name])
        path.write_text("\n".join(lines), "utf-8")

    def _typed(self, command: str) -> str:
        return re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", self.message, command) if self.message else command

    def close(self) -> None:
        for terminal in reversed(self.terminals):
            terminal.send_signal(signal.SIGINT)
            terminal.wait(30)


@pytest.fixture
def reader(tmp_path):
    somebody = Reader(tmp_path)
    yield somebody
    somebody.close()


def test_a_run_step_by_step_shows_what_the_readme_shows(reader):
    reader.leave_running("powerserver")
    reader.leave_running("host")
    reader.follow("book")
    wait_until(lambda: "SENT" in _status(reader), "the message is sent")
    reader.follow("look")
    reader.follow("pause")


def _status(reader: Reader) -> str:
    found = subprocess.run(
        [".venv/bin/plugin-host", "messages", "find", "appt-77"], cwd=reader.folder, env=reader.env, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    return found.stdout


def test_a_change_of_a_field_shows_what_the_readme_shows(reader):
    subprocess.run([".venv/bin/plugin-host", "init", "my-site"], cwd=reader.folder, check=True, capture_output=True)
    reader.write("mistake")
    reader.follow("refused")
    reader.write("mended")
    reader.follow("tried")


def test_init_prints_the_folder():
    assert steps(BLOCKS["init"]) == [(".venv/bin/plugin-host init my-site", ["my-site"])]


def test_every_marked_block_is_followed():
    assert set(BLOCKS) == {
        "powerserver", "host", "book", "look", "pause", "init", "mistake", "refused", "mended", "tried",
    }  # fmt: skip


def test_the_table_of_variables_is_that_of_the_shipped_site():
    shown = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    site = re.sub(r"#.*", "", (ROOT / "mappings" / "site.yaml").read_text("utf-8"))
    used = set(re.findall(r"\$\{([A-Z_]+)", site))

    assert shown == used | {"PLUGIN_HOST_STORE_KEY"}


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_room_has_a_line():
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert {room for room in rooms if f"`{room}/`" not in README} == set()
