"""The table of an appointment's states, walked cell by cell against the rules T1 to T19 as the domain has them."""

import pytest

from channels.appointment_states import _BLUME, ENDED, SAID, TRANSITIONS, Change, State, _table, total

NONE, OUTSIDE, REQUESTED, PENDING, WAITLIST, CONFIRMED = (
    State.NONE, State.OUTSIDE, State.REQUESTED, State.PENDING, State.WAITLIST, State.CONFIRMED,
)  # fmt: skip
ARRIVED, READY, COMPLETED, NOSHOW, CANCELLED = (
    State.ARRIVED, State.READY, State.COMPLETED, State.NOSHOW, State.CANCELLED,
)  # fmt: skip
RESCHEDULE, ERROR = State.RESCHEDULE, State.ERROR
OPEN = (OUTSIDE, REQUESTED, PENDING, WAITLIST, CONFIRMED, ARRIVED, READY, RESCHEDULE)
SEEN = tuple(state for state in State if state not in {NONE, ERROR})


def each(states, change, to, rule):
    return {(state, change): (to, rule) for state in states}


#: (from, what happened) -> (to, rule): all that may happen, one line for a rule of the domain.
RULES = {
    **each([NONE], Change.REQUEST, REQUESTED, "T1"),
    **each([NONE], Change.MOVE, REQUESTED, "T1"),
    **each([NONE], Change.PENDING, PENDING, "T2"),
    **each([NONE], Change.BOOKED, PENDING, "T2"),
    **each([NONE], Change.WAITLIST, WAITLIST, "T2"),
    **each([NONE], Change.CONFIRMED, CONFIRMED, "T2"),
    **each([OUTSIDE, PENDING], Change.CONFIRM, CONFIRMED, "T3"),
    **each([REQUESTED, RESCHEDULE], Change.CONFIRMED, CONFIRMED, "T4"),
    **each([OUTSIDE, PENDING, WAITLIST, CONFIRMED], Change.MOVE, REQUESTED, "T5"),
    **each([REQUESTED, RESCHEDULE], Change.MOVE, REQUESTED, "T6"),
    **each([OUTSIDE, REQUESTED], Change.REQUESTED, REQUESTED, "T7"),
    **each([OUTSIDE, REQUESTED, PENDING, WAITLIST, CONFIRMED, RESCHEDULE], Change.PENDING, PENDING, "T7"),
    **each([OUTSIDE, REQUESTED, PENDING, WAITLIST, RESCHEDULE], Change.WAITLIST, WAITLIST, "T7"),
    **each([OUTSIDE, PENDING, WAITLIST, CONFIRMED], Change.CONFIRMED, CONFIRMED, "T7"),
    **each([OUTSIDE, REQUESTED, PENDING, WAITLIST, CONFIRMED, RESCHEDULE], Change.CANCEL, CANCELLED, "T8"),
    **each([*OPEN, CANCELLED], Change.CANCELLED, CANCELLED, "T9"),
    **each([OUTSIDE, REQUESTED, PENDING, CONFIRMED], Change.MISS, NOSHOW, "T10"),
    **each([OUTSIDE, REQUESTED, PENDING, WAITLIST, CONFIRMED, RESCHEDULE, NOSHOW], Change.MISSED, NOSHOW, "T10"),
    **each([OUTSIDE, REQUESTED, PENDING, WAITLIST, CONFIRMED, ARRIVED, RESCHEDULE], Change.ARRIVED, ARRIVED, "T11"),
    **each([OUTSIDE, CONFIRMED, ARRIVED, READY], Change.READY, READY, "T12"),
    **each([OUTSIDE, CONFIRMED, ARRIVED, READY, COMPLETED], Change.COMPLETED, COMPLETED, "T13"),
    **each(OPEN, Change.RESCHEDULE, RESCHEDULE, "T14"),
    **{(state, Change.MODIFY): (state, "T16") for state in OPEN},
    **each([CONFIRMED], Change.CONFIRM, CONFIRMED, "T16"),
    **each(SEEN, Change.DELETE, ERROR, "T17"),
    **each(SEEN, Change.DELETED, ERROR, "T17"),
    **{(state, Change.NUMBERED): (state, "T1") for state in SEEN},
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("change", Change)
def test_what_happens_in_a_state_leads_where_the_domain_says_or_nowhere(state, change):
    cell = TRANSITIONS[state, change]

    if (state, change) in RULES:
        assert (cell.to, cell.rule, cell.quiet) == (*RULES[state, change], False)
    else:
        assert cell.quiet or cell.to is None
        assert cell.to in {None, state}


def test_what_is_completed_changes_no_more_unless_it_was_an_error():
    ways = {change for change in Change if (cell := TRANSITIONS[COMPLETED, change]).to and not cell.quiet}

    assert ways == {Change.DELETE, Change.DELETED, Change.COMPLETED, Change.NUMBERED}
    assert COMPLETED in ENDED


def test_a_cell_that_is_missing_is_found_when_the_table_is_loaded():
    broken = dict(TRANSITIONS)
    del broken[CONFIRMED, Change.CANCEL]

    with pytest.raises(ValueError, match="CONFIRMED and cancel"):
        total(broken)


def test_a_row_with_a_cell_too_few_is_found_when_the_table_is_read():
    with pytest.raises(ValueError, match="zip"):
        _table(_BLUME.replace("| ~      | ERROR T17\nCANCELLED", "| ERROR T17\nCANCELLED"))


def test_every_state_that_powerserver_can_tell_of_has_its_word():
    assert set(SAID) == set(State) - {NONE, OUTSIDE}
