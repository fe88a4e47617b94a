"""Holds the guarantee against what is written: the sender's journals, PowerServer's journal, and the stopped store.

Nothing the host says of itself counts as proof of delivery; the store is asked only for what it still owes, and why.
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from messages.lifecycle import SHARES
from simulators.journal import read_journal
from store import lists, reads
from store.store import Store
from tests.rig.sender import Sent, read_acknowledged, read_sent

#: SCH-1.1, the placer's appointment id.
_PLACER = re.compile(rb"\rSCH\|([^|^]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the journals show. Lists hold placer ids; each must be empty unless the trial expects otherwise."""

    acknowledged: int
    delivered: int
    #: Acknowledged, and neither delivered nor filtered, parked, cancelled or pending.
    lost: list[str]
    #: Acknowledged and still on the way; a trial that has waited for the end expects none.
    pending: list[str]
    parked: list[str]
    #: Refused by the door.
    refused: list[str]
    #: Delivered, and sent by nobody.
    strangers: list[str]
    #: Overtook, or came again after, a later message of its key.
    out_of_order: list[str]
    #: Delivered more than once, every time with the same bytes.
    repeated: int
    #: Delivered more than once with different bytes.
    altered: list[str]
    #: Most repeats of one lane between two kills.
    repeats_per_lane_and_kill: int
    #: Repeats before the first kill.
    repeats_without_kill: int
    #: accepted = delivered + filtered + parked + cancelled + pending, counted anew (`plugin-host reconcile`).
    balanced: bool


def check(sender: Path, powerserver: Path, data: Path, kills: Sequence[float] = ()) -> Verdict:
    """Read the journals and the stopped store; `kills`: times (seconds since 1970) at which a process was killed.

    Raises:
        UnsafeStore: the store says of itself that it lost something.
    """
    sent = {message.placer: message for message in read_sent(sender)}
    answered = read_acknowledged(sender)
    acknowledged = [placer for placer, message in sent.items() if message.identity in answered]
    refused = [message.placer for message in sent.values() if message.identity in read_acknowledged(sender, "refused")]
    wire = [(received.at, placer_of(received.payload), received.payload) for received in read_journal(powerserver)]
    delivered = {placer for _, placer, _ in wire}
    store = Store(data, "command")
    owed, balance = _owed(store), reads.reconcile(store.connection)
    store.close()
    known = delivered.union(*owed.values())
    repeats = _repeats(wire, sent, kills)
    return Verdict(
        acknowledged=len(acknowledged),
        delivered=len(delivered),
        lost=[placer for placer in acknowledged if placer not in known],
        pending=sorted(owed["pending"] - delivered),
        parked=sorted(owed["parked"]),
        refused=refused,
        strangers=sorted(delivered - sent.keys()),
        out_of_order=_out_of_order(wire, sent),
        repeated=len(wire) - len(delivered),
        altered=_altered(wire),
        repeats_per_lane_and_kill=max(repeats.values(), default=0),
        repeats_without_kill=sum(n for (_, kill), n in repeats.items() if kill == 0),
        balanced=balance.holds,
    )


def placer_of(payload: bytes) -> str:
    """Return SCH-1.1 of a message."""
    found = _PLACER.search(payload)
    return found[1].decode() if found else "?"


Wire = Sequence[tuple[float, str, bytes]]


def _out_of_order(wire: Wire, sent: dict[str, Sent]) -> list[str]:
    last: dict[str, int] = defaultdict(lambda: -1)
    wrong = []
    for _, placer, _ in wire:
        message = sent.get(placer)
        if message is None:
            continue
        if message.sequence < last[message.key]:
            wrong.append(placer)
        last[message.key] = max(last[message.key], message.sequence)
    return wrong


def _altered(wire: Wire) -> list[str]:
    first: dict[str, bytes] = {}
    return sorted({placer for _, placer, payload in wire if first.setdefault(placer, payload) != payload})


def _repeats(wire: Wire, sent: dict[str, Sent], kills: Sequence[float]) -> dict[tuple[str, int], int]:
    """Count repeats by lane and by how many kills there had been."""
    times = sorted(kills)
    seen: set[str] = set()
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for at, placer, _ in wire:
        if placer in seen and placer in sent:
            counts[sent[placer].key, bisect.bisect(times, at)] += 1
        seen.add(placer)
    return counts


def _owed(store: Store) -> dict[str, set[str]]:
    """Return the placer ids of what the store says was not delivered, by share of the balance."""
    owed = {}
    for share, statuses in SHARES.items():
        if share != "delivered":
            lines = lists.each(store.connection, lists.Wanted(statuses=statuses, limit=1_000))
            owed[share] = {line.index["appointment"] for line in lines}
    return owed
