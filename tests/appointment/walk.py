"""A Blume and a PowerServer with states of their own, on sockets, and a whole host with both channels between them.

`python -m tests.appointment.walk 20 60` walks with 20 seeds, 60 steps each, but begins no new one after 150 seconds (a
third number says another time), tells every ten seconds how far it is, and prints what came of it. Neither model
knows the host's table: each does what its screens let people do (the two systems' manuals), takes what it is brought,
and tells of every change, also of one that it was brought; that is what makes echoes. What is told arrives late, twice,
or after what the other side told later; lines break before and after a message was carried out.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from store import reads
from store.connection import connect
from tests.appointment.world import World
from tests.cli.console_script import wait_until

_DAY = datetime(2027, 3, 1, 12, tzinfo=UTC)
SLOTS = [_DAY + timedelta(hours=hour) for hour in range(3)]
_SHOWN = {"CONFIRMED": "booked", "CANCELLED": "cancelled"}


@dataclass
class Desk:
    """One appointment as PowerServer's staff see it. A request stands out by its priority."""

    status: str | None = None
    start: datetime | None = None
    asked: bool = False
    acts: int = 0
    #: Seconds since 1970-01-01 UTC, by PowerServer's clock: when something was done there last.
    at: float = 0.0
    #: Control ids of what it was brought: a repeat is answered as before, and does nothing.
    taken: set[str] = field(default_factory=set)
    #: Messages that have not left yet: (sample, start, when, changes).
    tells: list[tuple[str, datetime, datetime, dict[str, str]]] = field(default_factory=list)

    def change(self, status: str, start: datetime, *, asked: bool, at: float = 0.0) -> None:
        sample = {"CONFIRMED": "confirm", "SCHEDULED": "move", "CANCELLED": "cancel"}[status]
        if self.status is None and not asked:
            sample = "book"
        changes = {} if asked else {"SCHEDULED_STATUS": "ROUTINE"}
        when = datetime.fromtimestamp(at, UTC) if at else datetime.now(UTC)
        if when.timestamp() < self.at:  # it came while staff did something else, who had the last word
            self.tells.insert(max(len(self.tells) - 1, 0), (sample, start, when, changes))
            return
        self.status, self.start, self.asked, self.at = status, start, asked, when.timestamp()
        self.tells.append((sample, start, when, changes))

    def take(self, segments: list[str], at: float) -> None:
        """Carry out what the host brought, at the moment at which it was answered: S12, S13, S14 or S15."""
        control_id, event = segments[0].split("|")[9], segments[0].split("|")[8].split("^")[1]
        if control_id in self.taken:
            return
        self.taken.add(control_id)
        times = next((line.split("|") for line in segments if line.startswith("TQ1|")), None)
        start = datetime.strptime(times[7].replace(".000", ""), "%Y%m%d%H%M%S%z") if times else self.start
        assert start is not None
        status = {"S12": "SCHEDULED", "S13": "SCHEDULED", "S15": "CANCELLED"}.get(event)
        if event == "S14" and "CONFIRMED" in next(line for line in segments if line.startswith("SCH|")):
            status = "CONFIRMED"
        self.change(status or self.status or "", start.astimezone(UTC), asked=status == "SCHEDULED", at=at)


