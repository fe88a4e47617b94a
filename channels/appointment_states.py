"""An appointment's states, and what each event does to each of them: tables, total, checked when they are loaded.

Blume asks and PowerServer decides; this host only carries. So an event is either what the patient did in Blume, or what
PowerServer says of the appointment. docs/appointment-states.md is drawn from these tables.

Sources: help.omegaai.com, Blume and OmegaAI, and Study status (an appointment at SCHEDULED may be moved to ARRIVED, one
at CONFIRMED to READY FOR SCAN); HL7 v2.5.1 chapter 10.3 (SIU); IHE RAD TF RAD-48. What no source says is an assumption
(A-nn) and stands with its cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where an appointment stands."""

    NONE = "NONE"  #: not seen yet, by nobody
    OUTSIDE = "OUTSIDE"  #: PowerServer has it since before this host; its state there is not known here
    REQUESTED = "REQUESTED"  #: the patient asked; PowerServer's staff has not confirmed
    PENDING = "PENDING"  #: PowerServer booked it; the patient has not confirmed
    WAITLIST = "WAITLIST"  #: PowerServer has it on a list (A-12)
    CONFIRMED = "CONFIRMED"  #: agreed by both
    ARRIVED = "ARRIVED"  #: the patient is there
    READY = "READY"  #: ready for the scan
    COMPLETED = "COMPLETED"  #: the study is done
    NOSHOW = "NOSHOW"  #: the patient did not come
    CANCELLED = "CANCELLED"  #: called off by either
    RESCHEDULE = "RESCHEDULE"  #: PowerServer asks for another time (A-13)
    ERROR = "ERROR"  #: was never meant to be


class Change(StrEnum):
    """What happened. The first seven are said by Blume, the others by PowerServer."""

    REQUEST = "request"
    MOVE = "reschedule"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    MISS = "no_show"
    MODIFY = "modify"
    DELETE = "delete"
    BOOKED = "booked"
    REQUESTED = "requested"
    PENDING = "pending"
    WAITLIST = "waitlist"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    READY = "ready"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    RESCHEDULE = "need_reschedule"
    DELETED = "deleted"
    NUMBERED = "numbered"


#: What PowerServer says when an appointment is in a state.
SAID: dict[State, Change] = {
    State.REQUESTED: Change.REQUESTED,
    State.PENDING: Change.PENDING,
    State.WAITLIST: Change.WAITLIST,
    State.CONFIRMED: Change.CONFIRMED,
    State.ARRIVED: Change.ARRIVED,
    State.READY: Change.READY,
    State.COMPLETED: Change.COMPLETED,
    State.CANCELLED: Change.CANCELLED,
    State.NOSHOW: Change.MISSED,
    State.RESCHEDULE: Change.RESCHEDULE,
    State.ERROR: Change.DELETED,
}

