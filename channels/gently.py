"""Heavy transformations let everybody else go first: one at a time, in a thread of the lowest priority, with rests.

Only the thread is of low priority, not its process: that commits, and while a process of low priority held the store
on a busy machine, all others would wait for it. The rests are for the disk, which knows no priorities: a page of a
form is a commit of many kilobytes, and the commits of appointments stand behind it (docs/decisions/0009).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")

_LOWEST = 19
#: How many times as long as the work the rest after it is: together they take a tenth of one processor.
_REST = 9.0
#: Seconds of a rest at most.
_LONGEST = 1.0


class Gently:
    """Does heavy work for all lanes of a process."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "heavy", _lower)
        self._rested = 0.0

    async def turn(self) -> None:
        """Wait for the end of the rest after the work before."""
        while (rest := self._rested - time.monotonic()) > 0:  # noqa: ASYNC110  # meanwhile another lane may have begun one
            await asyncio.sleep(rest)

    def do(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises, once the thread of low priority has done it."""
        began = time.monotonic()
        try:
            return self._thread.submit(work).result()
        finally:
            ended = time.monotonic()
            self._rested = ended + min(_LONGEST, _REST * (ended - began))


@cache
def gently() -> Gently:
    """Return the one of this process."""
    return Gently()


def _lower() -> None:
    if sys.platform == "linux":  # where a priority is a thread's; elsewhere it would be the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
