"""End to end, our host and the floor in turns: POST → fsync → map → MLLP → ACK → SENT, the C.1 bundle.

    python -m bench.pipeline [--json] [--seconds 3] [--rounds 3] [--clients 1,8,32] [--only host|floor]

Both run all the time and are loaded one after the other, so that they meet the same machine; each figure is the median
of the rounds, the ratio the median of the ratios. Messages a second count until the last delivery; CPU is that of all
processes of the system, sender and sink not counted; resident memory is PSS (bench/processes.py says more).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from bench.bookings import FIRST_NUMBER
from bench.load import Log, read_log
from bench.processes import HOUSE, cpu_seconds, pace, resident_mb
from bench.report import failed, table
from bench.sink import Receipts
from bench.systems import Floor, Host, System

#: Seconds without a delivery after which a run is given up.
PATIENCE = 30.0
#: Seconds after the last delivery in which the store takes note of it.
SETTLE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run of one system."""

    messages_per_second: float
    cpu_ms_per_message: float
    answer_p50_ms: float
    answer_p99_ms: float
    delivery_p50_ms: float
    delivery_p99_ms: float
    resident_mb: float


class Bench:
    """The systems of one bench, and the numbers of their bookings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first = FIRST_NUMBER
        #: Bookings that were answered 2xx, by system.
        self.accepted: Counter[str] = Counter()

    def run(self, system: System, clients: int, seconds: float) -> Figures:
        """Load a system for some seconds, wait until all is delivered, and return what it cost.

        Raises:
            AssertionError: what was accepted and what the receiver has are not the same.
        """
        pids = system.pids()
        before = cpu_seconds(pids)
        log = self._load(system, clients, seconds)
        memory = resident_mb(pids)
        self._drain(system, len(log.numbers))
        time.sleep(SETTLE)
        spent = cpu_seconds(pids) - before
        receipts = system.sink.take()
        assert system.pids() == pids, f"a process of the {system.name} was started again"
        wrong = unlike(log.numbers, receipts.numbers)
        assert not wrong, f"the {system.name}: {wrong}"
        return _figures(log, receipts, spent, memory)

    def _load(self, system: System, clients: int, seconds: float) -> Log:
        out = self._folder / "answers"
        subprocess.run(
            [sys.executable, "-m", "bench.load", "--port", *map(str, system.ports), "--clients", str(clients),
             "--seconds", str(seconds), "--first", str(self._first), "--out", str(out)],
            cwd=HOUSE, check=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        log = read_log(out)
        self._first = max(log.numbers) + 1
        self.accepted[system.name] += len(log.numbers)
        return log

    def _drain(self, system: System, wanted: int) -> None:
        seen, since = -1, time.monotonic()
        while (count := system.sink.count()) < wanted:
            if count > seen:
                seen, since = count, time.monotonic()
            assert time.monotonic() - since < PATIENCE, f"the {system.name} stopped at {count} of {wanted} deliveries"
            time.sleep(0.05)


def unlike(accepted: Iterable[int], received: Iterable[int]) -> str:
    """Return what is wrong where the receiver does not have exactly what was accepted; nothing when it has."""
    balance = Counter(accepted)
    balance.subtract(received)
    lost = sum(count for count in balance.values() if count > 0)
    more = -sum(count for count in balance.values() if count < 0)
    return f"{lost} lost, {more} too many" if lost or more else ""


def _figures(log: Log, receipts: Receipts, spent: float, memory: float) -> Figures:
    count = len(log.numbers)
    posted = dict(zip(log.numbers, log.posted, strict=True))
    answers = sorted(b - a for a, b in zip(log.posted, log.answered, strict=True))
    deliveries = sorted(at - posted[number] for number, at in zip(*receipts, strict=True))
    return Figures(
        messages_per_second=count / (max(receipts.times) - min(log.posted)),
        cpu_ms_per_message=spent * 1000 / count,
        answer_p50_ms=answers[count // 2] * 1000,
        answer_p99_ms=answers[count * 99 // 100] * 1000,
        delivery_p50_ms=deliveries[count // 2] * 1000,
        delivery_p99_ms=deliveries[count * 99 // 100] * 1000,
        resident_mb=memory,
    )


def middle(runs: Sequence[Figures]) -> dict[str, float]:
    """Return the median of each figure."""
    return {field.name: round(median(getattr(run, field.name) for run in runs), 3) for field in fields(Figures)}


@contextmanager
def bench_folder() -> Iterator[Path]:
    """Give a folder on the checkout's disk, not in memory, and remove it at the end."""
    artefacts = HOUSE / "test-artefacts"
    artefacts.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=artefacts) as folder:
        yield Path(folder)


def measure(folder: Path, *, only: str | None, clients: Sequence[int], seconds: float, rounds: int) -> dict[str, Any]:
    """Run everything in turns; return the figures by number of clients (see issue 3 for the names)."""
    bench = Bench(folder)
    systems: list[System] = []
    runs: dict[tuple[str, int], list[Figures]] = {}
    try:
        if only != "host":
            systems.append(Floor(folder / "floor"))
        if only != "floor":
            systems.append(Host(folder / "host"))
        for system in systems:
            bench.run(system, max(clients), min(1.0, seconds))  # not counted: caches, connections, first pages
        for _ in range(rounds):
            for number in clients:
                for system in systems:
                    runs.setdefault((system.name, number), []).append(bench.run(system, number, seconds))
                    tell(system, number, runs[system.name, number][-1])
    finally:
        stored = {system.name: system.stop() for system in systems}
    for name, count in stored.items():
        assert count == bench.accepted[name], f"the {name} accepted {bench.accepted[name]} and says SENT of {count}"
    return {str(number): _result(runs, number) for number in clients}


def _result(runs: dict[tuple[str, int], list[Figures]], clients: int) -> dict[str, Any]:
    host, floor = runs.get(("host", clients)), runs.get(("floor", clients))
    result: dict[str, Any] = dict(middle(host)) if host else {}
    if floor:
        result["floor"] = middle(floor)
    if host and floor:
        ratios = [ours.cpu_ms_per_message / least.cpu_ms_per_message for ours, least in zip(host, floor, strict=True)]
        result["cpu_ratio"] = round(median(ratios), 3)
    return result


def tell(system: System, clients: int, run: Figures) -> None:
    """Say on standard error how a run went, and how fast the machine is just now."""
    said = " ".join(f"{name}={value:.2f}" for name, value in asdict(run).items())
    print(f"{system.name} clients={clients} pace={pace():.0f} ms {said}", file=sys.stderr)


def main() -> int:
    """Run from the command line: 0 when all goals are met, 1 when not."""
    parser = argparse.ArgumentParser(prog="bench.pipeline", description="Our host end to end, beside the floor.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load in each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,8,32", help="numbers of clients, with commas")
    parser.add_argument("--only", choices=("host", "floor"))
    options = parser.parse_args()
    clients = [int(number) for number in options.clients.split(",")]
    with bench_folder() as folder:
        results = measure(
            folder, only=options.only, clients=clients, seconds=options.seconds, rounds=options.rounds
        )  # fmt: skip
    print(json.dumps(results) if options.json else table(results))
    return 1 if failed(results) else 0


if __name__ == "__main__":
    sys.exit(main())
