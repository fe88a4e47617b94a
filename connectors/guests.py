"""Who is connected to a door: no more than it allows, and none left in the middle of something when it closes."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from typing import Protocol

log = logging.getLogger(__name__)


class Guest(Protocol):
    """What is talked with a peer on one connection."""

    #: Something was taken from the peer, and is not answered yet.
    busy: bool
    #: Set where the door closes: what is under way is the last.
    last: bool


class Guests:
    """The connections of one door that are open."""

    def __init__(self, most: int, most_of_an_address: int) -> None:
        self._most, self._most_of_an_address = most, most_of_an_address
        self._open: dict[asyncio.Task[None], Guest] = {}
        self._by_address: Counter[str] = Counter()
        self._said_full = False

    def have_room(self, address: str) -> bool:
        """Say whether one more may come from an address; the log says no once for a flood."""
        if len(self._open) < self._most and self._by_address[address] < self._most_of_an_address:
            self._said_full = False
            return True
        if not self._said_full:
            log.warning("too many connections", extra={"peer": address, "open": len(self._open)})
            self._said_full = True
        return False

    def welcome(self, guest: Guest, address: str, stay: Coroutine[None, None, None]) -> None:
        """Count a guest until his stay has ended."""
        task = asyncio.get_running_loop().create_task(stay)
        self._open[task] = guest
        self._by_address[address] += 1
        task.add_done_callback(lambda done: self._leave(done, address))

    async def clear(self, within: float) -> None:
        """End all: the idle ones now, those with something in work after its answer, or after so many seconds."""
        for task, guest in list(self._open.items()):
            guest.last = True
            if not guest.busy:
                task.cancel()
        if self._open:
            await asyncio.wait(list(self._open), timeout=within)
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open), timeout=1.0)

    def _leave(self, task: asyncio.Task[None], address: str) -> None:
        del self._open[task]
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection ended by a bug", extra={"peer": address, "error": type(error).__name__})
