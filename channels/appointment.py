"""The kind `appointment`: what the patient does in Blume and what staff do in PowerServer, on one state of each.

Two channels have this kind, one for each direction, and share what is remembered. What they send is decided by the
tables of `appointment_states`; here stands what is compared with what, and what is then left out: what a side has
already (nothing changed), what this host has caused itself (an echo), what is older than what is known (stale), and
what PowerServer said before it accepted the patient's change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from channels import appointment_settings
from channels.appointment_change import (
    answered_by,
    illegal,
    is_booking,
    is_raised,
    is_same_state,
    meant,
    order_keys,
    parent_of,
    what_happened,
)
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
RAISED = "shorter than PowerServer's shortest appointment: it was made longer, and its end moved"
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
        return own + (() if self._is_from_blume else order_keys(facts))

    def also(self, facts: Facts) -> tuple[str, ...]:
        """The order: by it a new request finds the appointment before it (T15)."""
        return order_keys(facts) if self._is_from_blume else ()

    def keep_until(self, facts: Facts) -> float:
        """A while after the appointment."""
        end = moment(facts, "start")
        return 0.0 if end is None else end + _KEEP

    def at_door(self, facts: Facts, memory: Memory | None) -> Sequence[Problem]:
        """Refuse what the patient wants of an appointment that is completed for good (T19), and warn of a longer one.

        Raises Problems.
        """
        if not self._is_from_blume:
            return ()
        record = Record.read(memory)
        status = one(facts, "status")
        if record.state is State.COMPLETED and status is not None:
            wanted = self._settings.states(one(facts, "organization"), status)
            if not {State.COMPLETED, State.ERROR, State.ARRIVED, State.READY} & set(wanted):
                raise illegal(record.state, next(iter(wanted), status))
        if not is_raised(facts):
            return ()
        return [Problem(code="DURATION_RAISED", text=RAISED, severity="warning", issue_type="business-rule")]

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
                accepted=_earlier(outcome.said_at or outcome.now, way.told), accepted_before=record.accepted,
            )  # fmt: skip
        else:
            resource = way.snapshot.resource or record.resource
            record = replace(record, blume=way.snapshot, resource=resource, written=True)
        return record.written_down(), {**note, "state": record.state, "accepted": True}

    # -- from Blume ------------------------------------------------------------------------------------------------

    def _from_blume(self, facts: Facts, record: Record, occasion: Occasion) -> Go | Hold | Wait:
        shown = one(facts, "status") or ""
        status = answered_by(facts, shown) or shown
        states = self._settings.states(record.organization, status)
        if not states:
            raise illegal(record.state, status)
        modified = moment(facts, "modified")
        if record.state is State.NONE and "filler" in facts:
            record = replace(record, state=State.OUTSIDE)
        told = snapshot(facts, meant(states, record.state))
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
            has = self._shown(told.over(record.blume), shown, status, record)
            kept = newer if quiet == NEWS else replace(newer, blume=has, written=False)
            return Hold(reason=quiet, memory=kept.written_down(), note=note)
        change = what_happened(told, status, record)
        cell = TRANSITIONS[record.state, change]
        note |= {"change": change, "rule": cell.rule}
        if cell.to is None or not self._settings.allows(record.state, change):
            raise illegal(record.state, told.state)
        if cell.quiet:
            reason = OVER if record.state in ENDED else UNSENT
            return Hold(reason=reason, memory=newer.written_down(), note=note)
        sent = replace(told.over(record.powerserver), state=cell.to)
        kept = replace(
            newer, blume=self._shown(sent, shown, status, record), written=False,
            ways={**record.ways, occasion.delivery: Way(side=POWERSERVER, snapshot=sent, version=this)},
        )  # fmt: skip
        values = {"change": str(change), "state": str(cell.to)} | parent_of(facts, record, occasion)
        warning = RAISED if is_raised(facts) else None
        return Go(values=values, memory=kept.written_down(), note={**note, "to": cell.to}, warning=warning)

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

    def _shown(self, told: Snapshot, shown: str, status: str, record: Record) -> Snapshot:
        """Return the appointment as Blume shows it: an answer of the patient's alone does not change its status."""
        if shown == status:
            return told
        return replace(told, state=meant(self._settings.states(record.organization, shown), record.state))

    # -- from PowerServer ------------------------------------------------------------------------------------------

    def _from_powerserver(self, facts: Facts, record: Record, occasion: Occasion) -> Go | Hold | Wait:
        state = self._state(facts)
        said = moment(facts, "said_at")
        if record.state is State.NONE and (not is_booking(facts) or "placer" in facts):
            record = replace(record, state=State.OUTSIDE)
        note: dict[str, Any] = {"side": POWERSERVER, "from": record.state, "said": state, "at": said}
        if state is None:
            raise illegal(record.state, "unknown to the table")
        told = snapshot(facts, state)
        note["start"] = told.start
        if said is not None and record.heard is not None and said < record.heard:
            return Hold(reason=STALE, memory=record.written_down(), note=note)
        is_new = "filler" in facts and record.filler is None and record.state not in {State.NONE, State.OUTSIDE}
        record = replace(record, filler=one(facts, "filler") or record.filler)
        for number, way in record.ways.items():
            # What the patient has answered Blume does not show by itself: that is news, once PowerServer has accepted.
            is_shown = record.blume is None or is_same_state(told, record.blume)
            if (
                way.side == POWERSERVER
                and is_shown
                and told.is_like(replace(way.snapshot, other=None), same=is_same_state(told, way.snapshot))
            ):
                # PowerServer tells before its acknowledgement was read: that is one, too.
                told_at = said if _is_after(said, record.accepted) else None
                ways = {**record.ways, number: replace(way, told=_earlier(way.told, told_at))}
                record = replace(record, powerserver=way.snapshot, state=way.snapshot.state, heard=said, ways=ways)
                return self._known(told, record, occasion, note, is_new=is_new)
        if any(way.side == POWERSERVER for way in record.ways.values()):
            return Wait(reason=UNDER_WAY)
        record = _dated(told, said, record)
        overtaken = self._overtaken(told, said, record)
        if overtaken is not None:
            return Hold(reason=overtaken, memory=record.written_down(), note=note)
        record = replace(record, heard=said or record.heard)
        has = record.blume
        if has is not None and told.is_like(replace(has, other=None), same=is_same_state(told, has)):
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
        if said is None or has is None or told.is_like(replace(has, other=None), same=is_same_state(told, has)):
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
        if cell.to is None or not self._settings.allows(record.state, change):
            raise illegal(record.state, told.state)
        if cell.quiet:
            reason = NOT_ASKED if change is Change.REQUESTED else UNSENT
            return Hold(reason=reason, memory=record.written_down(), note=note)
        is_first = record.state is State.NONE
        has = replace(told.over(record.powerserver), state=cell.to)
        if change is Change.RESCHEDULE:
            has = replace(has, other=None)  # Blume's comment is written anew (T14): that it tells of it is no change
        record = replace(record, powerserver=has, state=cell.to)
        known = record.blume.resource if record.blume is not None else record.resource
        moved_to = told.resource if None not in (told.resource, known) and told.resource != known else None
        written = replace(has, resource=has.resource if is_first else moved_to or record.resource)
        note |= {"to": cell.to}
        return self._write(Change.BOOKED if is_first else change, written, record, occasion, note, moved_to=moved_to)

    def _write(  # noqa: PLR0913 - what happened, and all that is known
        self, change: Change, written: Snapshot, record: Record, occasion: Occasion, note: dict[str, Any], *,
        moved_to: str | None = None,
    ) -> Go:  # fmt: skip
        ways = {**record.ways, occasion.delivery: Way(side=BLUME, snapshot=written)}
        values = {"change": str(change), "state": str(written.state)}
        if record.placer is not None:
            values["placed_as"] = record.placer
        if change is not Change.NUMBERED:
            values["status"] = self._settings.words(record.organization, written.state)["fhir"]
            if record.blume is not None:
                values["believed"] = self._settings.words(record.organization, record.blume.state)["fhir"]
                if record.blume.start is not None:
                    values["believed_start"] = datetime.fromtimestamp(record.blume.start, UTC).isoformat()
        if moved_to is not None:
            values["moved_to"] = moved_to
        return Go(values=values, memory=replace(record, ways=ways).written_down(), note=note)


def _dated(told: Snapshot, said: float | None, record: Record) -> Record:
    """Return the record with an earlier acceptance, where PowerServer has told of what it took before its answer.

    What it told before the acceptance before that one was the same state, and not this change.
    """
    has = record.powerserver
    if has is None or record.accepted is None or not _is_after(said, record.accepted_before):
        return record
    if not told.is_like(replace(has, other=None), same=is_same_state(told, has)):
        return record
    return replace(record, accepted=_earlier(record.accepted, said))


def _earlier(one_: float | None, other: float | None) -> float | None:
    """Return the earlier of two moments that may not be known."""
    return min((each for each in (one_, other) if each is not None), default=None)


def _is_after(one_: float | None, other: float | None) -> bool:
    """Say whether a moment that is known lies after one that may not be."""
    return one_ is not None and (other is None or one_ > other)
