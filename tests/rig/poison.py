"""T16: messages that the mapping cannot take, and one that kills the process, do not hold up the others.

The poison comes as a stranger's transformer plug-in: a distribution of its own in a folder on PYTHONPATH.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from messages.lifecycle import Status
from simulators.powerserver import PowerServer
from store import lists
from store.store import Store
from tests.rig.checker import check, placer_of
from tests.rig.figures import Figures
from tests.rig.host import WholeHost, pause
from tests.rig.kills import drained
from tests.rig.sender import Sender
from tests.rig.site import Wishes, fhir_of, make_site

NAME = "rig-poison"
_MODULE = '''
"""A transformer that does what fhir-to-hl7 does, and fails where a booking's number says so."""

import os

from transformers.fhir_to_hl7 import compile_plan


class Poison:
    def __init__(self, plan):
        self._inner = compile_plan(plan)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def transform(self, document, given):
        number = self._number(document)
        if number == DEADLY:
            os._exit(3)
        if number % EVERY == 0:
            raise ZeroDivisionError
        return self._inner.transform(document, given)

    def _number(self, document):
        appointment = next(e["resource"] for e in document["entry"] if e["resource"]["resourceType"] == "Appointment")
        return int(appointment["identifier"][0]["value"].removeprefix("appt-"))
'''


def install(folder: Path, deadly: int, every: int) -> Path:
    """Make a folder for PYTHONPATH that holds the plug-in as an installed distribution."""
    place = folder / "site-packages"
    information = place / "rig_poison-1.0.dist-info"
    information.mkdir(parents=True)
    source = _MODULE.replace("DEADLY", str(deadly)).replace("EVERY", str(every))
    (place / "rig_poison.py").write_text(textwrap.dedent(source), "utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: rig-poison\nVersion: 1.0\n", "utf-8")
    entry = f"[plugin_host.transformers]\n{NAME} = rig_poison:Poison\n"
    (information / "entry_points.txt").write_text(entry, "utf-8")
    return place


def poison(folder: Path, messages: int, every: int = 100) -> Figures:
    """Run the trial in an empty folder; the deadly message is the one in the middle."""
    figures = Figures("T16")
    deadly = messages // 2 + 1
    place = install(folder, deadly, every)
    journal, sender_journal = folder / "powerserver", folder / "sender"
    raising = len([n for n in range(1, messages + 1) if n % every == 0 and n != deadly])
    good = messages - raising - 1
    with PowerServer(journal=journal) as powerserver:
        wishes = Wishes(parked="pass", transformer=NAME, plain=True)
        site = make_site(folder / "site", folder / "data", powerserver.port, wishes)
        with WholeHost(site, PYTHONPATH=str(place)) as host:
            host.ready()
            with Sender(fhir_of(site), sender_journal, keys=messages, clients=4) as sender:
                sender.grant(messages)
                figures.equal("sender finished", str(sender.finish(60)), "True")
            figures.equal("parked", _wait_for_parked(folder / "data", raising + 1), raising + 1)
            drained(powerserver, good)
            host.stop()
        delivered = {placer_of(received.payload) for received in powerserver.received}
    verdict = check(sender_journal, journal, folder / "data")
    figures.equal("good messages delivered", len(delivered), good)
    figures.equal("lost or pending", len(verdict.lost) + len(verdict.pending), 0)
    figures.equal("the deadly one is parked", str(f"appt-{deadly}" in verdict.parked), "True")
    figures.equal("balance holds", str(verdict.balanced), "True")
    return figures


def _wait_for_parked(data: Path, wanted: int) -> int:
    """Return how many are parked with a reason, once there are enough or it took too long."""
    parked = -1
    for _ in range(150):
        store = Store(data, "command")
        lines = lists.each(store.connection, lists.Wanted(statuses=[Status.ERROR], limit=1_000))
        parked = sum(any(delivery.reason for delivery in line.deliveries) for line in lines)
        store.close()
        if parked >= wanted:
            break
        pause(0.2)
    return parked