class Walk:
    """Some appointments of one world, and what is known of them on both sides."""

    def __init__(self, world: World, seed: int, numbers: range) -> None:
        self.world, self.numbers = world, numbers
        self.random = random.Random(seed)
        self.desks = {number: Desk() for number in numbers}
        self.patient_acts = dict.fromkeys(numbers, 0)
        self._told: dict[int, str | None] = dict.fromkeys(numbers)
        self._read = 0
        self.last: bytes | None = None

    # -- one step ----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Somebody does something, or something that was done is told."""
        number = self.random.choice(self.numbers)
        self.receive()
        deed = self.random.choice([self._patient, self._staff, self._blume_tells, self._powerserver_tells, self._line])
        deed(number)

    def _patient(self, number: int) -> None:
        held, slot = self.world.held(number), self.random.choice(SLOTS)
        status = held["status"] if held else None
        can: list[tuple[str, datetime]] = []
        if held is None and self.desks[number].status is None:
            can = [("proposed", slot)]
        elif status in {"pending", "booked", "proposed"}:
            there = datetime.fromisoformat((held or {})["start"])
            can = [("proposed", slot)]
            can += [("booked", there)] if status == "pending" else [("cancelled", there)]
        if can:
            self.patient_acts[number] += 1
            self.world.change(number, *self.random.choice(can))

    def _staff(self, number: int) -> None:
        desk, slot = self.desks[number], self.random.choice(SLOTS)
        if desk.status is None:
            if self.world.held(number) is None:
                desk.acts += 1
                desk.change("SCHEDULED", slot, asked=False)
                self._powerserver_tells(number)  # what PowerServer alone has is told before Blume can know of it
        elif desk.status != "CANCELLED" and desk.start is not None:
            can = [("CANCELLED", desk.start), ("CONFIRMED", desk.start), ("CONFIRMED", slot), ("SCHEDULED", slot)]
            desk.acts += 1
            desk.change(*self.random.choice(can), asked=False)

    def _blume_tells(self, number: int) -> None:
        held = self.world.held(number)
        version = held["meta"]["versionId"] if held else None
        if held is None or (self.desks[number].status is None and not self.patient_acts[number]):
            return
        if version != self._told[number] or self.random.random() < 0.2:  # told again
            self._told[number] = version
            self.world.tell(number)

    def _powerserver_tells(self, number: int) -> None:
        desk = self.desks[number]
        if desk.tells:
            sample, start, at, changes = desk.tells.pop(0)
            self.last = self.world.staff(number, sample, start, at=at, **changes)
        elif self.last is not None and self.random.random() < 0.2:
            self.world.bring(self.last)  # the same message again

    def _line(self, number: int) -> None:
        """A line breaks, before or after what is sent is carried out."""
        if self.random.random() < 0.5:
            self.world.powerserver.add("hang up")
        else:
            self.world.blume.add(self.random.choice(["hang up", "done and hang up", "503"]))

    def receive(self) -> None:
        """PowerServer takes what has arrived."""
        received = self.world.powerserver.received
        new, self._read = received[self._read :], len(received)
        for one in new:
            segments = one.payload.decode().rstrip("\r").split("\r")
            schedule = next(line.split("|") for line in segments if line.startswith("SCH|"))
            ids = {field.partition("^")[0] for field in schedule[1:3]}
            for number, desk in self.desks.items():
                if {f"appt-{number}", f"PS-{number}"} & ids:
                    desk.take(segments, one.at)

    # -- the end -----------------------------------------------------------------------------------------------------

    def quiet(self) -> None:
        """Let everything be told and arrive."""
        for _ in range(60):
            wait_until(self._is_idle, "the host has nothing to do", 60)
            before = len(self.world.powerserver.received)
            self.receive()
            moved = self._read != before
            for number, desk in self.desks.items():
                moved |= bool(desk.tells)
                while desk.tells:
                    self._powerserver_tells(number)
                held = self.world.held(number)
                if held and held["meta"]["versionId"] != self._told[number]:
                    moved = True
                    self._told[number] = held["meta"]["versionId"]
                    self.world.tell(number)
            if not moved and self._is_idle() and self._read == len(self.world.powerserver.received):
                return
        raise AssertionError("the two sides never come to rest: something echoes")

    def _is_idle(self) -> bool:
        link = connect(self.world.host.data)
        try:
            return reads.reconcile(link).shares["pending"] == 0
        finally:
            link.close()

    def parked(self) -> set[int]:
        """Return the appointments of which a message is parked: a person is asked, and it is said."""
        return {number for number in self.numbers if self._is_parked(number)}

    def _is_parked(self, number: int) -> bool:
        for key in (f"PS-{number}", f"appt-{number}"):
            shown = self.world.host.command("appointment", "show", key, "--json")
            gaps = [gap for one in (shown.json or {}).get("appointments", []) for gap in one["gaps"]]
            if any(gap["what"] == "parked" for gap in gaps):
                return True
        return False

    def differences(self) -> list[str]:
        """Return what the two sides do not agree on, and what was said twice."""
        found = []
        for number, desk in self.desks.items():
            held = self.world.held(number) or {}
            acts = desk.acts + self.patient_acts[number]
            if len(desk.taken) > self.patient_acts[number]:
                found.append(f"{number}: PowerServer got more messages than the patient did things")
            if held and int(held["meta"]["versionId"]) > acts + self.patient_acts[number] + 1:
                found.append(f"{number}: Blume was written more often than anybody did something")
            here = (held.get("status"), datetime.fromisoformat(held["start"]) if held else None)
            asked = "proposed" if desk.asked else "pending"
            there = (_SHOWN.get(desk.status or "") or (asked if desk.status else None), desk.start)
            if here[0] == there[0] == "cancelled" or (here[0] == "cancelled" and desk.status is None):
                continue  # an S15 has no time; what PowerServer never heard of needs no cancelling
            if here != there:
                same = "at the same time" if here[1] == there[1] else "at another time"
                found.append(f"{number}: Blume has {here[0]}, PowerServer {there[0]}, {same}")
        return found


def walk(world: World, seed: int, numbers: range, steps: int) -> tuple[list[str], set[int]]:
    """Walk and come to rest; return what differs where no message is parked, and the appointments with a parked one."""
    walked = Walk(world, seed, numbers)
    for _ in range(steps):
        walked.step()
    walked.quiet()
    differences = walked.differences()
    parked = walked.parked() if differences else set()
    return [text for text in differences if int(text.partition(":")[0]) not in parked], parked


def main(seeds: int, steps: int, seconds: float = 150) -> int:
    """Walk with many seeds in one world; no new one is begun when the time is over."""
    result: dict[str, Any] = {"seeds": 0, "steps": steps, "appointments": 0, "parked": 0, "differences": []}
    began = told = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), blocks=False) as world:
        for seed in range(seeds):
            if time.monotonic() - began > seconds:
                break
            differences, parked = walk(world, seed, range(100 * seed + 1, 100 * seed + 4), steps)
            result["seeds"] += 1
            result["appointments"] += 3
            result["parked"] += len(parked)
            result["differences"] += [f"seed {seed}: {text}" for text in differences]
            if time.monotonic() - told > 10:
                told = time.monotonic()
                sys.stderr.write(f"{told - began:.0f} s: {result['seeds']} of {seeds} seeds\n")
    result["seconds"] = round(time.monotonic() - began)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return bool(result["differences"])


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    raise SystemExit(main(*numbers))
