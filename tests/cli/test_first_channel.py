"""docs/first-channel.md, run step by step: its files are written, its commands give what the page says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from simulators.powerserver import PowerServer
from tests.cli.console_script import ROOT, SCRIPT, RunningHost

PAGE = (ROOT / "docs" / "first-channel.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def as_pattern(expected: str) -> str:
    """`…` stands for anything, a line of nothing else for any lines; runs of spaces are one."""
    lines = []
    for line in expected.splitlines():
        words = [r"[^\n]*".join(map(re.escape, word.split("…"))) for word in line.split()]
        lines.append(r"(?:[^\n]*\n)*?" if line == "…" else r"[ ]*" + r"[ ]*".join(words) + r"[ ]*\n")
    return "".join(lines)


def command(folder: Path, text: str, env: dict[str, str]) -> None:
    """Run the command of a console block, and hold what it prints to the page."""
    line, _, expected = text.partition("\n")
    words = line.removeprefix("$ plugin-host ").split()
    ran = subprocess.run(
        [SCRIPT, *words], cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    said = ran.stdout + ran.stderr

    assert re.fullmatch(as_pattern(expected), said), f"{line}\n{said}"


def test_the_tutorial_leads_from_an_empty_folder_to_a_delivered_message(tmp_path):
    env = {"COLUMNS": "200"}
    with PowerServer() as powerserver:
        host = None
        try:
            for kind, name, text in BLOCKS:
                if kind == "console" and not name:
                    command(tmp_path, text, env)
                elif kind == "console" and name == "host":
                    host = RunningHost(tmp_path / "data", powerserver.port, site=tmp_path / "mappings")
                    env |= host.env
                    host.__enter__()
                elif kind == "console" and name == "sender":
                    sent = host.book((tmp_path / "mappings/samples/request.json").read_bytes())
                    host.wait_for_status(sent, "SENT")
                elif kind == "diff":
                    removed, added = (re.search(rf"^\{sign}(.*)$", text, re.MULTILINE)[1] for sign in "-+")
                    file = tmp_path / name
                    assert file.read_text().count(removed) == 1
                    file.write_text(file.read_text().replace(removed, added))
                elif kind != "console":
                    file = tmp_path / name.removesuffix(" +")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with file.open("a" if name.endswith(" +") else "w") as out:
                        out.write(text)
            (received,) = powerserver.received
        finally:
            if host is not None:
                host.__exit__(None, None, None)

    assert b"PID|||1^^^HOSPITAL&2.25.1&ISO^MR||Sousa^Ana" in received.payload
