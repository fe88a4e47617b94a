"""T1: SIGKILL at the k-th system call, for every k: before each write, sync and send, of the store and of the host."""

from __future__ import annotations

import functools
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from host.supervisor import NotReady
from simulators.powerserver import PowerServer
from tests.rig import driver, tracing
from tests.rig.checker import Verdict, check
from tests.rig.figures import Figures
from tests.rig.host import ROOT, Processes, deploy, pause
from tests.rig.kills import judge
from tests.rig.sender import Sender
from tests.rig.site import Wishes, free_port, make_site
from tests.rig.tracing import Point

#: A store's own calls; a process of the host also sends.
STORE_CALLS = ("pwrite64", "fsync", "fdatasync", "write")
HOST_CALLS = (*STORE_CALLS, "sendto", "sendmsg")
Attach = Callable[[int], subprocess.Popen[str]]
MESSAGES = 12
#: Broken promises after which a sweep is over.
ENOUGH = 3
KEYS = 3


def sample(points: list[Point], size: int | None, chance: random.Random) -> list[Point]:
    """Return all points, or so many of them, the rarer calls before the commoner."""
    if size is None or size >= len(points):
        return points
    by_call: dict[str, list[Point]] = {}
    for point in chance.sample(points, len(points)):
        by_call.setdefault(point[0], []).append(point)
    sample: list[Point] = []
    while len(sample) < size:
        for of_call in by_call.values():
            sample += of_call[:1]
            del of_call[:1]
    return sample[:size]


# -- the store ------------------------------------------------------------------------------------------------


def store_points(folder: Path, seed: int, size: int | None = None, count: int = 8) -> Figures:
    """Kill the driver at every point (or at `size` of them), then look, then let it do the rest."""
    figures = Figures("T1", seed)
    chance = random.Random(seed)
    base = folder / "base"
    driver.set_up(base)
    shutil.copytree(base, folder / "counting")
    trace = folder / "trace"
    drive(folder / "counting", count, lambda pid: tracing.count_calls(pid, STORE_CALLS, trace))
    points = sample(tracing.points(trace), size, chance)
    died = 0
    wrong: list[str] = []
    for point in points:
        place = folder / "crash"
        shutil.copytree(base, place)
        code, said = drive(place, count, functools.partial(tracing.kill_at, point=point))
        died += code != 0
        found = driver.inspect(place, functools.partial(driver.broken, said=said))
        wrong += [f"{point}: {line}" for line in (*found.broken, *filter(None, [found.refused]))]
        if found.refused is None:
            wrong += [f"{point}: {line}" for line in driver.finish(place, count)]
        shutil.rmtree(place)
    figures.at_least("store, points that killed", died, int(len(points) * 0.9))
    figures.equal("store, promises broken", "; ".join(wrong[:5]) or "none", "none")
    return figures


def drive(folder: Path, count: int, attach: Attach, *words: str) -> tuple[int, set[str]]:
    """Run the driver with a tracer; return its exit code and what it said."""
    command = [sys.executable, "-m", "tests.rig.driver", str(folder), "1", str(count), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        with attach(process.pid):
            output, _ = process.communicate(b"\n", timeout=60)
        return process.returncode, set(output.decode().split("\n")[:-1])


# -- the host -------------------------------------------------------------------------------------------------


class HostPoints:
    """A deployed site that is killed at one point after the other, each time from the same beginning."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._port = free_port()
        self._site = make_site(folder / "site", folder / "data", self._port, Wishes(connections=KEYS))
        deploy(self._site)
        self._sender = folder / "sender"
        self._seed = seed

    def lanes(self, figures: Figures, size: int | None = None) -> None:
        """Kill the lanes with messages waiting."""
        filled = self._folder / "filled"
        shutil.copytree(self._folder / "data", filled)
        with Processes(self._site, filled) as host:
            host.start("intake")
            self._send(host, self._sender, finish=True)
            host.stop()
        self._sweep(figures, "lanes", filled, size)

    def intake(self, figures: Figures, size: int | None = None) -> None:
        """Kill the doors while messages come in."""
        self._sweep(figures, "intake", self._folder / "data", size)

    def _sweep(self, figures: Figures, role: str, base: Path, size: int | None) -> None:
        trace = self._folder / f"trace-{role}"
        self._crash(role, base, lambda pid: tracing.count_calls(pid, HOST_CALLS, trace))
        points = sample(tracing.points(trace), size, self._chance)
        tried = died = 0
        failed: list[str] = []
        for point in points:
            tried += 1
            dead, verdict = self._crash(role, base, functools.partial(tracing.kill_at, point=point))
            died += dead
            private = Figures("T1", quiet=True)
            judge(private, verdict)
            failed += [f"{point}: {line}" for line in private.failed()]
            if len(failed) >= ENOUGH:
                break
        figures.at_least(f"{role}, points", tried, len(points))
        figures.at_least(f"{role}, points that killed", died, int(tried * 0.8))
        figures.equal(f"{role}, promises broken", "; ".join(failed) or "none", "none")

    def _crash(self, role: str, base: Path, attach: Attach) -> tuple[bool, Verdict]:
        """Go through one crash: killed at the point, started again, drained, checked."""
        data, journal, sender = (self._folder / name for name in ("crash", "powerserver", "crash-sender"))
        shutil.copytree(base, data)
        kills: list[float] = []
        with PowerServer(port=self._port, journal=journal) as powerserver, Processes(self._site, data) as host:
            tracers: list[subprocess.Popen[str]] = []
            host.before_work[role] = lambda pid: tracers.append(attach(pid))
            dead = self._until_dead(host, role, powerserver, sender)
            kills += [time.time()] if dead else []
            host.before_work.clear()
            if dead:
                host.start(role)
            if role == "intake":
                self._process.finish(30)
                self._process.__exit__()
                host.start("lanes")
            with suppress(TimeoutError):
                powerserver.wait_for(MESSAGES, 20)
            pause(0.3)
            host.kill()
            for tracer in tracers:
                with tracer:
                    continue
        verdict = check(sender if role == "intake" else self._sender, journal, data, kills)
        shutil.rmtree(data)
        shutil.rmtree(sender, ignore_errors=True)
        journal.unlink()
        return dead, verdict

    def _until_dead(self, host: Processes, role: str, powerserver: PowerServer, sender: Path) -> bool:
        try:
            host.start(role)
        except NotReady:
            if role == "intake":
                self._process = self._send(host, sender, finish=False)
            return True
        if role == "intake":
            self._process = self._send(host, sender, finish=False)
            return _dies(host, role, lambda: self._process.finish(0.05))
        return _dies(host, role, lambda: powerserver.count >= MESSAGES)

    def _send(self, host: Processes, journal: Path, *, finish: bool) -> Sender:
        sender = Sender(host.fhir, journal, keys=KEYS, clients=KEYS, seed=self._seed)
        sender.grant(MESSAGES)
        if finish:
            with sender:
                assert sender.finish(30)
        return sender


def _dies(host: Processes, role: str, is_over: Callable[[], bool]) -> bool:
    """Wait until the process has died, or its work is over and it lives on; then it is stopped in order."""
    for _ in range(200):
        if host.ended(role, within=0.1):
            return True
        if is_over():
            return host.ended(role, within=0.7)
    return False
