"""Where the peers written in JavaScript lie, and the command that runs them."""

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

PEERS = Path(__file__).parent / "peers"
NO_NODE = "npm and Node.js 20.19 or later are needed for this test: on Debian and Ubuntu, apt-get install nodejs npm"


@functools.cache
def node() -> str:
    """Return the node command, once tests/peers/node_modules is as the lock file says."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.fail(NO_NODE)
    if not (PEERS / "node_modules" / "@medplum" / "hl7").is_dir():
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=PEERS, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.fail(f"`npm ci` in tests/peers failed:\n{done.stderr}")
    return "node"
