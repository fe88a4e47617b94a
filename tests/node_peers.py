"""Where the peers written in JavaScript lie, and how they are run."""

import functools
import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

PEERS = Path(__file__).parent / "peers"
NO_NODE = "npm and Node.js 20.19 or later are needed for this test: on Debian and Ubuntu, apt-get install nodejs npm"


@functools.cache
def node() -> str:
    """Return the node command, once tests/peers/node_modules is as the lock file says."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.fail(NO_NODE)
    wanted = json.loads((PEERS / "package.json").read_text("utf-8"))["dependencies"]
    if not all((PEERS / "node_modules" / name).is_dir() for name in wanted):
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=PEERS, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.fail(f"`npm ci` in tests/peers failed:\n{done.stderr}")
    return "node"


class Peer:
    """A peer that runs: what it has printed, line by line, each a JSON object."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process
        self._said = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.first = self.wait_for("listening", within=30)

    @property
    def said(self) -> list[dict]:
        with self._changed:
            return list(self._said)

    def tell(self, line: dict, word: str) -> dict:
        """Write a line to its standard input; return its answer, the next line that holds this word."""
        before = len(self.said)
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return self.wait_for(word, since=before)

    def wait_for(self, word: str, since: int = 0, within: float = 10) -> dict:
        """Return the first line since then that holds this word, once it has been printed."""
        with self._changed:
            if not self._changed.wait_for(lambda: any(word in line for line in self._said[since:]), within):
                pytest.fail(f"the peer did not say {word} within {within} s; it said {self._said[-3:]}")
            return next(line for line in self._said[since:] if word in line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._changed:
                self._said.append(json.loads(line))
                self._changed.notify_all()


@contextmanager
def peer(script: str, *arguments: str):
    """Run a script of tests/peers as a process."""
    process = subprocess.Popen(
        [node(), script, *map(str, arguments)], cwd=PEERS, text=True, encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        running = Peer(process)
        yield running
        running.close()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
