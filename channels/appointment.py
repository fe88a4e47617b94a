"""The kind `appointment`: what the patient does in Blume and what staff do in PowerServer, on one state of each.

Two channels have this kind, one for each direction, and share what is remembered. What they send is decided by the
tables of `appointment_states`; here stands what is compared with what, and what is then left out: what a side has
already (nothing changed), what this host has caused itself (an echo), what is older than what is known (stale), and
what PowerServer said before it accepted the patient's change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from channels import appointment_settings
from channels.appointment_memory import Record, Snapshot, Way, moment, one, snapshot, version
from channels.appointment_states import ENDED, SAID, TRANSITIONS, Change, State
from channels.appointment_words import WORDS
from channels.kind import Go, Hold, Occasion, Outcome, Wait
from messages.lifecycle import Event
from messages.problem import Problem, Problems
from messages.subject import Memory
from transformers.base import Facts, KindWords

BLUME, POWERSERVER = "blume", "powerserver"

NOTHING = "nothing changed: PowerServer has it so already"
ECHO = "an echo: Blume tells what PowerServer has said and this host has written there"
HEARD = "nothing changed: Blume has it so already"
ANSWERED = "an echo: PowerServer tells what this host has brought from Blume"
REPEATED = "repeated: this version of the appointment was dealt with before"
STALE = "stale: a newer state of the appointment is known"
SUPERSEDED = "superseded: PowerServer said this before it accepted the patient's change"
KEPT = "superseded: the patient's request is newer than PowerServer's confirmation of the time before"
NEWS = "PowerServer's own news: Blume changes nothing by it"
UNSENT = "ended before PowerServer knew it"
OVER = "the appointment is over: there is nothing to change"
NOT_ASKED = "PowerServer cannot turn an appointment into a request: it stays as it is (T18)"
UNDER_WAY = "waits: a change of the patient's is on its way to PowerServer"

#: Seconds after a no-show's own start that are none: clocks differ.
_EARLY = 60.0
#: Seconds that an appointment is remembered after its end.
_KEEP = 90 * 86400.0


class Appointment:
    """One channel's rules (see `channels.kind.Kind`)."""

    words: ClassVar[Mapping[str, KindWords]] = WORDS

    def __init__(self, transformer: str, settings: Mapping[str, Any]) -> None:
        self._settings = appointment_settings.read(settings)
        self._decide = {"fhir-to-hl7": self._from_blume, "hl7-to-fhir": self._from_powerserver}[transformer]
        self._is_from_blume = transformer == "fhir-to-hl7"

    @staticmethod
    def check(settings: Mapping[str, Any]) -> list[appointment_settings.Finding]:
        """Return what is wrong with `values: appointment:`."""
        return appointment_settings.check(settings)

    def keys(self, facts: Facts) -> tuple[str, ...]:
        """PowerServer's number first, then Blume's; what PowerServer says of an order alone is of its appointment."""
        own = tuple(f"{name} {text}" for name in ("filler", "placer") if (text := one(facts, name)) is not None)
        return own + (() if self._is_from_blume else _orders(facts))

    def also(self, facts: Facts) -> tuple[str, ...]:
        """The order: by it a new request finds the appointment before it (T15)."""
        return _orders(facts) if self._is_from_blume else ()

    def keep_until(self, facts: Facts) -> float:
        """A while after the appointment."""
        end = moment(facts, "start")
        return 0.0 if end is None else end + _KEEP

    def at_door(self, facts: Facts, memory: Memory | None) -> None:
        """Refuse what the patient wants of an appointment that is completed for good (T19); raises Problems."""
        record = Record.read(memory)
        status = one(facts, "status")
        if record.state is not State.COMPLETED or status is None or not self._is_from_blume:
            return
        wanted = self._settings.states(one(facts, "organization"), status)
        if not {State.COMPLETED, State.ERROR, State.ARRIVED, State.READY} & set(wanted):
            raise _illegal(record.state, next(iter(wanted), status))

    def stands(self, facts: Facts, memory: Memory | None) -> bool:
        """Say whether PowerServer has this appointment on the same resource at the same time (decision 0062)."""
        held = Record.read(memory).powerserver
        if held is None or held.state in ENDED:
            return False
        told = snapshot(facts, held.state)
        return None not in (told.resource, held.resource, told.start, held.start) and told.is_at(held)

    def before_mapping(self, facts: Facts, memory: Memory | None, occasion: Occasion) -> Go | Hold | Wait:
        """Decide by the tables; raises Problems."""
        record = Record.read(memory)
        ways = {number: way for number, way in record.ways.items() if occasion.is_open(number)}
        ways.pop(occasion.delivery, None)
        record = replace(
            record, ways=ways, placer=one(facts, "placer") or record.placer,
            organization=one(facts, "organization") or record.organization,
        )  # fmt: skip
        return self._decide(facts, record, occasion)

    def settled(self, memory: Memory, outcome: Outcome) -> tuple[Memory, Memory]:
        """An acceptance makes what was on its way what that side has; a refusal leaves both sides as they were."""
        record = Record.read(memory)
        way = record.ways.get(outcome.delivery)
        ways = {number: other for number, other in record.ways.items() if number != outcome.delivery}
        record = replace(record, ways=ways)
        if way is None:
            return record.written_down(), {"to": record.state}
        note = {"side": way.side, "state": record.state}
        if outcome.event is not Event.ACCEPTED:
            return record.written_down(), {**note, "refused": True, "code": outcome.code}
        if way.side == POWERSERVER:
            record = replace(
                record, powerserver=way.snapshot, state=way.snapshot.state, done=way.version,
                accepted=outcome.said_at or outcome.now,
            )  # fmt: skip
        else:
            record = replace(record, blume=way.snapshot, written=True)
        return record.written_down(), {**note, "state": record.state, "accepted": True}

    # -- from Blume ------------------------------------------------------------------------------------------------

    def _from_blume(self, facts: Facts, record: Record, occasion: Occasion) -> Go | Hold | Wait:
        status = _answered(facts) or one(facts, "status") or ""
        states = self._settings.states(record.organization, status)
        if not states:
            raise _illegal(record.state, status)
        modified = moment(facts, "modified")
        if record.state is State.NONE and "filler" in facts:
            record = replace(record, state=State.OUTSIDE)
        told = snapshot(facts, _meant(states, record.state))
        note: dict[str, Any] = {
            "side": BLUME,
            "from": record.state,
            "said": status,
            "at": modified,
            "start": told.start,
        }
        if modified is not None and record.modified is not None and modified < record.modified:
            return Hold(reason=STALE, memory=record.written_down(), note=note)
        this = version(facts)
        if this is not None and this == record.done:
            return Hold(reason=REPEATED, memory=record.written_down(), note=note)
        newer = replace(record, modified=modified or record.modified, resource=told.resource or record.resource)
        quiet = self._quiet(told, states, newer, record)
        if quiet is not None:
            newer = replace(newer, done=this)
            kept = newer if quiet == NEWS else replace(newer, blume=told.over(record.blume), written=False)
            return Hold(reason=quiet, memory=kept.written_down(), note=note)
        change = _change(told, status, record)
        cell = TRANSITIONS[record.state, change]
        note |= {"change": change, "rule": cell.rule}
        if cell.to is None or (change is Change.CANCEL and not self._may_cancel(record.state)):
            raise _illegal(record.state, told.state)
        if cell.quiet:
            reason = OVER if record.state in ENDED else UNSENT
            return Hold(reason=reason, memory=newer.written_down(), note=note)
        sent = replace(told.over(record.powerserver), state=cell.to)
        kept = replace(
            newer, blume=sent, written=False,
            ways={**record.ways, occasion.delivery: Way(side=POWERSERVER, snapshot=sent, version=this)},
        )  # fmt: skip
        values = {"change": str(change), "state": str(cell.to)} | _parent(facts, record, occasion)
        return Go(values=values, memory=kept.written_down(), note={**note, "to": cell.to})

    def _quiet(self, told: Snapshot, states: tuple[State, ...], record: Record, before: Record) -> str | None:
        """Say why what Blume tells is nothing to send; None where it is."""
        if told.resource is not None and told.resource == before.resource:
            told = replace(told, resource=None)  # the patient did not choose another one
        for way in record.ways.values():
            if way.side == BLUME and told.is_like(way.snapshot, same=way.snapshot.state in states):
                return ECHO
        has = record.powerserver
        if has is not None and told.is_like(has, same=has.state in states):
            return ECHO if record.written else NOTHING
        if {State.ARRIVED, State.READY, State.COMPLETED} & set(states):
            return NEWS
        if State.PENDING in states and record.state in {State.OUTSIDE, State.PENDING} and has is None:
            return NOTHING
        return None

    def _may_cancel(self, state: State) -> bool:
        return self._settings.cancel_pending or state not in {State.PENDING, State.WAITLIST}

    # -- from PowerServer ------------------------------------------------------------------------------------------

    def _from_powerserver(self, facts: Facts, record: Record, occasion: Occasion) -> Go | Hold | Wait:
        state = self._state(facts)
        said = moment(facts, "said_at")
        if record.state is State.NONE and (not _books(facts) or "placer" in facts):
            record = replace(record, state=State.OUTSIDE)
        note: dict[str, Any] = {"side": POWERSERVER, "from": record.state, "said": state, "at": said}
        if state is None:
            raise _illegal(record.state, "unknown to the table")
        told = snapshot(facts, state)
        note["start"] = told.start
        if said is not None and record.heard is not None and said < record.heard:
            return Hold(reason=STALE, memory=record.written_down(), note=note)
        is_new = "filler" in facts and record.filler is None and record.state not in {State.NONE, State.OUTSIDE}
        record = replace(record, filler=one(facts, "filler") or record.filler)
        for way in record.ways.values():
            if way.side == POWERSERVER and told.is_like(
                replace(way.snapshot, other=None), same=_same(told, way.snapshot)
            ):
                # PowerServer tells before its acknowledgement was read: that is one, too.
                record = replace(record, powerserver=way.snapshot, state=way.snapshot.state, heard=said)
                return self._known(told, record, occasion, note, is_new=is_new)
        if any(way.side == POWERSERVER for way in record.ways.values()):
            return Wait(reason=UNDER_WAY)
        overtaken = self._overtaken(told, said, record)
        if overtaken is not None:
            return Hold(reason=overtaken, memory=record.written_down(), note=note)
        record = replace(record, heard=said or record.heard)
        has = record.blume
        if has is not None and told.is_like(replace(has, other=None), same=_same(told, has)):
            state = record.state if has.state is State.RESCHEDULE else has.state
            known = replace(record, powerserver=told.over(record.powerserver), state=state)
            return self._known(told, known, occasion, note, is_new=is_new)
        return self._news(told, record, occasion, note)

    def _state(self, facts: Facts) -> State | None:
        """Return the state that PowerServer means: its event, then its status, then the priority (A-11)."""
        by_event = {"S15": State.CANCELLED, "S26": State.NOSHOW, "S17": State.ERROR}.get(one(facts, "event") or "")
        if by_event is None and one(facts, "order_control") in {"CA", "OC", "CR"}:
            by_event = State.CANCELLED
        if by_event is not None:
            return by_event
        name = one(facts, "status")
        if name is None or name not in State.__members__:
            return None
        asks = bool(self._settings.request_priorities.intersection(facts.get("priority", ())))
        return State.REQUESTED if asks and name in self._settings.request_states else State[name]

    def _overtaken(self, told: Snapshot, said: float | None, record: Record) -> str | None:
        """Say why PowerServer itself has gone on since it said this; None where it has not."""
        has = record.powerserver
        if said is None or has is None or told.is_like(replace(has, other=None), same=_same(told, has)):
            return None
        if record.accepted is not None:
            return SUPERSEDED if said < int(record.accepted) else None  # MSH-7 may be of whole seconds
        is_before = record.modified is not None and said < record.modified
        return KEPT if record.state is State.REQUESTED and is_before and not told.is_at(has) else None

    def _known(
        self, told: Snapshot, record: Record, occasion: Occasion, note: dict[str, Any], *, is_new: bool
    ) -> Go | Hold:
        """Return what becomes of news that Blume has already: only PowerServer's number may be new to it (T1)."""
        if not is_new:
            reason = HEARD if record.written else ANSWERED
            return Hold(reason=reason, memory=record.written_down(), note={**note, "to": record.state})
        note |= {"change": Change.NUMBERED, "rule": "T1", "to": record.state}
        return self._write(Change.NUMBERED, record.blume or told, record, occasion, note)

    def _news(self, told: Snapshot, record: Record, occasion: Occasion, note: dict[str, Any]) -> Go | Hold:
        change = SAID[told.state]
        cell = TRANSITIONS[record.state, change]
        note |= {"change": change, "rule": cell.rule}
        start = told.start or (record.powerserver.start if record.powerserver else None)
        if change is Change.MISSED and start is not None and start > occasion.now + _EARLY:
            text = f"PowerServer says that the patient did not come ({record.state}), before the appointment has begun"
            raise Problems.one("ILLEGAL_TRANSITION", text)
        if cell.to is None:
            raise _illegal(record.state, told.state)
        if cell.quiet:
            reason = NOT_ASKED if change is Change.REQUESTED else UNSENT
            return Hold(reason=reason, memory=record.written_down(), note=note)
        is_first = record.state is State.NONE
        has = replace(told.over(record.powerserver), state=cell.to)
        record = replace(record, powerserver=has, state=cell.to)
        written = replace(has, resource=has.resource if is_first else record.resource)
        return self._write(Change.BOOKED if is_first else change, written, record, occasion, {**note, "to": cell.to})

    def _write(self, change: Change, written: Snapshot, record: Record, occasion: Occasion, note: dict[str, Any]) -> Go:
        ways = {**record.ways, occasion.delivery: Way(side=BLUME, snapshot=written)}
        values = {"change": str(change), "state": str(written.state)}
        if record.placer is not None:
            values["placed_as"] = record.placer
        if change is not Change.NUMBERED:
            values["status"] = self._settings.words(record.organization, written.state)["fhir"]
            if record.blume is not None:
                values["believed"] = self._settings.words(record.organization, record.blume.state)["fhir"]
        return Go(values=values, memory=replace(record, ways=ways).written_down(), note=note)


