"""Where our own program stands, for processes of ours that start another."""

from __future__ import annotations

from pathlib import Path


def front_door() -> Path:
    """Return the file that a process is started with: beside the rooms in a checkout, above them in a wheel."""
    rooms = Path(__file__).resolve().parents[1]
    beside = rooms / "plugin_host.py"
    return beside if beside.exists() else rooms.parent / "plugin_host.py"
