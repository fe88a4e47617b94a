"""A Blume and a PowerServer with appointments of their own, by the rules of their manuals, and both channels between.

Neither model knows the host's table. Each keeps what it shows to people, takes what it is brought, and tells of every
change, also of one that it was brought: that is what makes echoes. The way between them loses answers, brings things
twice, and lets one side overtake the other.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.appointment import Appointment
from channels.kind import Go, Hold, Occasion, Outcome, Wait
from messages.lifecycle import Event
from messages.problem import Problems
from tests.appointment.kit import SETTINGS

SLOTS = [datetime(2027, 3, 1, hour, tzinfo=UTC) for hour in (9, 10, 11)]
#: PowerServer's statuses, and what its table of the shipped site calls them.
_PS = {"SCHEDULED": "PENDING", "CONFIRMED": "CONFIRMED", "ARRIVED": "ARRIVED", "CANCELLED": "CANCELLED"}


class Clock:
    """Seconds that only pass when something happens."""

    def __init__(self) -> None:
        self.now = datetime(2027, 1, 1, tzinfo=UTC)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Blume:
    """What patients see; its server holds one version of each appointment, and refuses a write to an older one."""

    clock: Clock
    held: dict[str, Any] = field(default_factory=dict)
    tells: deque[dict[str, Any]] = field(default_factory=deque)
    acts: int = 0
    written: int = 0

    def patient(self, **change: Any) -> None:
        self.acts += 1
        self._change(change)

    def _change(self, change: dict[str, Any]) -> None:
        self.held |= change | {"modified": self.clock.tick().isoformat()}
        self.tells.append(copy.deepcopy(self.held))

    def write(self, change: dict[str, Any], sent: dict[str, Any]) -> bool:
        """The host writes. False: somebody was quicker, and it is not as the host believed."""
        believed, start = sent.get("believed"), sent.get("believed_start")
        if believed is not None and self.held.get("status") not in {None, believed}:
            return False
        if start is not None and self.held.get("start") not in {None, start}:
            return False
        self.written += 1
        self._change({name: value for name, value in change.items() if value is not None})
        return True


@dataclass
class PowerServer:
    """What staff see: a status and a time; a request stands out by its priority."""

    clock: Clock
    status: str | None = None
    start: datetime | None = None
    asked: bool = False
    tells: deque[dict[str, Any]] = field(default_factory=deque)
    acts: int = 0
    received: int = 0

    def staff(self, status: str, start: datetime | None = None) -> None:
        self.acts += 1
        self.asked = False
        self._change(status, start)

    def _change(self, status: str, start: datetime | None) -> None:
        self.status, self.start = status, start or self.start
        self.clock.tick()
        self.tells.append(
            {
                "filler": "PS-1", "placer": "appt-1", "event": "S15" if status == "CANCELLED" else "S14",
                "status": _PS[status], "start": self.start.isoformat(),
                "end": (self.start + timedelta(hours=1)).isoformat(), "resource": "CT",
                "said_at": self.clock.now.isoformat(), "priority": "SCHEDULED STATUS" if self.asked else "ROUTINE",
            }
        )  # fmt: skip

    def take(self, message: dict[str, Any]) -> float:
        """Take an S12, S13, S14 or S15 of Blume's; return when, as its acknowledgement says."""
        self.received += 1
        does = {"request": "SCHEDULED", "reschedule": "SCHEDULED", "confirm": "CONFIRMED", "cancel": "CANCELLED"}
        status = does.get(message["change"], self.status)
        self.asked = message["change"] in {"request", "reschedule"} or (self.asked and message["change"] == "modify")
        self._change(status, datetime.fromisoformat(message["start"]))
        return self.clock.now.timestamp()


@dataclass
class Delivery:
    """A message on its way through a channel."""

    number: int
    facts: dict[str, tuple[str, ...]]
    #: What is sent, once that is decided; the same at every attempt.
    sent: dict[str, Any] | None = None
    #: The peer has taken it, and its answer has not been read.
    taken: bool = False
    said_at: float | None = None
    event: Event = Event.ACCEPTED


class Way:
    """One channel: what a side tells is taken in order, decided by the rules, sent, and settled by the answer."""

    def __init__(self, host: Host, side: str, told: deque[dict[str, Any]]) -> None:
        self.host, self.told = host, told
        self.kind = Appointment(side, SETTINGS)
        self.lane: deque[Delivery] = deque()
        self.parked = 0
        self.held: list[str] = []

    def accept(self, *, twice: bool = False) -> bool:
        """The host takes what was told first, perhaps twice."""
        if not self.told:
            return False
        message = self.told.popleft()
        facts = {name: (text,) for name, text in message.items()}
        for _ in range(2 if twice else 1):
            self.lane.append(Delivery(self.host.number(), facts))
        return True

    def work(self, *, lose: bool = False) -> bool:
        """One step of the lane's head: decide, send, or read the answer. `lose`: the answer gets lost on the way."""
        if not self.lane:
            return False
        head = self.lane[0]
        if head.sent is None:
            return self._decide(head)
        if not head.taken or lose:
            self.host.send(self, head, again=head.taken)
            head.taken = True
            return True
        self.host.settle(self, head)
        self.lane.popleft()
        return True

    def _decide(self, head: Delivery) -> bool:
        try:
            said = self.kind.before_mapping(head.facts, self.host.memory, self.host.occasion(head))
        except Problems:
            self.parked += 1
            self.lane.popleft()
            return True
        if isinstance(said, Wait):
            return False
        self.host.memory = said.memory
        if isinstance(said, Hold):
            self.held.append(said.reason)
            self.lane.popleft()
            return True
        assert isinstance(said, Go)
        head.sent = {name: texts[0] for name, texts in head.facts.items()} | dict(said.values)
        return True


class Host:
    """The two channels and what they remember of the appointment."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.blume, self.powerserver = Blume(self.clock), PowerServer(self.clock)
        self.memory: Any = None
        self._number = 0
        self.out = Way(self, "fhir-to-hl7", self.blume.tells)
        self.back = Way(self, "hl7-to-fhir", self.powerserver.tells)

    def number(self) -> int:
        self._number += 1
        return self._number

    def occasion(self, head: Delivery) -> Occasion:
        going = {one.number for way in (self.out, self.back) for one in way.lane if one.sent is not None}
        return Occasion(
            now=self.clock.now.timestamp(), delivery=head.number, remembered=lambda _: None,
            elsewhere=lambda *_: None, is_open=going.__contains__,
        )  # fmt: skip

    def send(self, way: Way, head: Delivery, *, again: bool) -> None:
        if again:
            return  # the same identity: the peer gives its stored answer and does nothing
        assert head.sent is not None
        if way is self.out:
            head.said_at = self.powerserver.take(head.sent)
            return
        change = {"filler": "PS-1", "placer": "appt-1", "resource": "CT", "other": "x"}
        if "status" in head.sent and head.sent["change"] != "numbered":
            change |= {name: head.sent[name] for name in ("status", "start", "end")}
        if not self.blume.write(change, head.sent):
            head.event = Event.REFUSED

    def settle(self, way: Way, head: Delivery) -> None:
        outcome = Outcome(event=head.event, delivery=head.number, now=self.clock.now.timestamp(), said_at=head.said_at)
        way.parked += head.event is not Event.ACCEPTED
        self.memory, _ = way.kind.settled(self.memory, outcome)

    def quiet(self) -> None:
        """Let everything arrive."""
        for _ in range(10_000):
            moved = [one for way in (self.out, self.back) for one in (way.accept(), way.work())]
            if not any(moved):
                return
        raise AssertionError("the two sides never come to rest: something echoes")
