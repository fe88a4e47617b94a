"""Workers of one destination that share its lanes, when one of them meets a bug."""

from __future__ import annotations

import asyncio

from channels.channel import Policy
from connectors.mllp_sender import MllpSender


class _Faulty(MllpSender):
    """A stranger's connector: it fails in a way that no connector may, once, when it is given a certain message."""

    faults = 1

    async def send(self, encoded, control_id):
        if b"|faulty|" in encoded and type(self).faults:
            type(self).faults -= 1
            await asyncio.sleep(0.2)  # meanwhile the next message of the other patient is on its way
            raise RuntimeError
        return await super().send(encoded, control_id)


def test_a_bug_in_one_worker_does_not_make_another_send_twice(make_engine, monkeypatch):
    engine = make_engine(
        "late 0.1", "accept", "late 0.6", policy=Policy(wait=(0.05, 0.2), connections=2), answer_within=2
    )
    _Faulty.faults = 1
    monkeypatch.setattr(type(engine.channel.destinations[0]), "connect", lambda self: _Faulty(**self.settings))

    async def story() -> None:
        await engine.book(patient="other", number=0)  # one worker waits for its answer; the other sends 1,
        await engine.book(patient="p1", number=1)  # commits its answer with the claim of 2,
        await engine.book(patient="faulty", number=2)  # and fails while the first one sends 3
        await engine.book(patient="p1", number=3)
        await engine.until(engine.at_rest)

    asyncio.run(story())

    assert engine.statuses() == ["SENT"] * 4
    assert sorted(line[0] for line in engine.lines()) == ["0", "1", "2", "3"]
