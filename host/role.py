"""`plugin-host role`: how the supervisor starts its processes. Not for people."""

from __future__ import annotations

import sys

import orjson

from host.logs import write_logs
from host.roles import Assignment, play, prepare


def main() -> None:
    """Prepare for the role that the command line names; play it once the assignment comes by standard input."""
    role = sys.argv[2]
    write_logs(role)
    prepare(role)
    line = sys.stdin.buffer.readline()
    if line:  # nothing: the host changed its mind
        play(Assignment(**orjson.loads(line)))
