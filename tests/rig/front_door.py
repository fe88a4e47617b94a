"""Stands in for the host's front door, so that a process of the host runs under strace or with a preloaded library.

`RIG_ROLES` is JSON: role → {"prefix": [words before the command], "environment": {…}, "values": {"module.NAME": …}}.
The product knows nothing of it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()


def main() -> None:
    """Become the process that was asked for."""
    treatment = json.loads(os.environ.pop("RIG_ROLES", "{}")).get(sys.argv[2], {})
    start = [str(HERE.parents[2] / "plugin_host.py")]
    if values := treatment.get("values"):
        start = [str(HERE), "with values", json.dumps(values)]
    command = [*treatment.get("prefix", []), sys.executable, *start, *sys.argv[1:]]
    os.execvpe(command[0], command, os.environ | treatment.get("environment", {}))


def with_values() -> None:
    """Be the front door, with other values of the host's constants: the hour between two looks for what is old."""
    values = json.loads(sys.argv[2])
    sys.path.insert(0, str(HERE.parents[2]))
    front_door = importlib.import_module("plugin_host")
    for name, value in values.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    sys.argv = ["plugin_host.py", *sys.argv[3:]]
    sys.exit(front_door.main())


if __name__ == "__main__":
    with_values() if sys.argv[1] == "with values" else main()
