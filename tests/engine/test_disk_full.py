"""T4: while the disk is full nothing is acknowledged, no answer is lost, and all goes on when there is space."""

from __future__ import annotations

import asyncio

import pytest

from connectors.base import StoreUnavailable
from store import reads, writer
from store.connection import connect


def _fill(engine) -> None:
    """Let the file grow no further: what is free in it is used up first."""
    connection = engine.store.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def _make_space(engine) -> None:
    engine.store.connection.execute("PRAGMA max_page_count = 1000000")


def test_nothing_is_accepted_while_the_disk_is_full_and_all_is_afterwards(make_engine):
    engine = make_engine("accept")

    async def story() -> int:
        await engine.book(patient="p0", number=0)
        _fill(engine)
        refused = 0
        for number in range(1, 200):
            try:
                await engine.book(patient="p1", number=number, note="x" * 4000)
            except StoreUnavailable:
                refused += 1
        accepted = len(engine.statuses())
        assert accepted + refused == 200
        _make_space(engine)
        await engine.book(patient="p2", number=999)
        await engine.until(engine.at_rest)
        return refused

    assert asyncio.run(story()) > 150
    assert set(engine.statuses()) == {"SENT"}
    assert len(engine.peer.received) == len(engine.statuses())


def test_an_answer_that_was_read_while_the_store_cannot_be_written_is_not_lost(make_engine, folder, monkeypatch):
    monkeypatch.setattr(writer, "PATIENCE", 0.05)
    engine = make_engine("accept")
    other = connect(folder)

    async def story() -> int:
        await engine.book(patient="p0", number=0)
        apply, tries = engine.store.apply, []

        async def apply_while_another_holds_the_store(steps):
            if not any(step.response for step in steps):
                return await apply(steps)
            tries.append(1)
            if len(tries) == 1:
                other.execute("BEGIN IMMEDIATE")
            elif len(tries) == 3:
                other.execute("ROLLBACK")
            return await apply(steps)

        engine.store.apply = apply_while_another_holds_the_store
        await engine.until(lambda: len(tries) == 3 and engine.at_rest())
        return len(tries)

    assert asyncio.run(story()) == 3
    other.close()
    assert engine.statuses() == ["SENT"]
    assert len(engine.peer.received) == 1, "the message was not sent again"


@pytest.mark.parametrize("way", ["refused", "accepted"])
def test_what_is_kept_stays_in_balance_when_the_disk_was_full(make_engine, way):
    engine = make_engine("accept")

    async def story() -> None:
        await engine.book(patient="p0", number=0)
        if way == "refused":
            _fill(engine)
            with pytest.raises(StoreUnavailable):
                await engine.book(patient="p1", number=1, note="x" * 400_000)
            _make_space(engine)

    asyncio.run(story())

    assert reads.reconcile(engine.store.connection).accepted == 1
