"""A migration of 512 kB slices over one association, beside dcmtk's own storescu into its storescp.

    python -m bench.dicom [--slices 120] [--rounds 5] [--json]

In each round the three run one after the other, with the same files, and so meet the same machine:

    dcmtk    storescu → storescp, both as they are shipped; at each instance they wait some 40 ms for each other
             (Nagle against delayed acknowledgement)
    sending  our station → the same storescp
    taking   our station → our door: the `dicom` process of the host with its own store, which answers 0000H when
             the file is synced under its name and its row is committed
    floor    a straight-line program that puts the same files on the disk as safely, and does nothing else

A ratio is the median of the rounds' ratios. CPU is that of one process, ours that sends or ours that takes, in the best
of the rounds: what else the machine does can only add to it. What the door takes in a second hangs on the disk, which
dcmtk never waits for, so it has no goal; beside its ratio to dcmtk stands that to the floor. Exit code 0: the goals are
met; 1: some are not. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.dicom_peers import Door, Floor, door, slices, storescp
from connectors.dicom_base import Instance, Verdict
from connectors.dicom_peer import DimseStation

#: figure → (relation, limit)
GOALS = {
    "sending_ratio": (">=", 8.0),
    "sender_cpu_ms": ("<=", 3.0),
    "door_cpu_ms": ("<=", 3.0),
    "sender_grew_mb": ("<=", 8.0),
    "door_grew_mb": ("<=", 8.0),
}
#: Instances that dcmtk sends in a round: it needs some 50 ms for each.
DCMTK = 24


def dcmtk(port: int, sent: Sequence[Instance]) -> float:
    """Send by dcmtk's storescu; return instances a second."""
    began = time.perf_counter()
    arguments = ["storescu", "-aec", "STORESCP", "127.0.0.1", str(port), *(str(instance.path) for instance in sent)]
    subprocess.run(arguments, check=True, capture_output=True)
    return len(sent) / (time.perf_counter() - began)


def ours(ae_title: str, port: int, sent: Sequence[Instance]) -> tuple[float, float]:
    """Send by our station; return instances a second, and milliseconds of our CPU for each."""

    async def send() -> list[Verdict]:
        station = DimseStation(ae_title=ae_title, host="127.0.0.1", port=port)
        return [outcome.verdict async for outcome in station.store(sent)]

    began, cpu = time.perf_counter(), time.process_time()
    verdicts = asyncio.run(send())
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    assert verdicts == [Verdict.SUCCESS] * len(sent), set(verdicts)
    return len(sent) / seconds, spent * 1000 / len(sent)


class Peers(NamedTuple):
    """Whom the instances are sent to."""

    #: Port of dcmtk's storescp.
    archive: int
    door: Door
    floor: Floor


class Round:
    """The figures of one round, by name."""

    def __init__(self, peers: Peers, sent: Sequence[Instance], few: int) -> None:
        to = peers.door
        theirs = dcmtk(peers.archive, sent[:few])
        sending, sender_cpu = ours("STORESCP", peers.archive, sent)
        before = to.cpu_seconds()
        taking, taken_cpu = ours(to.ae_title, to.port, sent)
        kept = peers.floor.keep(sent)
        self.figures = {
            "dcmtk_per_second": theirs,
            "sending_per_second": sending,
            "sending_ratio": sending / theirs,
            "taking_per_second": taking,
            "taking_ratio": taking / theirs,
            "floor_per_second": kept,
            "taking_of_floor": taking / kept,
            "sender_cpu_ms": max(sender_cpu, taken_cpu),
            "door_cpu_ms": (to.cpu_seconds() - before) * 1000 / len(sent),
        }
        self.sender_mb, self.door_mb = _resident_mb(os.getpid()), _resident_mb(to.pid)


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def measure(folder: Path, count: int, rounds: int, few: int = DCMTK) -> dict[str, float]:
    """Return the median of each figure over the rounds, of CPU the least; and how much memory grew after the first."""
    with storescp(folder / "received") as archive, door(folder / "data") as to:
        peers = Peers(archive, to, Floor(folder / "floor"))
        # New instances in each round: the door keeps a data set that it has only once.
        done = [Round(peers, slices(folder, max(count, few)), few) for _ in range(rounds)]
    figures = {
        name: (min if name.endswith("cpu_ms") else median)(one.figures[name] for one in done)
        for name in done[0].figures
    }
    for name, of in _MEMORY.items():
        figures[name] = max(map(of, done)) - of(done[0])
    return figures


_MEMORY: dict[str, Callable[[Round], float]] = {
    "sender_grew_mb": lambda one: one.sender_mb,
    "door_grew_mb": lambda one: one.door_mb,
}


def holds(figures: dict[str, float], name: str) -> bool:
    """Return whether a goal is met."""
    relation, limit = GOALS[name]
    return figures[name] >= limit if relation == ">=" else figures[name] <= limit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), wanted.slices, wanted.rounds)
    figures["load_average"] = os.getloadavg()[0]
    if wanted.json:
        print(json.dumps({**figures, "pass": all(holds(figures, name) for name in GOALS)}, indent=1))
    else:
        print("\n".join(f"{name.replace('_', ' '):20} {value:9.2f}" for name, value in figures.items()))
        for name, (relation, limit) in GOALS.items():
            verdict = "PASS" if holds(figures, name) else "FAIL"
            print(f"{verdict}  {name.replace('_', ' ')} {figures[name]:.2f}, goal {relation} {limit:g}")
    return 0 if all(holds(figures, name) for name in GOALS) else 1


if __name__ == "__main__":
    sys.exit(main())
