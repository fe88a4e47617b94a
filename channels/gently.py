"""Heavy transformations run in a thread that lets everybody else go first.

Only the thread is of low priority, not its process: that commits, and while a process of low priority held the store
on a busy machine, all others would wait for it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")

_LOWEST = 19


def gently(work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise what it raises, once the thread of low priority has done it."""
    return _thread().submit(work).result()


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "heavy", _lower)


def _lower() -> None:
    if sys.platform == "linux":  # where a priority is a thread's; elsewhere it would be the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
