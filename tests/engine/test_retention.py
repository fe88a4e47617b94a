from __future__ import annotations

import asyncio
import time

import pytest

from store import reads
from store.retention import prune


def _all_old(engine):
    engine.store.connection.execute("UPDATE arrival SET at = 1")


def _prune(engine):
    return engine.store.writer.now(lambda tx: prune(tx, time.time() - 86400))


def test_what_is_old_and_at_rest_is_forgotten_and_stays_accounted_for(make_engine):
    engine = make_engine("accept", "accept")

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.book(patient="p2", number=2, do="filter")
        await engine.until(engine.at_rest)

    asyncio.run(story())
    _all_old(engine)

    assert _prune(engine).arrivals == 2
    balance = reads.reconcile(engine.store.connection)
    assert (balance.holds, balance.accepted, balance.shares["pruned"]) == (True, 2, 2)
    for table in ("arrival", "message", "delivery", "event", "outgoing", "search"):
        assert engine.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


@pytest.mark.parametrize("script", [["AR"], ["AE"]], ids=["parked", "pending"])
def test_what_is_pending_or_parked_is_never_forgotten(make_engine, script):
    engine = make_engine(*script)

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.until(lambda: engine.statuses() != ["RECEIVED"] and engine.statuses() != ["PENDING"])

    asyncio.run(story())
    _all_old(engine)

    assert _prune(engine).arrivals == 0
    assert len(engine.statuses()) == 1


def test_what_is_not_old_yet_stays(make_engine):
    engine = make_engine("accept")

    async def story() -> None:
        await engine.book(patient="p1", number=1)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert _prune(engine).arrivals == 0
    assert engine.statuses() == ["SENT"]


def test_a_thing_stays_known_when_its_message_is_forgotten(make_engine):
    engine = make_engine("accept")

    async def story() -> None:
        await engine.book(patient="p1", number=7)
        await engine.until(engine.at_rest)
        _all_old(engine)
        _prune(engine)
        await engine.book(patient="p1", number=7, again=True)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert [line[2] for line in engine.lines()] == ["new", "known"]
