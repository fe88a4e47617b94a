"""How the cost of a message grows with the number of channels, and with what is already stored.

    python -m bench.growth [--full] [--json] [--seconds 3] [--rounds 3] [--clients 32]

The hosts of a series run all the time and are loaded in turns. Channels: copies of the shipped one, each with a door of
its own; the clients are shared out to all doors. Stored messages: a store that holds so many deliveries at rest, as
large as real ones; --full adds a million (about 15 GB and some minutes).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.pipeline import Bench, Figures, bench_folder, middle, tell
from bench.processes import HOUSE
from bench.stored import multiply
from bench.systems import Host, free_ports

CHANNELS = (1, 10, 100)
STORED = (0, 10_000, 100_000)
MILLION = 1_000_000
#: Messages that are really sent to be copied, and seconds of sending that give at least as many.
ORIGINALS = 2.0
#: The goal: a message costs the same, within this share, whatever there is beside it.
FLAT = 0.15


def with_channels(folder: Path, count: int) -> Host:
    """Start a host with so many copies of the shipped channel, each behind a port of its own."""
    site, ports = folder / "site", free_ports(count)
    shutil.copytree(HOUSE / "mappings", site)
    (shipped,) = (path for path in site.glob("*.yaml") if "channel: appointment-to-powerserver" in path.read_text())
    text = shipped.read_text("utf-8")
    shipped.unlink()
    stations = []
    for number, port in enumerate(ports):
        copy = text.replace("channel: appointment-to-powerserver", f"channel: appointments-{number:03}", 1)
        copy = copy.replace("station: blume-intake", f"station: door-{number:03}", 1)
        (site / f"appointments-{number:03}.yaml").write_text(copy, "utf-8")
        stations.append(f"  door-{number:03}: {{ host: 127.0.0.1, port: {port} }}\n")
    described = (site / "site.yaml").read_text("utf-8")
    (site / "site.yaml").write_text(described.replace("stations:\n", "stations:\n" + "".join(stations), 1), "utf-8")
    return Host(folder, name=f"{count} channels", ports=ports)


def with_stored(folder: Path, bench: Bench, count: int) -> Host:
    """Start a host whose store holds at least so many messages that were delivered."""
    name = f"{count} stored"
    if count:
        host = Host(folder, name=name)
        bench.run(host, 8, ORIGINALS)
        host.stop()
        multiply(folder / "data", count)
    return Host(folder, name=name)


def series(bench: Bench, hosts: Sequence[Host], clients: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Load the hosts in turns; return the figures of each and its CPU as a ratio to the first's."""
    runs: dict[str, list[Figures]] = {host.name: [] for host in hosts}
    for host in hosts:
        bench.run(host, clients, min(1.0, seconds))
    for _ in range(rounds):
        for host in hosts:
            runs[host.name].append(bench.run(host, clients, seconds))
            tell(host, clients, runs[host.name][-1])
    first = runs[hosts[0].name]
    return {
        name.split()[0]: middle(own)
        | {
            "cpu_ratio": round(
                median(a.cpu_ms_per_message / b.cpu_ms_per_message for a, b in zip(own, first, strict=True)), 3
            )
        }
        for name, own in runs.items()
    }


def table(results: dict[str, Any]) -> str:
    """Return the figures for people, each held against the goal."""
    lines = []
    for kind, figures in results.items():
        lines.append(f"{kind:<18}  messages/s  CPU ms  of the first  answer p50 / p99 ms  resident MB")
        for count, one in figures.items():
            answer = f"{one['answer_p50_ms']:.2f} / {one['answer_p99_ms']:.2f}"
            verdict = "PASS" if one["cpu_ratio"] <= 1 + FLAT else "FAIL"
            lines.append(
                f"{int(count):>18,}  {one['messages_per_second']:10,.0f}  {one['cpu_ms_per_message']:6.3f}"
                f"  {one['cpu_ratio']:12.2f}  {answer:>19}  {one['resident_mb']:11.0f}  {verdict}"
            )
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """Run from the command line: 0 when cost is flat, 1 when it grows."""
    parser = argparse.ArgumentParser(prog="bench.growth", description="How cost grows with channels and messages.")
    parser.add_argument("--full", action="store_true", help="with a million stored messages too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--channels", type=int, nargs="*", default=CHANNELS)
    parser.add_argument("--stored", type=int, nargs="*", default=STORED)
    options = parser.parse_args()
    counts = [*options.stored, *([MILLION] if options.full else [])]
    results: dict[str, Any] = {}
    with bench_folder() as folder:
        bench = Bench(folder)
        hosts: list[Host] = []
        try:
            hosts += [with_channels(folder / f"channels-{count}", count) for count in options.channels]
            if hosts:
                results["channels"] = series(bench, hosts, options.clients, options.seconds, options.rounds)
        finally:
            for host in hosts:
                host.stop()
        hosts = []
        try:
            hosts += [with_stored(folder / f"stored-{count}", bench, count) for count in counts]
            if hosts:
                results["stored"] = series(bench, hosts, options.clients, options.seconds, options.rounds)
        finally:
            for host in hosts:
                host.stop()
    print(json.dumps(results) if options.json else table(results))
    ratios = [one["cpu_ratio"] for figures in results.values() for one in figures.values()]
    return 1 if any(ratio > 1 + FLAT for ratio in ratios) else 0


if __name__ == "__main__":
    sys.exit(main())
