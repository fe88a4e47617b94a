"""Messages that are claimed in one commit: many where the destination is quick, one a connection where it is slow."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from channels.channel import Policy

MESSAGES = 60
TWO_AT_ONCE = Policy(wait=(0.02, 0.1), connections=2)


@pytest.fixture
def quick_peer():
    """Return the port of a receiver in a process of its own, which does not wait for ours."""
    command = [sys.executable, "-m", "simulators.powerserver"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())["listening"]
        process.terminate()


def claims(engine) -> list[int]:
    """Deliver messages of as many patients; return how many were claimed in each commit."""

    async def story() -> None:
        for number in range(MESSAGES):
            await engine.book(patient=f"p{number}", number=number)
        await engine.until(engine.at_rest, within=60.0)

    asyncio.run(story())
    assert engine.statuses() == ["SENT"] * MESSAGES
    rows = engine.store.connection.execute("SELECT count(*) FROM event WHERE event = 'claimed' GROUP BY at")
    return [row[0] for row in rows.fetchall()]


def test_messages_to_a_quick_destination_share_their_commits(make_engine, quick_peer):
    assert max(claims(make_engine(policy=TWO_AT_ONCE, port=quick_peer))) > 4


def test_answers_of_a_slow_destination_do_not_wait_for_each_other(make_engine):
    slow = make_engine(*["late 0.06"] * MESSAGES, policy=TWO_AT_ONCE)

    assert max(claims(slow)) <= 2  # one for each connection
