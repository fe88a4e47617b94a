"""The source of follow-up channels: what became of the deliveries of another channel. It listens nowhere.

The store makes such a message in the transaction that brings the outcome about (store/follow.py); this says to analysts
and to the check what a mapping may write: `from: { connector: outcomes, of: CHANNEL, when: [refused, parked] }`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.base import Intake
from messages.outcome import WORDS


@dataclass(kw_only=True)
class Outcomes:
    """SourceConnector of a channel that follows another one."""

    of: str = field(metadata={"help": "Name of the channel that is followed."})
    when: tuple[str, ...] = field(metadata={"help": f"Which outcomes, of: {', '.join(WORDS)}."})

    def __post_init__(self) -> None:
        """Check the words of `when`.

        Raises:
            ValueError: names the one that is none.
        """
        for word in self.when:
            if word not in WORDS:
                raise ValueError(f"when: '{word}' is no outcome; they are {', '.join(WORDS)}")
        if not self.when:
            raise ValueError("when names no outcome")

    async def serve(self, intake: Intake, ready: Callable[[str], None]) -> None:  # noqa: ARG002 - nobody knocks here
        """Wait until cancelled: its messages come from inside."""
        await asyncio.Event().wait()
