"""Group commit: whatever wants to be written while one commit runs shares the next one.

Acknowledgements wait for the shared flush. One writer connection a process, `BEGIN IMMEDIATE`, and a number a
commit, kept in the store and in the high-water file beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from store import queries
from store.connection import Connection, DatabaseError
from store.high_water import HighWater

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Exit code that tells the supervisor: start me again, what I was told about the disk cannot be trusted.
EXIT_DISK = 75

_FULL = "database or disk is full"
_BUSY = "database is locked"

#: Seconds that a write may wait for another process's commit.
PATIENCE = 10.0
#: Seconds until the first and between the later tries to begin while another process commits.
AGAIN = (0.001, 0.008)


class Unavailable(Exception):
    """Nothing was committed; it may be tried again."""


class Transaction:
    """One open transaction: the connection, one time for all, and the counts to be raised at its end."""

    def __init__(self, connection: Connection, now: float) -> None:
        self.execute: Callable[..., Any] = connection.execute
        self.executemany: Callable[..., Any] = connection.executemany
        self.now = now
        self._events: list[tuple[Any, ...]] = []
        self._levels: Counter[tuple[int, str]] = Counter()
        self._flows: Counter[tuple[int, str]] = Counter()

    def count(self, destination: int, entered: str, left: str | None = None) -> None:
        """Note that a delivery entered a status (and left another)."""
        self._levels[destination, entered] += 1
        self._flows[destination, entered] += 1
        if left is not None:
            self._levels[destination, left] -= 1

    def event(self, row: tuple[Any, ...]) -> None:
        """Note an event of the timeline; it is written with the others at the end."""
        self._events.append(row)

    def forget(self, destination: int, status: str, instead: str) -> None:
        """Note that a delivery was pruned: it leaves its status, and is counted among the pruned."""
        self._levels[destination, status] -= 1
        self._levels[destination, instead] += 1

    def close(self) -> None:
        """Write the events and the counts."""
        self.executemany(queries.INSERT_EVENT, self._events)
        hour = int(self.now // 3600)
        self.executemany(queries.RAISE_LEVEL, [(*key, n) for key, n in self._levels.items() if n])
        self.executemany(queries.RAISE_FLOW, [(hour, *key, n) for key, n in self._flows.items()])


#: An exception that a work returns is its caller's answer; the others are not concerned.
Work = Callable[[Transaction], T | Exception]


class _Waiting(Generic[T]):
    __slots__ = ("future", "work")

    def __init__(self, work: Work[T], future: asyncio.Future[T]) -> None:
        self.work = work
        self.future = future


class Writer:
    """The one writer of a process."""

    def __init__(self, connection: Connection, name: str, high_water: HighWater, *, promises: bool = True) -> None:
        """`promises`: somebody outside is told that what was committed is safe; so the high-water mark is synced."""
        self._connection = connection
        self._name = name
        self._high_water = high_water
        self._promises = promises
        self._queue: list[_Waiting[Any]] = []
        self._may_wait_until = 0.0
        self._again = AGAIN[0]
        self._sleeps = -1.0
        self._turn = threading.Lock()

    async def run(self, work: Work[T]) -> T:
        """Run `work` in the next shared transaction and return its result once that is on the disk.

        An exception that `work` *returns* is raised to its caller alone; one that it raises undoes only its own part.

        Raises:
            Unavailable: not committed (disk full, store busy).
        """
        loop = asyncio.get_running_loop()
        waiting: _Waiting[T] = _Waiting(work, loop.create_future())
        self._queue.append(waiting)
        if len(self._queue) == 1:
            self._may_wait_until = loop.time() + PATIENCE
            # One turn later than at once: what is on the sockets now shares the commit.
            loop.call_soon(loop.call_soon, self._flush)
        return await waiting.future

    def now(self, work: Work[T]) -> T:
        """Run `work` in a transaction of its own, at once: for commands and pages, whose threads take turns."""
        with self._turn:
            result = self._alone(work)
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[no-any-return]  # _commit gives back what the works gave

    def close(self) -> None:
        """Close the high-water file."""
        self._high_water.close()

    def _wait_for_others(self, seconds: float) -> None:
        """Say how long SQLite may sleep while another process writes."""
        if self._sleeps != seconds:
            self._connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
            self._sleeps = seconds

    def _begin(self) -> bool:
        """Begin without sleeping: the loop has other things to do while another process commits."""
        self._wait_for_others(0)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except DatabaseError as error:
            if _BUSY in str(error):
                return False
            raise
        return True

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            begun = self._begin()
        except DatabaseError as error:
            self._settle([Unavailable(type(error).__name__)] * len(self._queue))
            return
        if begun:
            self._again = AGAIN[0]
            self._flush_now()
        elif loop.time() < self._may_wait_until:
            self._again = min(AGAIN[1], self._again * 1.5)
            loop.call_later(self._again, self._flush)
        else:
            self._settle([Unavailable("another process holds the store")] * len(self._queue))

    def _flush_now(self) -> None:
        works = [waiting.work for waiting in self._queue]
        try:
            results = self._commit(works)
        except Unavailable as error:
            results = [error] * len(works)
        self._settle(results)

    def _settle(self, results: list[Any]) -> None:
        batch, self._queue = self._queue, []
        for waiting, result in zip(batch, results, strict=True):
            if waiting.future.cancelled():
                continue
            if isinstance(result, Exception):
                waiting.future.set_exception(result)
            else:
                waiting.future.set_result(result)

    def _commit(self, works: list[Work[Any]]) -> list[Any]:
        try:
            return self._transaction(works)
        except DatabaseError as error:
            self._undo()
            if not _is_bug(error):
                raise Unavailable(_FULL if _FULL in str(error) else type(error).__name__) from error
            if len(works) == 1:
                return [error]
        except Exception as error:  # noqa: BLE001  # one work's bug must not take its neighbours with it
            self._undo()
            if len(works) == 1:
                return [error]
        return [self._alone(work) for work in works]

    def _alone(self, work: Work[Any]) -> Any:
        """Run one work in a transaction of its own; return its result, or why it was not committed."""
        self._wait_for_others(PATIENCE)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            return self._commit([work])[0]
        except DatabaseError as error:
            return Unavailable(type(error).__name__)
        except Unavailable as error:
            return error

    def _transaction(self, works: list[Work[Any]]) -> list[Any]:
        """Run the works in the transaction that has begun, and commit it."""
        transaction = Transaction(self._connection, time.time())
        results = [work(transaction) for work in works]
        transaction.close()
        mark = self._connection.execute(queries.COUNT_COMMIT, (self._name,)).fetchone()[0]
        self._make_durable(mark)
        return results

    def _make_durable(self, mark: int) -> None:
        try:
            self._connection.execute("COMMIT")
        except DatabaseError as error:
            if _FULL in str(error) or _BUSY in str(error):
                raise
            # After a failed sync nobody knows what the disk holds: answer nobody, and begin anew from the disk.
            _give_up("commit", error)
        try:
            self._high_water.raise_to(mark, sync=self._promises)
        except OSError as error:
            _give_up("high-water file", error)

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _is_bug(error: Exception) -> bool:
    """Tell a wrong statement from a store that cannot be written now: trying again does not mend it."""
    return type(error).__name__ in {"IntegrityError", "ProgrammingError", "InterfaceError"} or (
        str(error).startswith(("no such ", "near "))
    )


def _give_up(what: str, error: Exception) -> None:
    log.critical("the disk failed", extra={"at": what, "error": type(error).__name__})
    logging.shutdown()
    os._exit(EXIT_DISK)
