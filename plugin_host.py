"""The front door of the channel host: finds the rooms, then hands the command to the one that carries it out."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: In a checkout the rooms stand beside this file; a wheel puts them in one folder of their own,
#: because `store` or `channels` are names that other distributions use too.
ROOMS = HERE / "plugin_host_rooms" if (HERE / "plugin_host_rooms").is_dir() else HERE
sys.path[:] = [str(ROOMS), *(entry for entry in sys.path if entry not in {str(ROOMS), ""})]

_ROOM_NAMES = ("messages", "connectors", "transformers", "store", "channels", "console", "simulators", "host")


def _refuse_strangers() -> None:
    """Make sure that each room that was imported is ours, not another distribution's of the same name."""
    for name in _ROOM_NAMES:
        room = sys.modules.get(name)
        if room is not None and room.__file__ and not Path(room.__file__).resolve().is_relative_to(ROOMS):
            sys.exit(f"plugin-host: '{name}' was imported from {room.__file__}, not from {ROOMS}")


def main() -> None:
    """Run `plugin-host`."""
    if sys.argv[1:2] == ["role"]:
        importlib.import_module("host.role").main()
    else:
        command_line = importlib.import_module("host.command_line")
        _refuse_strangers()
        command_line.plugin_host(prog_name="plugin-host")


if __name__ == "__main__":
    main()
