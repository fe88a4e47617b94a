"""T2: SIGKILL at random moments under load. Nothing acknowledged is lost, nothing overtakes, repeats are bounded."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from simulators.powerserver import PowerServer
from tests.rig.checker import Verdict, check
from tests.rig.figures import Figures
from tests.rig.host import Processes, WholeHost, deploy, pause
from tests.rig.sender import Sender
from tests.rig.site import Wishes, fhir_of, make_site


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the trial is."""

    rounds: int
    messages: int
    #: A kill comes so many seconds after the host is ready, evenly spread from 0.
    window: float = 2.0
    lanes: int = 16
    #: Seconds that a start may take.
    ready_within: float = 3.0


SHORT = Size(rounds=20, messages=40, window=0.8, ready_within=15.0)  # beside whatever else the machine does
FULL = Size(rounds=200, messages=100)

#: What is killed, and how often in relation.
_VICTIMS = (("intake", "lanes"),) * 2 + (("lanes",), ("intake",))


def random_kills(folder: Path, size: Size, seed: int) -> Figures:
    """Run the trial in an empty folder."""
    figures = Figures("T2", seed)
    chance = random.Random(seed)
    kills: list[float] = []
    ready: list[float] = []
    journal = folder / "powerserver"
    with PowerServer(journal=journal, answer_after=0.02) as powerserver:
        site = make_site(folder / "site", folder / "data", powerserver.port, Wishes(connections=size.lanes))
        data = deploy(site)
        with Processes(site) as host, _sender(host, folder, size, seed) as sender:
            ready.append(host.start())
            for _ in range(size.rounds):
                sender.grant(size.messages)
                pause(chance.uniform(0, size.window))
                victims = chance.choice(_VICTIMS)
                host.kill(*victims)
                kills.append(time.time())
                ready.append(host.start(*victims))
            finished = sender.finish(120)
            acknowledged = size.rounds * size.messages
            done = drained(powerserver, acknowledged)
            host.stop()
    verdict = check(folder / "sender", journal, data, kills)
    figures.equal("sender finished", str(finished), "True")
    figures.equal("drained", str(done), "True")
    figures.at_least("kills", len(kills), size.rounds)
    figures.at_least("acknowledged", verdict.acknowledged, acknowledged)
    judge(figures, verdict)
    figures.at_most("ready, worst", max(ready), size.ready_within, "s")
    return figures


def supervisor_kills(folder: Path, rounds: int, seed: int) -> Figures:
    """Kill the supervisor alone, under load, and start a host at once: the old processes leave, new ones take over."""
    figures = Figures("T2", seed)
    chance = random.Random(seed)
    kills: list[float] = []
    messages = 100 * rounds
    journal = folder / "powerserver"
    with PowerServer(journal=journal, answer_after=0.02) as powerserver, ExitStack() as hosts:
        site = make_site(folder / "site", folder / "data", powerserver.port, Wishes(connections=8))
        host = hosts.enter_context(WholeHost(site))
        host.ready()
        with Sender(fhir_of(site), folder / "sender", keys=16, clients=16, pace=0.2, seed=seed) as sender:
            sender.grant(messages)
            for _ in range(rounds):
                pause(chance.uniform(0.2, 1.0))
                host.kill_supervisor()
                kills.append(time.time())
                host = hosts.enter_context(WholeHost(site))
                host.ready()
            figures.equal("supervisor, sender finished", str(sender.finish(60)), "True")
        drained(powerserver, messages)
        figures.equal("supervisor, exit code of a stop", host.stop(), 0)
    judge(figures, check(folder / "sender", journal, folder / "data", kills), "supervisor, ")
    return figures


def judge(figures: Figures, verdict: Verdict, name: str = "", *, repeats: bool = True) -> None:
    """Note what must hold after any number of kills; not of `repeats` where PowerServer asked for them."""
    figures.equal(name + "lost", len(verdict.lost), 0)
    figures.equal(name + "still pending", len(verdict.pending), 0)
    figures.equal(name + "refused or parked", len(verdict.refused) + len(verdict.parked), 0)
    figures.equal(name + "sent by nobody", len(verdict.strangers), 0)
    figures.equal(name + "out of order in a key", len(verdict.out_of_order), 0)
    if repeats:
        figures.at_most(name + "repeats in a lane at a kill", verdict.repeats_per_lane_and_kill, 1)
        figures.equal(name + "repeats without a kill", verdict.repeats_without_kill, 0)
    figures.equal(name + "repeats with other bytes", len(verdict.altered), 0)
    figures.equal(name + "balance holds", str(verdict.balanced), "True")


def _sender(host: Processes, folder: Path, size: Size, seed: int) -> Sender:
    # Spread over the window, so that a kill at any moment of it finds messages on the way.
    pace = size.lanes * size.window / (2 * size.messages)
    return Sender(host.fhir, folder / "sender", keys=size.lanes, clients=size.lanes, pace=pace, seed=seed)


def drained(powerserver: PowerServer, messages: int) -> bool:
    """Wait until PowerServer has so many different messages and the last answers are home."""
    with suppress(TimeoutError):
        powerserver.wait_for(messages, 60)
    before = -1
    while before != powerserver.count:  # repeats come before what is behind them
        before = powerserver.count
        pause(1.5)
    return powerserver.count >= messages
