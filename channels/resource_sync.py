"""What a drift of a bookable resource does to bookings: they are refused while it blocks, and mapped when it is cured.

A mapping whose kind of channel knows of it names three facts: the resource, its facility, and whether the message
books. A cancellation on a blocked resource goes through: only what would be booked is stopped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from messages.lifecycle import Event, Status
from messages.message import Step
from messages.problem import Problem, Problems, Unmapped
from messages.resource import Drift
from store import directory, drift, unmapped
from store.connection import Connection
from store.store import Store
from transformers.base import Fact, Facts

#: What parked deliveries wait for, in the place of a table's name.
TABLE = "bookable resources"
#: Steps that are committed together.
BATCH = 200

_WORDS = {
    "MISSING_IN_PS": "PowerServer has no resource of this name",
    "MISSING_IN_OAI": "OmegaAI has no resource of this name",
    "NAME_CASE": "the resource's name differs between OmegaAI and PowerServer in letter case",
    "NAME_SPACE": "the resource's name differs between OmegaAI and PowerServer in spaces",
    "NAME_UNICODE": "the resource's name is encoded differently in OmegaAI and PowerServer",
    "MODALITY": "the resource's modality differs between OmegaAI and PowerServer",
    "INACTIVE_MISMATCH": "the resource is active on one side only",
    "DUPLICATE": "several resources have this name",
}


#: What a mapping names of a message that books; a kind of channel that books has them among its words.
FACTS: Mapping[str, Fact] = {
    "books": Fact(help="true where the message would book the resource"),
    "resource": Fact(help="name of the bookable resource"),
    "facility": Fact(help="PowerServer's imaging facility that it belongs to"),
}


def refuse_blocked(connection: Connection, facts: Facts) -> None:
    """Refuse what would be booked on a resource with a blocker; what a message does not say is not refused here.

    Raises:
        Problems: RESOURCE_DRIFT, one for each blocker; cured when the resource has none any more.
    """
    if facts.get("books") != ("true",) or not facts.get("facility") or not facts.get("resource"):
        return
    facility, name = facts["facility"][0], facts["resource"][0]
    found = _blockers(connection, facility, name)
    if found:
        waits = (Unmapped(table=TABLE, code=f"{facility}|{name}"),)
        raise Problems(_problem(one, waits) for one in found)


def _blockers(connection: Connection, facility: str, name: str) -> list[Drift]:
    return drift.blockers(connection, unicodedata.normalize("NFC", facility), unicodedata.normalize("NFC", name))


def _problem(found: Drift, waits: tuple[Unmapped, ...]) -> Problem:
    words = _WORDS.get(found.category, f"the resource's {found.field} differs between OmegaAI and PowerServer")
    return Problem(
        code="RESOURCE_DRIFT", text=f"no bookings on this resource: {words} ({found.category})",
        hint="plugin-host drift says what to change where", issue_type="business-rule", unmapped=waits,
    )  # fmt: skip


def cured(connection: Connection, channel: int) -> list[int]:
    """Return the parked deliveries of a channel that wait for resources, none of which has a blocker any more."""
    return [
        delivery
        for delivery, codes in unmapped.waiting(connection, channel).items()
        if all(code.table == TABLE and _is_free(connection, code.code) for code in codes)
    ]


def _is_free(connection: Connection, code: str) -> bool:
    facility, _, name = code.partition("|")
    return not _blockers(connection, facility, name)


async def requeue(store: Store) -> int:
    """Let what waited for a resource be mapped anew; return how many deliveries."""
    steps: Sequence[Step] = [
        Step(delivery=delivery, status=Status.ERROR, event=Event.REPROCESSED, reason="its resource is in step again")
        for row in directory.channels(store.connection)
        for delivery in cured(store.connection, row.number)
    ]
    done = 0
    for first in range(0, len(steps), BATCH):
        done += sum(await store.apply(steps[first : first + BATCH]))
    return done