#: HL7 table 0003: the event that tells PowerServer. A site may delete by S15: that is a line of its mapping.
TRIGGERS: dict[Change, str] = {
    Change.REQUEST: "S12",
    Change.MOVE: "S13",
    Change.CONFIRM: "S14",
    Change.MODIFY: "S14",
    Change.CANCEL: "S15",
    Change.DELETE: "S17",
    Change.MISS: "S26",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What an event does in a state: lead to one, leave it (`to` is the same), or be impossible (`to` is None)."""

    to: State | None
    #: Number of the rule, such as T3; "" where there is none.
    rule: str = ""
    #: Nothing is sent.
    quiet: bool = False


# `STATE Tn` leads there · `= Tn` is sent and leaves the state · `~ Tn` leaves it and sends nothing · `-` cannot be.
_BLUME = """
            | request      | reschedule   | confirm      | cancel        | no_show    | modify | delete
NONE        | REQUESTED T1 | REQUESTED T1 | -            | ~             | ~          | -      | ~
OUTSIDE     | -            | REQUESTED T5 | CONFIRMED T3 | CANCELLED T8  | NOSHOW T10 | = T16  | ERROR T17
REQUESTED   | -            | REQUESTED T6 | -            | CANCELLED T8  | NOSHOW T10 | = T16  | ERROR T17
PENDING     | -            | REQUESTED T5 | CONFIRMED T3 | CANCELLED T8  | NOSHOW T10 | = T16  | ERROR T17
WAITLIST    | -            | REQUESTED T5 | -            | CANCELLED T8  | -          | = T16  | ERROR T17
CONFIRMED   | -            | REQUESTED T5 | = T16        | CANCELLED T8  | NOSHOW T10 | = T16  | ERROR T17
ARRIVED     | -            | -            | -            | -             | -          | = T16  | ERROR T17
READY       | -            | -            | -            | -             | -          | = T16  | ERROR T17
COMPLETED   | - T19        | - T19        | - T19        | - T19         | - T19      | - T19  | ERROR T17
NOSHOW      | - T15        | -            | -            | -             | ~          | ~      | ERROR T17
CANCELLED   | - T15        | -            | -            | ~             | -          | ~      | ERROR T17
RESCHEDULE  | -            | REQUESTED T6 | -            | CANCELLED T8  | -          | = T16  | ERROR T17
ERROR       | -            | -            | -            | -             | -          | -      | ~
"""

# `booked` is PowerServer's S12 of an appointment that Blume never saw.
_POWERSERVER = """
            | booked       | requested     | pending    | waitlist    | confirmed    | arrived
NONE        | PENDING T2   | - T18         | PENDING T2 | WAITLIST T2 | CONFIRMED T2 | -
OUTSIDE     | -            | REQUESTED T7  | PENDING T7 | WAITLIST T7 | CONFIRMED T7 | ARRIVED T11
REQUESTED   | -            | REQUESTED T7  | PENDING T7 | WAITLIST T7 | CONFIRMED T4 | ARRIVED T11
PENDING     | -            | ~ T18         | PENDING T7 | WAITLIST T7 | CONFIRMED T7 | ARRIVED T11
WAITLIST    | -            | ~ T18         | PENDING T7 | WAITLIST T7 | CONFIRMED T7 | ARRIVED T11
CONFIRMED   | -            | ~ T18         | PENDING T7 | -           | CONFIRMED T7 | ARRIVED T11
ARRIVED     | -            | ~ T18         | -          | -           | -            | ARRIVED T11
READY       | -            | ~ T18         | -          | -           | -            | -
COMPLETED   | -            | ~ T18         | - T19      | - T19       | - T19        | - T19
NOSHOW      | -            | ~ T18         | -          | -           | -            | -
CANCELLED   | -            | ~ T18         | -          | -           | -            | -
RESCHEDULE  | -            | ~ T18         | PENDING T7 | WAITLIST T7 | CONFIRMED T4 | ARRIVED T11
ERROR       | -            | -             | -          | -           | -            | -

            | ready        | completed     | cancelled    | missed     | need_reschedule | deleted   | numbered
NONE        | -            | -             | ~            | ~          | -               | ~         | -
OUTSIDE     | READY T12    | COMPLETED T13 | CANCELLED T9 | NOSHOW T10 | RESCHEDULE T14  | ERROR T17 | = T1
REQUESTED   | -            | -             | CANCELLED T9 | NOSHOW T10 | RESCHEDULE T14  | ERROR T17 | = T1
PENDING     | -            | -             | CANCELLED T9 | NOSHOW T10 | RESCHEDULE T14  | ERROR T17 | = T1
WAITLIST    | -            | -             | CANCELLED T9 | NOSHOW T10 | RESCHEDULE T14  | ERROR T17 | = T1
CONFIRMED   | READY T12    | COMPLETED T13 | CANCELLED T9 | NOSHOW T10 | RESCHEDULE T14  | ERROR T17 | = T1
ARRIVED     | READY T12    | COMPLETED T13 | CANCELLED T9 | -          | RESCHEDULE T14  | ERROR T17 | = T1
READY       | READY T12    | COMPLETED T13 | CANCELLED T9 | -          | RESCHEDULE T14  | ERROR T17 | = T1
COMPLETED   | - T19        | COMPLETED T13 | - T19        | - T19      | - T19           | ERROR T17 | = T1
NOSHOW      | -            | -             | -            | NOSHOW T10 | -               | ERROR T17 | = T1
CANCELLED   | -            | -             | CANCELLED T9 | -          | -               | ERROR T17 | = T1
RESCHEDULE  | -            | -             | CANCELLED T9 | NOSHOW T10 | RESCHEDULE T14  | ERROR T17 | = T1
ERROR       | -            | -             | -            | -          | -               | ~         | ~
"""


def _table(text: str) -> dict[tuple[State, Change], Cell]:
    """Read one of the tables above.

    Raises:
        ValueError: a row that has more or fewer cells than its head, or a word that is neither state nor event.
    """
    found: dict[tuple[State, Change], Cell] = {}
    changes: list[Change] = []
    for line in filter(None, text.splitlines()):
        name, *cells = (part.strip() for part in line.split("|"))
        if not name:
            changes = [Change(cell) for cell in cells]
            continue
        found |= {(State(name), change): _cell(State(name), cell) for change, cell in zip(changes, cells, strict=True)}
    return found


def _cell(state: State, text: str) -> Cell:
    word, _, rule = text.partition(" ")
    if word == "-":
        return Cell(None, rule)
    return Cell(state if word in "=~" else State(word), rule, quiet=word == "~")


def total(table: dict[tuple[State, Change], Cell]) -> dict[tuple[State, Change], Cell]:
    """Return the table.

    Raises:
        ValueError: it does not say what an event does in a state; all such cells are named.
    """
    missing = [f"{state} and {change}" for state in State for change in Change if (state, change) not in table]
    if missing:
        raise ValueError(f"the table of appointments does not say what happens for: {', '.join(missing)}")
    return table


TRANSITIONS = total(_table(_BLUME) | _table(_POWERSERVER))

#: An appointment in these is over; a patient who wants another one makes a new one (T15).
ENDED = frozenset({State.COMPLETED, State.NOSHOW, State.CANCELLED, State.ERROR})

#: Cells that count only where `values: appointment:` of site.yaml says so, by the word that says it. Patients cannot
#: cancel what they have not confirmed (T8, A-14); what nobody has confirmed does not arrive (T11), though PowerServer's
#: own statuses let a SCHEDULED study become ARRIVED (help.omegaai.com, Study status).
SWITCHES: dict[str, tuple[Change, frozenset[State]]] = {
    "allow_cancel_pending": (Change.CANCEL, frozenset({State.PENDING, State.WAITLIST})),
    "arrive_unconfirmed": (
        Change.ARRIVED, frozenset({State.REQUESTED, State.PENDING, State.WAITLIST, State.RESCHEDULE}),
    ),
}  # fmt: skip
