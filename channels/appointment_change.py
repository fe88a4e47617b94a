"""What one message says of an appointment: which state it means, and what somebody did, compared with what is known."""

from __future__ import annotations

from dataclasses import replace

from channels.appointment_memory import Record, Snapshot, moment, one
from channels.appointment_states import ENDED, Change, State
from channels.kind import Occasion
from messages.problem import Problem, Problems
from transformers.base import Facts


def answered_by(facts: Facts, status: str) -> str | None:
    """Return the status that the patient's answer brings about, where there still is a question (FHIR R4, A-27)."""
    if status not in {"proposed", "pending", "booked", "waitlist"}:
        return None
    return {"accepted": "booked", "declined": "cancelled"}.get(one(facts, "response") or "")


def is_raised(facts: Facts) -> bool:
    """Say whether `minutes` was raised above what the appointment itself says, where that is to be booked."""
    if one(facts, "books") != "true":
        return False
    start, end, minutes = moment(facts, "start"), moment(facts, "end"), one(facts, "minutes")
    if start is None or end is None or minutes is None:
        return False
    return end < start + 60 * float(minutes)


def order_keys(facts: Facts) -> tuple[str, ...]:
    """Return the keys of an appointment's orders."""
    return tuple(f"order {number}" for number in facts.get("order", ()))


def is_booking(facts: Facts) -> bool:
    """Say whether PowerServer tells of something new: SIU^S12, or an order NW (HL7 table 0119)."""
    return one(facts, "event") == "S12" or one(facts, "order_control") == "NW"


def meant(states: tuple[State, ...], now: State) -> State:
    """Return which of the states a FHIR status stands for: the present one where it is among them."""
    return now if now in states else states[0]


def is_same_state(one_: Snapshot, other: Snapshot) -> bool:
    """Say whether two sides have it in one state."""
    return one_.state is other.state


def what_happened(told: Snapshot, status: str, record: Record) -> Change:
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
    return Change.CONFIRM if told.state is State.CONFIRMED else impossible(record.state, told.state)


def impossible(state: State, wanted: State) -> Change:
    """Raise Problems: no rule leads there."""
    raise illegal(state, wanted)


def illegal(state: State, wanted: str) -> Problems:
    """Return the problem of a way that the table does not have, both ends named."""
    text = f"the appointment is {state}, and this says {wanted}: no rule leads there"
    hint = "see docs/appointment-states.md for what may follow what"
    return Problems([Problem(code="ILLEGAL_TRANSITION", text=text, hint=hint, issue_type="business-rule")])


def parent_of(facts: Facts, record: Record, occasion: Occasion) -> dict[str, str]:
    """Return the numbers of the appointment before this one, for a new request after it ended (T15)."""
    if record.state is not State.NONE:
        return {}
    for number in facts.get("order", ()):
        before = Record.read(occasion.remembered(f"order {number}"))
        if before.state in {State.CANCELLED, State.NOSHOW} and before.placer:
            return {"parent": before.placer} | ({"parent_filler": before.filler} if before.filler else {})
    return {}
