"""Heavy work is done one piece at a time, by a thread of the lowest priority, with rests between."""

import asyncio
import os
import sys
import threading
import time

import pytest

from channels.gently import Gently


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
def test_the_thread_is_of_the_lowest_priority_and_its_process_is_not():
    gently = Gently()

    assert gently.do(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())) == 19
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 19


def test_a_rest_is_nine_times_as_long_as_the_work():
    gently = Gently()
    began = time.monotonic()
    gently.do(lambda: threading.Event().wait(0.02))
    worked = time.monotonic()
    asyncio.run(gently.turn())

    assert time.monotonic() - began >= 10 * 0.02
    assert worked - began < 10


def test_what_the_work_raises_comes_back():
    with pytest.raises(ZeroDivisionError):
        Gently().do(lambda: 1 / 0)
