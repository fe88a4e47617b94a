"""A small program that does to the store what doors and lanes do, and says each promise as it is made.

`python -m tests.rig.driver FOLDER FIRST COUNT [--synchronous NORMAL]` accepts messages FIRST … FIRST+COUNT-1 in
groups, maps, claims and settles them. On standard output, each line written at once, after the commit:

    A n     message n is accepted (its sender may forget it)
    C d     delivery d is claimed, its outgoing bytes are stored (it may leave now)
    S d     delivery d is settled (the peer's acceptance is stored), and the channel that follows has its message of it
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from messages.lifecycle import Event, Status
from messages.message import Step
from store import checkpoint, connection, directory, reads
from store.schema import migrate
from store.store import NewArrival, NewMessage, Store

ROLES = ("intake", "lanes")
KEYS = 3


def set_up(folder: Path) -> None:
    """Make a store with one channel and one destination, and a channel that follows it."""
    connection.store_key(folder)
    link = connection.connect(folder)
    migrate(link)
    link.close()
    store = Store(folder, "host")
    try:
        directory.deploy(
            store.writer,
            directory.NewRevision(
                channel="rig", title="Rig", revision="r1", source="", plan={}, destinations={"peer": True}
            ),
        )
        source = {"connector": "outcomes", "settings": {"of": "rig", "when": ["sent"]}}
        directory.deploy(
            store.writer,
            directory.NewRevision(
                channel="told", title="Told", revision="r1", source="",
                plan={"from": source, "destinations": {"news": {}}}, destinations={"news": True},
            ),
        )  # fmt: skip
    finally:
        store.close()


def body_of(number: int) -> bytes:
    """Return the bytes of a message: of several sizes, so that it takes a page or several."""
    return b'{"n":%d,"filler":"%s"}' % (number, b"x" * (37 * (number * 61 % 97)))


def encoded_of(delivery: int) -> bytes:
    """Return the outgoing bytes of a delivery."""
    return b"MSH|%d|" % delivery + b"y" * 700


def _arrival(number: int) -> NewArrival:
    message = NewMessage(
        channel=1, channel_name="rig", revision="r1", focus=None, about=None, index={"number": str(number)},
        key=f"k{number % KEYS}", destinations=[(1, 0)],
    )  # fmt: skip
    return NewArrival(
        door="rig", peer="rig", identity=f"m{number}", content_type="application/json", body=body_of(number),
        messages=[message], compose=lambda _: (202, {}, b"accepted %d" % number),
    )  # fmt: skip


Say = Callable[[str], object]


def _aloud(line: str) -> None:
    os.write(1, line.encode() + b"\n")


async def _accept(store: Store, number: int, say: Say) -> None:
    await store.receive(_arrival(number))
    say(f"A {number}")


async def _deliver(store: Store, say: Say) -> bool:
    """Bring the heads of the lanes one step forward. False when there are none."""
    work = store.ready("rig", (1, "peer"), 8)
    claims: list[Step] = []
    settled: list[Step] = []
    for item in work:
        delivery = item.delivery
        status = delivery.status
        if status is Status.RECEIVED:
            claims.append(
                Step(delivery=delivery.id, status=status, event=Event.MAPPED, action="request",
                     encoded=encoded_of(delivery.id), control_id=f"c{delivery.id}")
            )  # fmt: skip
            status = Status.TRANSFORMED
        if status is Status.PENDING:
            claims.append(Step(delivery=delivery.id, status=status, event=Event.UNANSWERED))
            status = Status.QUEUED
        claims.append(Step(delivery=delivery.id, status=status, event=Event.CLAIMED))
        settled.append(Step(delivery=delivery.id, status=Status.PENDING, event=Event.ACCEPTED, response=b"AA"))
    if work:
        await store.apply(claims)
        for step in settled:
            say(f"C {step.delivery}")
        await store.apply(settled)
        for step in settled:
            say(f"S {step.delivery}")
    return bool(work)


async def _run(intake: Store, lanes: Store, first: int, count: int, say: Say = _aloud) -> None:
    chance = random.Random(first)
    numbers = list(range(first, first + count))
    while numbers:
        size = chance.randint(1, 4)
        group, numbers = numbers[:size], numbers[size:]
        await asyncio.gather(*(_accept(intake, number, say) for number in group), _deliver(lanes, say))
    while await _deliver(lanes, say):
        continue


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="driver")
    parser.add_argument("folder", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--synchronous", choices=("NORMAL",), help="break the promise on purpose: the negative control")
    parser.add_argument("--no-checkpoints", action="store_true")
    options = parser.parse_args()
    os.read(0, 1)  # a trial may want to attach itself first
    stores = [Store(options.folder, role, promises=role == "intake") for role in ROLES]
    if options.synchronous:
        for store in stores:
            store.connection.execute(f"PRAGMA synchronous = {options.synchronous}")
    checkpoint.EVERY, checkpoint.WORTH = 0.004, 50_000  # often, so that many kills and cuts fall into one
    with contextlib.nullcontext() if options.no_checkpoints else checkpoint.Checkpointer(options.folder):
        asyncio.run(_run(stores[0], stores[1], options.first, options.count))
    for store in stores:
        store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A store after a crash, held against what was said before it."""

    #: Promises that the store does not keep, and does not report either.
    broken: tuple[str, ...] = ()
    #: Why the store refuses to start; None when it starts.
    refused: str | None = None