def _answered(facts: Facts) -> str | None:
    """Return the status that an AppointmentResponse in the same document brings about (FHIR R4, A-27)."""
    return {"accepted": "booked", "declined": "cancelled"}.get(one(facts, "response") or "")


def _orders(facts: Facts) -> tuple[str, ...]:
    return tuple(f"order {number}" for number in facts.get("order", ()))


def _books(facts: Facts) -> bool:
    """Say whether PowerServer tells of something new: SIU^S12, or an order NW (HL7 table 0119)."""
    return one(facts, "event") == "S12" or one(facts, "order_control") == "NW"


def _meant(states: tuple[State, ...], now: State) -> State:
    """Return which of the states a FHIR status stands for: the present one where it is among them."""
    return now if now in states else states[0]


def _same(one_: Snapshot, other: Snapshot) -> bool:
    return one_.state is other.state


def _change(told: Snapshot, status: str, record: Record) -> Change:
    """Return what the patient did, compared with what PowerServer has (HL7 v2.5.1 chapter 10.3: S12 to S26)."""
    ends = {State.CANCELLED: Change.CANCEL, State.NOSHOW: Change.MISS, State.ERROR: Change.DELETE}
    if told.state in ends:
        return ends[told.state]
    if record.state is State.NONE:
        return Change.REQUEST if told.state in {State.REQUESTED, State.PENDING} else Change.CONFIRM
    has = record.powerserver
    moved = has is not None and not told.is_at(replace(has, resource=has.resource if told.resource else None))
    if status == "proposed":
        is_same = has is not None and has.state in {State.REQUESTED, State.RESCHEDULE} and not moved
        return Change.MODIFY if is_same else Change.MOVE
    if record.state in ENDED:
        return Change.CONFIRM
    if moved:
        # A time that nobody asked PowerServer for: no row of the table has it.
        raise Problems.one(
            "ILLEGAL_TRANSITION",
            f"the appointment is {record.state}, and Blume moves it as {told.state}, not REQUESTED",
        )
    if told.state is record.state:
        return Change.MODIFY
    return Change.CONFIRM if told.state is State.CONFIRMED else _impossible(record.state, told.state)


def _impossible(state: State, wanted: State) -> Change:
    raise _illegal(state, wanted)


def _illegal(state: State, wanted: str) -> Problems:
    text = f"the appointment is {state}, and this says {wanted}: no rule leads there"
    hint = "see docs/appointment-states.md for what may follow what"
    return Problems([Problem(code="ILLEGAL_TRANSITION", text=text, hint=hint, issue_type="business-rule")])


def _parent(facts: Facts, record: Record, occasion: Occasion) -> dict[str, str]:
    """Return the numbers of the appointment before this one, for a new request after it ended (T15)."""
    if record.state is not State.NONE:
        return {}
    for number in facts.get("order", ()):
        before = Record.read(occasion.remembered(f"order {number}"))
        if before.state in {State.CANCELLED, State.NOSHOW} and before.placer:
            return {"parent": before.placer} | ({"parent_filler": before.filler} if before.filler else {})
    return {}
