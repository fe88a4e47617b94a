"""T18: a day in twenty minutes. The time of day runs 72 times as fast, a message comes every shown second, and every
five shown minutes something goes wrong. In the first quarter of the day processes are killed; after that the same
processes live on, and neither their memory nor their descriptors nor their threads may grow.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from simulators.powerserver import PowerServer
from store import reads
from store.store import Store
from tests.rig.checker import check
from tests.rig.clock import Clock
from tests.rig.figures import Figures
from tests.rig.host import Processes, deploy, pause, resident_mb
from tests.rig.kills import drained
from tests.rig.sender import Sender
from tests.rig.site import Wishes, make_site

PACE = 72.0
ROLES = ("intake", "lanes")
#: Shown hours after which a message at rest is forgotten.
KEPT_HOURS = 6.0
CLIENTS = 16
#: What PowerServer does for a few messages, every five shown minutes.
FAULTS = (
    ("AE*5",), ("no answer*2",), ("hang up*4",), ("reset*4",), ("wrong id*4",), ("garbage*4",), ("not HL7*4",),
    ("hang up mid-frame*4",), ("accept and hang up*8",), ("two answers*8",), ("late 0.2*8",),
)  # fmt: skip


@dataclass(slots=True)
class _Sizes:
    """One process over time: (shown hours, value)."""

    resident: list[tuple[float, float]] = field(default_factory=list)
    descriptors: list[tuple[float, float]] = field(default_factory=list)
    threads: list[tuple[float, float]] = field(default_factory=list)

    def look(self, hour: float, pid: int) -> None:
        self.resident.append((hour, resident_mb(pid)))
        self.descriptors.append((hour, len(list(Path(f"/proc/{pid}/fd").iterdir()))))
        self.threads.append((hour, len(list(Path(f"/proc/{pid}/task").iterdir()))))


def day(folder: Path, hours: float, seed: int) -> Figures:
    """Live through so many shown hours in an empty folder."""
    figures = Figures("T18", seed)
    chance = random.Random(seed)
    messages = round(hours * 3600)
    clock = Clock(folder)
    journal = folder / "powerserver"
    sizes = {role: _Sizes() for role in ROLES}
    kills = []
    unbalanced = 0
    with PowerServer(journal=journal) as powerserver:
        site = make_site(folder / "site", folder / "data", powerserver.port, Wishes(connections=8, answer_within=1.0))
        data = deploy(site)
        with Processes(site) as host:
            host.treatment = {role: {"environment": clock.environment} for role in ROLES}
            host.treatment["lanes"]["values"] = {"host.role_lanes.FORGET_EVERY": 3600 / PACE}
            host.assignment = {"retention_days": KEPT_HOURS / 24}
            began = time.time()
            clock.set(began, PACE)
            host.start()
            pace = CLIENTS / PACE  # a client's share of one message in a shown second
            with Sender(host.fhir, folder / "sender", keys=64, clients=CLIENTS, pace=pace, seed=seed) as sender:
                sender.grant(messages)
                while (hour := (time.time() - began) * PACE / 3600) < hours:
                    if hour < hours / 4 and chance.random() < 0.25:
                        victim = chance.choice(ROLES)
                        host.kill(victim)
                        kills.append(time.time())
                        host.start(victim)
                    else:
                        powerserver.add(*chance.choice(FAULTS))
                    pause(300 / PACE)
                    if hour > hours * 0.4:
                        for role in ROLES:
                            sizes[role].look(hour, host.process(role).pid)
                    unbalanced += not _balances(data)
                figures.equal("sender finished", str(sender.finish(300)), "True")
            figures.equal("drained", str(drained(powerserver, messages)), "True")
            host.stop()
    verdict = check(folder / "sender", journal, data, kills)
    figures.equal("acknowledged", verdict.acknowledged, messages)
    figures.at_least("kills", len(kills), hours / 4)
    figures.equal("lost", len(verdict.lost), 0)
    figures.equal("still pending or parked", len(verdict.pending) + len(verdict.parked), 0)
    figures.equal("out of order in a key", len(verdict.out_of_order), 0)
    figures.equal("repeats with other bytes", len(verdict.altered), 0)
    figures.equal("looks at which the balance did not hold", unbalanced + (not verdict.balanced), 0)
    figures.at_most("messages kept", _kept(data), (KEPT_HOURS + 2.5) * 3600)
    for role, size in sizes.items():
        figures.at_most(f"{role}: resident memory, MB more an hour", slope(size.resident), 1.0)
        figures.at_most(f"{role}: descriptors more an hour", slope(size.descriptors), 0.2)
        figures.at_most(f"{role}: threads more an hour", slope(size.threads), 0.05)
    return figures


def slope(points: list[tuple[float, float]]) -> float:
    """Return how much the value grows in an hour: the line of least squares."""
    if len(points) < 2:
        return 0.0
    middle, mean = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((hour - middle) ** 2 for hour, _ in points)
    return sum((hour - middle) * (value - mean) for hour, value in points) / spread


def _balances(data: Path) -> bool:
    store = Store(data, "command")
    try:
        return reads.reconcile(store.connection).holds
    finally:
        store.close()


def _kept(data: Path) -> int:
    store = Store(data, "command")
    try:
        count: int = store.connection.execute("SELECT count(*) FROM message").fetchone()[0]
        return count
    finally:
        store.close()
