from __future__ import annotations

import re

from messages.identity import control_id, message_id


def test_a_message_id_is_a_ulid():
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", message_id())


def test_a_control_id_fits_into_msh_10_of_v2_5_1():
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{20}", control_id())


def test_ids_are_not_given_twice():
    assert len({message_id() for _ in range(5000)}) == 5000
    assert len({control_id() for _ in range(5000)}) == 5000


def test_message_ids_sort_by_the_time_they_were_made(monkeypatch):
    made = []
    for milliseconds in (1, 31, 32, 1_795_000_000_000, 1_795_000_000_001):
        monkeypatch.setattr("time.time_ns", lambda ns=milliseconds * 1_000_000: ns)
        made.append(message_id())

    assert made == sorted(made)
    assert made[0].startswith("0000000001")
