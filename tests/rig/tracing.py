"""strace on a process that has started and waits for its first line: its calls from then on are counted, or kill it."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.rig.host import pause

#: A system call by name and the how-manieth call of it in a thread.
Point = tuple[str, int]


class NeverWaited(RuntimeError):
    """The process ended, or did something else, instead of reading its standard input."""


def kill_at(pid: int, point: Point) -> subprocess.Popen[str]:
    """Have the process killed before its k-th call."""
    call, k = point
    return _attach(pid, "/dev/null", f"trace={call}", f"inject={call}:signal=SIGKILL:when={k}")


def fail_at(pid: int, point: Point, error: str = "EIO") -> subprocess.Popen[str]:
    """Have the k-th call of the process fail."""
    call, k = point
    return _attach(pid, "/dev/null", f"trace={call}", f"inject={call}:error={error}:when={k}")


def count_calls(pid: int, calls: Sequence[str], output: Path) -> subprocess.Popen[str]:
    """Write down the calls of the process; see `points`."""
    return _attach(pid, str(output), f"trace={','.join(calls)}", "decode-fds=path")


def points(output: Path) -> list[Point]:
    """Return every point of a run that was written down: each call up to the most that one thread made."""
    most: dict[str, int] = {}
    for (call, k), _ in calls_in_order(output):
        most[call] = max(most.get(call, 0), k)
    return [(call, k) for call, n in sorted(most.items()) for k in range(1, n + 1)]


def calls_in_order(output: Path) -> list[tuple[Point, str]]:
    """Return every call of a run that was written down, and its line."""
    counts: Counter[tuple[str, str]] = Counter()
    calls = []
    for line in output.read_text("utf-8", "replace").splitlines():
        thread, _, rest = line.partition(" ")
        call = rest.strip().partition("(")[0]
        if call.isidentifier():
            counts[thread, call] += 1
            calls.append(((call, counts[thread, call]), rest))
    return calls


def _attach(pid: int, output: str, *expressions: str) -> subprocess.Popen[str]:
    _await_reading(pid)
    words = [word for expression in expressions for word in ("-e", expression)]
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", output, *words, "-p", str(pid)], stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        raise NeverWaited(said)
    return tracer


def _await_reading(pid: int) -> None:
    """Wait until the process blocks in read(0, …)."""
    state = Path(f"/proc/{pid}/syscall")
    for _ in range(3_000):
        try:
            words = state.read_text("ascii").split()
        except (OSError, ProcessLookupError) as gone:
            raise NeverWaited(f"process {pid} is gone") from gone
        if words[:2] == ["0", "0x0"]:
            return
        pause(0.01)
    raise NeverWaited(f"process {pid} does not wait for standard input")
