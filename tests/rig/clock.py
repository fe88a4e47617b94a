"""T7: the clock of the machine jumps under load. Time of day orders nothing, loses nothing and hurries nobody.

The processes of the host are shown another time than the machine's (clock.c); their monotonic clock is left alone,
as it is when an administrator sets the time or NTP steps it.
"""

from __future__ import annotations

import mmap
import random
import re
import struct
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from simulators.journal import read_journal
from simulators.powerserver import PowerServer
from tests.rig.checker import check
from tests.rig.figures import Figures
from tests.rig.host import Processes, deploy, pause
from tests.rig.kills import drained, judge
from tests.rig.sender import Sender
from tests.rig.site import Wishes, change, make_site

SOURCE = Path(__file__).resolve().parent / "clock.c"
HOUR, DAY, YEAR = 3600.0, 86400.0, 31_557_600.0

#: Jumps by so many seconds, in a random order.
JUMPS = (HOUR, -HOUR, DAY, -DAY, -10 * YEAR, 10 * YEAR, 1.0, -1.0)
#: Moments to which the clock is set, each a second before it matters.
MOMENTS = (
    datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC),  # a leap second follows
    datetime(2028, 2, 28, 23, 59, 59, tzinfo=UTC),  # a leap day follows
    datetime(2018, 11, 4, 2, 59, 59, tzinfo=UTC),  # daylight saving begins in the site's zone, America/Sao_Paulo
    datetime(2018, 2, 18, 1, 59, 59, tzinfo=UTC),  # and ends
    datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC),  # 32 bits are full
)
_MSH_7 = re.compile(rb"MSH\|(?:[^|]*\|){5}(\d{14})(?:\.\d+)?([+-]\d{4})\|")
ZONE = ZoneInfo("America/Sao_Paulo")
#: Seconds before the first and the later retries.
FIRST_WAIT, LONGEST_WAIT = 0.4, 3.2


class Clock:
    """The time of day that processes are shown."""

    def __init__(self, folder: Path) -> None:
        """Compile the library; the clock shows the machine's time."""
        library = folder / "clock.so"
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lm"]
        subprocess.run(command, check=True, timeout=60)
        path = folder / "clock"
        path.write_bytes(struct.pack("3d", 0.0, 0.0, 1.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 24)
        self._shows = (0.0, 0.0, 1.0)
        #: What a process needs to be shown this clock.
        self.environment = {"LD_PRELOAD": str(library), "RIG_CLOCK": str(path)}

    def now(self) -> float:
        """Return the shown time."""
        real, shown, pace = self._shows
        return shown + (time.time() - real) * pace

    def set(self, shown: float, pace: float = 1.0) -> None:
        """Jump to a time (seconds since 1970), and go on at so many times the usual pace."""
        self._shows = (time.time(), shown, pace)
        self._map[:] = struct.pack("3d", *self._shows)


def clock_jumps(folder: Path, jumps: int, seed: int) -> Figures:
    """Let the clock jump so many times under load, in an empty folder."""
    figures = Figures("T7", seed)
    chance = random.Random(seed)
    clock = Clock(folder)
    journal = folder / "powerserver"
    messages = 12 * jumps
    with PowerServer(_refusals(messages), journal=journal) as powerserver:
        site = make_site(
            folder / "site",
            folder / "data",
            powerserver.port,
            Wishes(connections=8, retry_wait=f"{FIRST_WAIT * 1000:g}ms..{LONGEST_WAIT * 1000:g}ms"),
        )
        with change(site / "site.yaml") as values:  # whatever year it is shown to be, no appointment is too long ago
            values["values"]["appointment"]["past_window"] = "36500 days"
        data = deploy(site)
        with Processes(site) as host:
            host.treatment = {role: {"environment": clock.environment} for role in ("intake", "lanes")}
            host.start()
            with Sender(host.fhir, folder / "sender", keys=16, clients=8, pace=0.02, seed=seed) as sender:
                for _ in range(jumps):
                    sender.grant(messages // jumps)
                    clock.set(_jump(clock, chance))
                    pause(0.15)
                figures.equal("sender finished", str(sender.finish(60)), "True")
            figures.equal("drained", str(drained(powerserver, messages)), "True")
            host.stop()
    verdict = check(folder / "sender", journal, data)
    figures.equal("acknowledged", verdict.acknowledged, messages)
    judge(figures, verdict, repeats=False)
    _judge_times(figures, journal)
    return figures


def _judge_times(figures: Figures, journal: Path) -> None:
    """A jump neither hurries a retry nor holds it up, and MSH-7 names the offset of the site's zone at that time."""
    sends: dict[bytes, list[float]] = {}
    days: set[bytes] = set()
    wrong: list[str] = []
    for received in read_journal(journal):
        sends.setdefault(received.payload, []).append(received.at)
        found = _MSH_7.match(received.payload)
        days.add(found[1][:8] if found else b"")
        if found is None or found[2].decode() not in _offsets(found[1].decode()):
            wrong.append(received.payload[:80].decode(errors="replace"))
    gaps = [later - earlier for times in sends.values() for earlier, later in pairwise(times)]
    figures.at_least("days that the messages show", len(days), 4)  # the clock did jump
    figures.at_least("retries", len(gaps), 5)
    figures.at_least("shortest wait before a retry, s", min(gaps, default=0.0), FIRST_WAIT * 0.8)
    figures.at_most("longest wait before a retry, s", max(gaps, default=9.9), 2 * LONGEST_WAIT)
    figures.equal("MSH-7 with another offset than the zone has then", len(wrong), 0)


def _offsets(written: str) -> set[str]:
    """Return the offsets that the site's zone has at a local time: two where an hour comes twice."""
    at = datetime.strptime(written, "%Y%m%d%H%M%S")  # noqa: DTZ007  # the zone follows
    return {at.replace(tzinfo=ZONE, fold=fold).strftime("%z") for fold in (0, 1)}


def _refusals(messages: int) -> Sequence[str]:
    """Every tenth message is answered "not now", so that there are waits for a jump to fall into."""
    return ["AA*9", "AE"] * (messages // 9)


def _jump(clock: Clock, chance: random.Random) -> float:
    if chance.random() < 0.3:
        return chance.choice(MOMENTS).timestamp()
    base = clock.now() if chance.random() < 0.5 else time.time()
    return max(DAY, base + chance.choice(JUMPS))
