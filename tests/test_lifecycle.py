from __future__ import annotations

import itertools

import pytest

from messages.lifecycle import OPEN, SHARES, TRANSITIONS, Event, ImpossibleTransition, Status, after

CELLS = list(itertools.product(Status, Event))


@pytest.mark.parametrize(("status", "event"), CELLS)
def test_every_cell_leads_where_the_table_says_or_nowhere(status, event):
    if (status, event) in TRANSITIONS:
        assert after(status, event) is TRANSITIONS[status, event]
    else:
        with pytest.raises(ImpossibleTransition, match=f"a {status} delivery cannot be {event}"):
            after(status, event)


def test_every_status_can_be_reached_and_every_event_can_happen():
    assert set(TRANSITIONS.values()) | {Status.RECEIVED} == set(Status)
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_a_delivery_that_a_lane_works_on_can_always_come_to_rest():
    for start in OPEN:
        seen, todo = set(), {start}
        while todo:
            seen |= todo
            todo = {to for (before, _), to in TRANSITIONS.items() if before in todo} - seen
        assert Status.SENT in seen
        assert Status.ERROR in seen


def test_every_status_counts_in_exactly_one_share():
    counted = [status for statuses in SHARES.values() for status in statuses]
    assert sorted(counted) == sorted(Status)
