"""What processes cost, from /proc: Linux only.

CPU is user and system time of a process and its descendants, in steps of 10 ms. Resident memory is PSS, where a page
that several processes share counts once for all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

HOUSE = Path(__file__).resolve().parents[1]
_TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def command_of(pid: int) -> str:
    """Return the command line of a process; nothing when it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pids: list[int]) -> float:
    """Return user and system time so far, with that of children that have ended."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICK


def resident_mb(pids: list[int]) -> float:
    """Return the proportional set size of all together, in 10⁶ bytes."""
    kib = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib * 1024 / 1e6


def pace() -> float:
    """Return milliseconds of a fixed loop: how fast this machine is just now."""
    begun = time.perf_counter()
    total = 0
    for number in range(500_000):
        total += number
    return (time.perf_counter() - begun) * 1000


def python(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start a Python program of this checkout, with pipes."""
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
    )


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return its standard input and output."""
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def first_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the JSON object that a program prints when it is ready.

    Raises:
        ChildProcessError: it ended first.
    """
    line = pipes(process)[1].readline()
    if not line:
        raise ChildProcessError(f"{process.args!r} ended with exit code {process.wait()} before it was ready")
    said: dict[str, Any] = json.loads(line)
    return said


def leave(process: subprocess.Popen[bytes], within: float = 20.0) -> None:
    """End a program by closing its standard input; kill it when it stays."""
    stdin, stdout = pipes(process)
    stdin.close()
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    stdout.close()
