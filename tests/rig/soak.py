"""The long trials: each figure a line `name value limit PASS|FAIL`, all of them in a file, an exit code that says it.

`python -m tests.rig.soak [--only T1,T3] [--json FILE] [--seed N]`; docs/guarantee.md is made from that file
(tests/rig/report.py). A failing trial is replayed with the seed that it printed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.rig import (
    backlog,
    bad_peers,
    bugs,
    clock,
    day,
    disk_errors,
    huge,
    kill_points,
    kills,
    poison,
    power_loss,
    repeats,
    retries,
)
from tests.rig.figures import Figures, chosen_seed, say
from tests.rig.report import FIGURES


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of the plan in full size."""

    name: str
    title: str
    run: Callable[[Path, int], list[Figures]]


def _kill_points(folder: Path, seed: int) -> list[Figures]:
    (folder / "store").mkdir()
    (folder / "host").mkdir()
    store = kill_points.store_points(folder / "store", seed, count=12)
    host = Figures("T1", seed)
    points = kill_points.HostPoints(folder / "host", seed)
    points.lanes(host)
    points.intake(host)
    return [store, host]


def _random_kills(folder: Path, seed: int) -> list[Figures]:
    (folder / "roles").mkdir()
    (folder / "supervisor").mkdir()
    roles = kills.random_kills(folder / "roles", kills.FULL, seed)
    return [roles, kills.supervisor_kills(folder / "supervisor", 20, seed)]


def _backlog(folder: Path, _seed: int) -> list[Figures]:
    figures = []
    for name, pending, within in (("small", 100_000, 2.0), ("large", 1_000_000, 5.0)):
        (folder / name).mkdir()
        figures.append(backlog.backlog(folder / name, pending, within))
        shutil.rmtree(folder / name)
    return figures


def _bad_peers(folder: Path, _seed: int) -> list[Figures]:
    figures = []
    for script in ("hang up", "reset", "garbage", "wrong id"):
        place = folder / script.replace(" ", "-")
        place.mkdir()
        figures.append(retries.retries(place, script))
    for number, manner in enumerate(bad_peers.MANNERS):
        place = folder / f"manner-{number}"
        place.mkdir()
        figures.append(bad_peers.bad_peer(place, manner, 400))
    return figures


TRIALS = (
    Trial("T1", "killed before every write, sync and send", _kill_points),
    Trial("T2", "200 random kills under load, 20,000 messages; the supervisor's too", _random_kills),
    Trial("T3", "10,000 power cuts", lambda f, s: [power_loss.power_loss(f, 10_000, 1_000, s)]),
    Trial("T5", "syncs that fail", lambda f, s: [disk_errors.failing_syncs(f, s, count=40)]),
    Trial("T7", "the time of day jumps under load", lambda f, s: [clock.clock_jumps(f, 100, s)]),
    Trial("T8", "peers that behave badly are asked once for each wait, and nobody else notices", _bad_peers),
    Trial("T13", "messages that are far too large", lambda f, _: [huge.huge(f, full=True)]),
    Trial("T15", "the same identity again", lambda f, _: [repeats.repeats(f, 100)]),
    Trial("T16", "messages that fail, and one that kills", lambda f, _: [poison.poison(f, 2_000)]),
    Trial("T17", "100,000 and 1,000,000 messages waiting", _backlog),
    Trial("T18", "a day of 86,400 messages in twenty minutes", lambda f, s: [day.day(f, 24, s)]),
    Trial("T20", "seeded bugs", lambda f, _: [bugs.seeded_bugs(f)]),
)


def main() -> int:
    """Run the trials; 0 when every figure is good enough."""
    parser = argparse.ArgumentParser(prog="soak", description="The long trials of the guarantee.")
    parser.add_argument("--only", help="names separated by commas")
    parser.add_argument("--json", type=Path, default=FIGURES, help="file for all figures")
    parser.add_argument("--seed", type=int, help="replay an earlier run")
    options = parser.parse_args()
    wanted = set(options.only.split(",")) if options.only else {trial.name for trial in TRIALS}
    failed = False
    for trial in TRIALS:
        if trial.name in wanted:
            seed = chosen_seed() if options.seed is None else options.seed
            failed |= not _run(trial, seed, options.json)
    return 1 if failed else 0


def _run(trial: Trial, seed: int, output: Path) -> bool:
    say(f"-- {trial.name}: {trial.title}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="plugin-host-soak-") as folder:
        try:
            lines = [asdict(figure) for figures in trial.run(Path(folder), seed) for figure in figures.all]
        except Exception as error:  # noqa: BLE001  # the trials after it still run
            say(traceback.format_exc())
            lines = [
                {"trial": trial.name, "name": "ended", "value": type(error).__name__, "limit": "in order",
                 "passed": False}
            ]  # fmt: skip
            say(f"{trial.name}.ended {type(error).__name__} in order FAIL")
    _keep(output, trial, {"seed": seed, "seconds": round(time.monotonic() - began, 1), "figures": lines})
    return all(line["passed"] for line in lines)


def _keep(output: Path, trial: Trial, result: dict[str, object]) -> None:
    """Put a trial's result into the file; what other runs found of other trials stays."""
    output.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = json.loads(output.read_text("utf-8")) if output.exists() else {"schema": 1, "trials": {}}
    known["trials"][trial.name] = {
        "title": trial.title,
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"make soak ONLY={trial.name}",
    } | result
    output.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
