"""T2: SIGKILL at random moments under load. Nothing acknowledged is lost, nothing overtakes, repeats are bounded."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulators.powerserver import PowerServer
from tests.rig.checker import Verdict, check
from tests.rig.figures import Figures
from tests.rig.host import Processes, deploy, pause
from tests.rig.sender import Sender
from tests.rig.site import Wishes, make_site


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


SHORT = Size(rounds=20, messages=40, ready_within=15.0)  # beside whatever else the machine does
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
            drained = _drained(powerserver, acknowledged)
            host.stop()
    verdict = check(folder / "sender", journal, data, kills)
    figures.equal("sender finished", str(finished), "True")
    figures.equal("drained", str(drained), "True")
    figures.at_least("kills", len(kills), size.rounds)
    figures.at_least("acknowledged", verdict.acknowledged, acknowledged)
    judge(figures, verdict)
    figures.at_most("ready, worst", max(ready), size.ready_within, "s")
    return figures


def judge(figures: Figures, verdict: Verdict) -> None:
    """Note what must hold after any number of kills."""
    figures.equal("lost", len(verdict.lost), 0)
    figures.equal("still pending", len(verdict.pending), 0)
    figures.equal("refused or parked", len(verdict.refused) + len(verdict.parked), 0)
    figures.equal("sent by nobody", len(verdict.strangers), 0)
    figures.equal("out of order in a key", len(verdict.out_of_order), 0)
    figures.at_most("repeats in a lane at a kill", verdict.repeats_per_lane_and_kill, 1)
    figures.equal("repeats without a kill", verdict.repeats_without_kill, 0)
    figures.equal("repeats with other bytes", len(verdict.altered), 0)
    figures.equal("balance holds", str(verdict.balanced), "True")


def _sender(host: Processes, folder: Path, size: Size, seed: int) -> Sender:
    # Spread over the window, so that a kill at any moment of it finds messages on the way.
    pace = size.lanes * size.window / (2 * size.messages)
    return Sender(host.fhir, folder / "sender", keys=size.lanes, clients=size.lanes, pace=pace, seed=seed)


def _drained(powerserver: PowerServer, messages: int) -> bool:
    """Wait until PowerServer has so many different messages and the last answers are home."""
    with suppress(TimeoutError):
        powerserver.wait_for(messages, 60)
    before = -1
    while before != powerserver.count:  # repeats come before what is behind them
        before = powerserver.count
        pause(1.5)
    return powerserver.count >= messages
