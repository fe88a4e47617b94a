"""What a site says about its appointments: `values: appointment:` of site.yaml, checked whole.

The table of statuses has three sides for each state: PowerServer's workflow step, the status of the FHIR Appointment,
and what Blume shows. OmegaAI lets each organization change it, so `statuses` has one part for all of them (`default`)
and one for each that differs, with what differs only.

Source of the default: help.omegaai.com, Blume and OmegaAI, the table of statuses.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from channels.appointment_states import SWITCHES, Change, State

Finding = tuple[Sequence[str | int], str, str | None]

#: FHIR R4, value set appointmentstatus; all of them.
FHIR_STATUSES = (
    "proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow", "entered-in-error", "checked-in",
    "waitlist",
)  # fmt: skip
#: What Blume shows; `hidden` is not shown at all.
LABELS = ("Requested", "Pending", "Scheduled", "Cancelled", "Completed", "hidden")
#: The states that have a status: all but the two in which nothing is known.
_TOLD = tuple(state for state in State if state not in {State.NONE, State.OUTSIDE})
_SIDES = ("ris", "fhir", "blume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A site's words, ready for use."""

    #: Organization (`default` for the others) -> state -> {ris, fhir, blume}.
    statuses: Mapping[str, Mapping[str, Mapping[str, str]]]
    #: A study in one of these states and with one of these priorities is a request (A-11).
    request_states: frozenset[str]
    request_priorities: frozenset[str]
    #: Words of `SWITCHES` that are true.
    switched_on: frozenset[str]
    #: Hours after which a request without a decision is a gap of the timeline (A-15).
    request_timeout: float

    def words(self, organization: str | None, state: State) -> Mapping[str, str]:
        """Return {ris, fhir, blume} of a state for an organization."""
        own = self.statuses.get(organization or "", {}).get(state, {})
        return {**self.statuses["default"][state], **own}

    def allows(self, state: State, change: Change) -> bool:
        """Say whether a cell of the table counts at this site."""
        return all(
            word in self.switched_on or change is not of or state not in states
            for word, (of, states) in SWITCHES.items()
        )

    def states(self, organization: str | None, status: str) -> tuple[State, ...]:
        """Return the states that a FHIR status stands for, in an organization."""
        return tuple(state for state in _TOLD if self.words(organization, state)["fhir"] == status)


def read(given: Mapping[str, Any]) -> Settings:
    """Return settings in which `check` finds nothing wrong."""
    when = given.get("requested_when") or {}
    return Settings(
        statuses=given["statuses"], request_states=frozenset(when.get("states", ())),
        request_priorities=frozenset(when.get("priorities", ())),
        switched_on=frozenset(word for word in SWITCHES if given.get(word, False)),
        request_timeout=float(given.get("request_timeout", 48)),
    )  # fmt: skip


def check(given: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong with the settings: where, what, and what to do."""
    statuses = given.get("statuses")
    if not isinstance(statuses, Mapping) or not isinstance(statuses.get("default"), Mapping):
        return [((), "appointment: statuses: default: is missing: the table of statuses", "see docs/appointments.md")]
    found: list[Finding] = []
    for organization, rows in statuses.items():
        for state, words in rows.items() if isinstance(rows, Mapping) else ():
            found += _row(("statuses", organization, state), state, words)
    if found:
        return found
    for state in _TOLD:
        row = statuses["default"].get(state) or {}
        if missing := [side for side in _SIDES if side not in row]:
            text = f"the table of statuses does not say {' and '.join(missing)} of {state}"
            found.append((("statuses", "default"), text, f"add {state}: {{ ris: …, fhir: …, blume: … }}"))
    if not found:
        found += _uncovered(given)
    for state in (given.get("requested_when") or {}).get("states", ()):
        if state not in _TOLD:
            found.append((("requested_when", "states"), f"'{state}' is no state", _near(state, _TOLD)))
    return found


def _row(where: Sequence[str], state: str, words: Any) -> list[Finding]:
    if state not in _TOLD:
        return [(where, f"'{state}' is no state of an appointment", _near(state, _TOLD))]
    if not isinstance(words, Mapping):
        return [(where, f"{state} needs its words", "write { ris: …, fhir: …, blume: … }")]
    found: list[Finding] = []
    for side, word in words.items():
        here = (*where, side)
        if side not in _SIDES:
            found.append((here, f"the table of statuses has no side '{side}'", _near(side, _SIDES)))
        elif side == "fhir" and word not in FHIR_STATUSES:
            found.append((here, f"'{word}' is no status of a FHIR Appointment", _near(str(word), FHIR_STATUSES)))
        elif side == "blume" and word not in LABELS:
            found.append((here, f"Blume shows no '{word}'", _near(str(word), LABELS)))
    return found


def _uncovered(given: Mapping[str, Any]) -> list[Finding]:
    settings = read(given)
    found: list[Finding] = []
    for organization in settings.statuses:
        for status in FHIR_STATUSES:
            if not settings.states(organization, status):
                text = f"the table of statuses gives no state for the FHIR status {status}"
                found.append((("statuses", organization), text, "each of FHIR's statuses needs its row"))
    return found


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(word), known, 1, 0.6)
    return f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)}"
