"""`plugin-host role`: how the supervisor starts its processes. Not for people."""

from __future__ import annotations

import sys

import orjson

from host.logs import write_logs
from host.roles import Assignment, play


def main() -> None:
    """Read the assignment from standard input and play the role."""
    assignment = Assignment(**orjson.loads(sys.stdin.buffer.readline()))
    write_logs(assignment.role)
    play(assignment)