def inspect(folder: Path, broken: Callable[[Store], list[str]]) -> Found:
    """Open the store as the host's processes do; `broken` says which promises an open store does not keep."""
    stores: list[Store] = []
    try:
        for role in ROLES:
            stores.append(Store(folder, role))  # noqa: PERF401  # those that opened must be closed
        return Found(broken=(*broken(stores[0]), *_damage(stores[0])))
    except (connection.UnsafeStore, connection.DatabaseError, RuntimeError) as error:
        return Found(refused=f"{type(error).__name__}: {error}")
    finally:
        for store in stores:
            store.close()


def _damage(store: Store) -> list[str]:
    (damage,) = store.connection.execute("PRAGMA integrity_check").fetchone()
    wrong = [] if damage == "ok" else ["the integrity check"]
    return wrong if reads.reconcile(store.connection).holds else [*wrong, "the balance"]


def broken(store: Store, said: Collection[str]) -> list[str]:
    """Return what was said and does not hold."""
    return [line for line in said if not _holds(store, *line.split())]


def finish(folder: Path, count: int) -> list[str]:
    """Send all messages again, as a sender does that was not answered, deliver the rest; return what is wrong."""
    stores = [Store(folder, role) for role in ROLES]
    said: list[str] = []
    try:
        asyncio.run(_run(stores[0], stores[1], 1, count, said.append))
        wrong = [*broken(stores[0], said), *_damage(stores[0])]
        for table in ("arrival", "message", "delivery"):
            (rows,) = stores[0].connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if rows != 2 * count:  # each with the one that tells of it
                wrong.append(f"{rows} rows of {table} for {count} messages")
        return wrong
    finally:
        for store in stores:
            store.close()


_CLAIMED = frozenset({Status.PENDING, Status.QUEUED, Status.SENT})


def _holds(store: Store, promise: str, number: str) -> bool:
    if promise == "A":
        answer = store.answer_of("rig", f"m{number}", body_of(int(number)))
        return answer is not None and answer.body == b"accepted %s" % number.encode()
    row = store.connection.execute(
        "SELECT d.status, o.encoded FROM delivery d JOIN outgoing o ON o.delivery = d.id WHERE d.id = ?", (number,)
    ).fetchone()
    if row is None or bytes(row[1]) != encoded_of(int(number)):
        return False
    if promise == "C":
        return row[0] in _CLAIMED
    return row[0] == Status.SENT and _told(store, number) == 1


def _told(store: Store, delivery: str) -> int:
    """Return how many messages of the channel that follows tell of a delivery."""
    tells = f'%"name":"delivery","valueString":"{delivery}"%'
    query = "SELECT count(*) FROM arrival WHERE door = 'outcomes' AND CAST(body AS TEXT) LIKE ?"
    rows: int = store.connection.execute(query, (tells,)).fetchone()[0]
    return rows


if __name__ == "__main__":
    main()
