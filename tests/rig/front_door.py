"""Stands in for the host's front door, so that a process of the host runs under strace or with a preloaded library.

`RIG_ROLES` is JSON: role → {"prefix": [words before the command], "environment": {…}}. The product knows nothing of it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()


def main() -> None:
    """Become the process that was asked for."""
    treatment = json.loads(os.environ.pop("RIG_ROLES", "{}")).get(sys.argv[2], {})
    command = [*treatment.get("prefix", []), sys.executable, str(HERE.parents[2] / "plugin_host.py"), *sys.argv[1:]]
    os.execvpe(command[0], command, os.environ | treatment.get("environment", {}))


if __name__ == "__main__":
    main()
