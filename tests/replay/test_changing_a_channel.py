"""docs/changing-a-channel.md, run step by step: its commands give what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from simulators.powerserver import PowerServer
from tests.cli.console_script import ROOT, SCRIPT, RunningHost, wait_until
from tests.cli.test_first_channel import as_pattern
from tests.replay.kit import bundle

PAGE = (ROOT / "docs" / "changing-a-channel.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


class Story:
    """The page, told on one folder."""

    def __init__(self, folder: Path, powerserver: PowerServer) -> None:
        self.folder = folder
        self.powerserver = powerserver
        self.host = RunningHost(folder / "data", powerserver.port, site=folder / "mappings")
        self.message = ""

    def tell(self, kind: str, name: str, text: str) -> None:
        if (kind, name) == ("console", "host"):
            self.host.__enter__()
        elif (kind, name) == ("console", "sender"):
            self.book(text.strip())
        elif (kind, name) == ("console", "arrived"):
            code = text.strip().encode()
            wait_until(lambda: any(code in received.payload for received in self.powerserver.received), "it arrives")
        elif kind == "console":
            self.command(text.replace("{message}", self.message))
        elif kind == "diff":
            before, after = (re.search(rf"^\{sign}(.*)$", text, re.MULTILINE)[1] for sign in "-+")
            file = self.folder / name
            assert file.read_text("utf-8").count(before) == 1
            file.write_text(file.read_text("utf-8").replace(before, after), "utf-8")
        else:
            with (self.folder / name.removesuffix(" +")).open("a", encoding="utf-8") as file:
                file.write(text)

    def book(self, what: str) -> None:
        if what.endswith("appointments"):
            for number in range(1, int(what.split(maxsplit=1)[0]) + 1):
                self.host.wait_for_status(self.host.book(bundle(number)), "SENT")
        else:
            order = bundle(9, ServiceRequest=lambda request: request["code"]["coding"][0].update(code=what))
            self.message = self.host.book(order)
            self.host.wait_for_status(self.message, "ERROR")

    def command(self, text: str) -> None:
        line, _, expected = text.partition("\n")
        program, *words = line.removeprefix("$ ").split()
        ran = subprocess.run(
            [SCRIPT if program == "plugin-host" else program, *words], cwd=self.folder, capture_output=True, text=True,
            env={**os.environ, **self.host.env, "COLUMNS": "200"}, check=False,
        )  # fmt: skip
        # What is told on standard error comes first where a command says what it wrote, last where it refuses.
        said = {ran.stdout + ran.stderr, ran.stderr + ran.stdout}

        assert any(re.fullmatch(as_pattern(expected), one) for one in said), f"{line}\n{ran.stdout}{ran.stderr}"


def park_unknown_order_sets(mapping: Path) -> None:
    """Take `at: door` from the line of order sets, as the page says of its channel, and from the line's test."""
    text = mapping.read_text("utf-8")
    text = text.replace("    code: ORDERSET_UNKNOWN\n    at: door\n", "    code: ORDERSET_UNKNOWN\n")
    mapping.write_text(text.replace("{ refused: ORDERSET_UNKNOWN", "{ error: ORDERSET_UNKNOWN"), "utf-8")


def test_a_change_is_made_as_the_page_says(tmp_path):
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    park_unknown_order_sets(tmp_path / "mappings" / "appointment-to-powerserver.yaml")
    with PowerServer() as powerserver:
        story = Story(tmp_path, powerserver)
        try:
            for kind, name, text in BLOCKS:
                story.tell(kind, name, text)
        finally:
            if story.host.process is not None:
                story.host.__exit__()

    assert (tmp_path / "mappings" / "samples" / "ultrasound.json").exists()
