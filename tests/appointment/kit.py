"""An appointment's rules with their memory, without channels: what Blume and PowerServer say, one after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from channels.appointment import Appointment
from channels.kind import Go, Hold, Occasion, Outcome, Wait
from messages.lifecycle import Event
from messages.problem import Problems

STATUSES = {
    "REQUESTED": ("SCHEDULED", "proposed", "Requested"),
    "PENDING": ("SCHEDULED", "pending", "Pending"),
    "WAITLIST": ("WAITLIST", "waitlist", "Pending"),
    "CONFIRMED": ("CONFIRMED", "booked", "Scheduled"),
    "ARRIVED": ("ARRIVED", "arrived", "Scheduled"),
    "READY": ("READY FOR SCAN", "checked-in", "Scheduled"),
    "COMPLETED": ("COMPLETED", "fulfilled", "Completed"),
    "NOSHOW": ("NO SHOW", "noshow", "Cancelled"),
    "CANCELLED": ("CANCELLED", "cancelled", "Cancelled"),
    "RESCHEDULE": ("NEED TO RESCHEDULE", "proposed", "Requested"),
    "ERROR": ("CANCELLED", "entered-in-error", "hidden"),
}
SETTINGS = {
    "requested_when": {"states": ["PENDING"], "priorities": ["SCHEDULED STATUS"]},
    "statuses": {
        "default": {state: dict(zip(("ris", "fhir", "blume"), words, strict=True)) for state, words in STATUSES.items()}
    },
}
NINE = datetime(2025, 12, 1, 9, tzinfo=UTC)
TODAY = datetime(2025, 11, 20, 12, tzinfo=UTC)


class Story:
    """One appointment, and what the rules make of what both sides say of it."""

    def __init__(self, **settings):
        self.settings = SETTINGS | settings
        self.sides = {name: Appointment(name, self.settings) for name in ("fhir-to-hl7", "hl7-to-fhir")}
        self.memory = None
        self.others = {}
        self.delivery = 0
        self.open = set()
        self.now = TODAY

    def blume(self, status, start=NINE, *, minutes=60, settle=Event.ACCEPTED, **facts):
        """Blume tells: the appointment has this status and time."""
        given = {
            "placer": "appt-1", "status": status, "start": start.isoformat(),
            "end": (start + timedelta(minutes=minutes)).isoformat(), "resource": "BLUME CT",
            "modified": self._tick().isoformat(), "other": ("CT01", "a note"),
        }  # fmt: skip
        return self._tell("fhir-to-hl7", given | facts, settle)

    def powerserver(self, status, start=NINE, *, settle=Event.ACCEPTED, **facts):
        """PowerServer tells."""
        given = {
            "placer": "appt-1", "filler": "PS-1", "event": "S14", "status": status, "start": start.isoformat(),
            "end": (start + timedelta(minutes=60)).isoformat(), "resource": "BLUME CT",
            "said_at": self._tick().isoformat(), "priority": ("ROUTINE",),
        }  # fmt: skip
        return self._tell("hl7-to-fhir", given | facts, settle)

    def _tick(self):
        self.now += timedelta(minutes=1)
        return self.now

    def _tell(self, side, given, settle):
        facts = {
            name: value if isinstance(value, tuple) else (value,) for name, value in given.items() if value is not None
        }
        self.delivery += 1
        kind = self.sides[side]
        kind.at_door(facts, self.memory)
        occasion = Occasion(
            now=self.now.timestamp(), delivery=self.delivery, remembered=self.others.get,
            elsewhere=lambda *_: None, is_open=self.open.__contains__,
        )  # fmt: skip
        said = kind.before_mapping(facts, self.memory, occasion)
        if isinstance(said, Go | Hold):
            self.memory = said.memory
        if isinstance(said, Go):
            self.open.add(self.delivery)
            if settle is not None:
                self.settle(self.delivery, settle)
        return said

    def settle(self, delivery, event=Event.ACCEPTED, said_at=None):
        """A delivery ends."""
        self.open.discard(delivery)
        outcome = Outcome(event=event, delivery=delivery, now=self._tick().timestamp(), said_at=said_at)
        self.memory, _ = self.sides["fhir-to-hl7"].settled(self.memory, outcome)

    @property
    def state(self):
        return self.memory["state"] if self.memory else None


def change(said):
    """Return what is sent: the change; or why nothing is; or the code of the problem."""
    if isinstance(said, Go):
        return said.values["change"]
    return said.reason if isinstance(said, Hold | Wait) else said


def refused(tell, *args, **facts):
    """Return the text with which something is refused."""
    try:
        said = tell(*args, **facts)
    except Problems as problems:
        return f"{problems.problems[0].code}: {problems.problems[0].text}"
    raise AssertionError(f"it was not refused: {change(said)}")
