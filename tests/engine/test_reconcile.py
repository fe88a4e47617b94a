"""The balance holds at every moment: also at one in which somebody writes."""

from __future__ import annotations

import asyncio

from store import reads
from store.connection import connect


def test_a_message_that_comes_while_the_balance_is_counted_does_not_disturb_it(make_engine, folder):
    engine = make_engine()
    reader = connect(folder)

    def book_between_two_counts(statement: str) -> None:
        if "FROM level" in statement:
            asyncio.run(engine.book(patient="p1", number=1))

    reader.set_trace_callback(book_between_two_counts)
    balance = reads.reconcile(reader)
    reader.set_trace_callback(None)

    assert (balance.holds, balance.accepted) == (True, 0)
    assert reads.reconcile(reader).accepted == 1
    reader.close()
