"""T5: a sync that fails. Nobody is answered after it, the process leaves at once, and the disk is asked again."""

from __future__ import annotations

import functools
import random
import shutil
from pathlib import Path

from store.writer import EXIT_DISK
from tests.rig import driver, tracing
from tests.rig.figures import Figures
from tests.rig.kill_points import drive, sample

#: SQLite syncs with the first, the high-water file with the second.
CALLS = ("fsync", "fdatasync")


def failing_syncs(folder: Path, seed: int, size: int | None = None, count: int = 8) -> Figures:
    """Let every sync (or `size` of them) of the driver fail with EIO."""
    figures = Figures("T5", seed)
    base, trace = folder / "base", folder / "trace"
    driver.set_up(base)
    shutil.copytree(base, folder / "counting")
    drive(folder / "counting", count, lambda pid: tracing.count_calls(pid, CALLS, trace), "--no-checkpoints")
    points = sample(_commits(trace), size, random.Random(seed))
    codes: list[int] = []
    wrong: list[str] = []
    for point in points:
        place = folder / "crash"
        shutil.copytree(base, place)
        code, said = drive(place, count, functools.partial(tracing.fail_at, point=point), "--no-checkpoints")
        codes.append(code)
        found = driver.inspect(place, functools.partial(driver.broken, said=said))
        wrong += [f"{point}: {line}" for line in (*found.broken, *filter(None, [found.refused]))]
        if found.refused is None:
            wrong += [f"{point}: {line}" for line in driver.finish(place, count)]
        shutil.rmtree(place)
    figures.at_least("syncs that failed", len(codes), min(size or 10, 10))
    went_on = [point for point, code in zip(points, codes, strict=True) if code != EXIT_DISK]
    figures.equal("went on after a failed sync", len(went_on), 0)
    figures.equal("promises broken", "; ".join(wrong[:5]) or "none", "none")
    return figures


def _commits(trace: Path) -> list[tracing.Point]:
    """Return the syncs on which a commit depends: of the log and of the high-water files, up to the last commit."""
    calls = tracing.calls_in_order(trace)
    last = max(n for n, (_, line) in enumerate(calls) if "fdatasync" in line and "high-water" in line)
    return [
        point for point, line in calls[: last + 1] if "-wal>" in line or (point[0] == "fdatasync" and "high-" in line)
    ]
