"""T8: one of four destinations behaves badly, in every way we know. The other three do not notice.

Nothing is lost, what the peer refuses is parked as the lifecycle rules, and no acknowledgement counts for a message
that it does not name.
"""

from __future__ import annotations

import copy
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from messages.lifecycle import Status
from simulators.powerserver import PowerServer
from store.store import Store
from tests.rig.figures import Figures
from tests.rig.host import Processes, deploy, pause
from tests.rig.sender import Sender
from tests.rig.site import MAPPING, Wishes, change, make_site

#: Seconds that the host waits for an answer.
PATIENCE = 0.5
GOOD = ("one", "two", "three")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a peer is bad, for a while or for good."""

    #: Words of simulators/powerserver_script.py; None: nobody listens, or nobody speaks.
    script: tuple[str, ...] | None
    #: The statuses in which its deliveries end.
    ends: frozenset[Status] = frozenset({Status.SENT})


_WAITS = frozenset({Status.RECEIVED, Status.TRANSFORMED, Status.QUEUED, Status.PENDING})
MANNERS = {
    "refuses connections": Manner(script=None, ends=_WAITS),
    "listens and never reads": Manner(script=None, ends=_WAITS),
    "never answers": Manner(script=("no answer*100000",), ends=_WAITS),
    "does not answer at first": Manner(script=("no answer*6",)),
    "answers when nobody waits any more": Manner(script=(f"late {PATIENCE + 0.3}",) * 6),
    "resets": Manner(script=("reset*12",)),
    "hangs up in the middle of an answer": Manner(script=("hang up mid-frame*12",)),
    "takes the message and hangs up": Manner(script=("accept and hang up*50",)),
    "answers byte by byte": Manner(script=("slow*4",)),
    "answers twice": Manner(script=("two answers*50",)),
    "names another message": Manner(script=("wrong id*12",)),
    "speaks no MLLP": Manner(script=("garbage*12",)),
    "answers with no acknowledgement": Manner(script=("not HL7*12",)),
    "says not now three times": Manner(script=("AE*3",)),
    "says not now for ever": Manner(script=("AE*100000",), ends=frozenset({Status.ERROR}) | _WAITS),
    "refuses every message": Manner(script=("AR*100000",), ends=frozenset({Status.ERROR}) | _WAITS),
}


def bad_peer(folder: Path, manner: str, messages: int) -> Figures:
    """Run one manner in an empty folder."""
    figures = Figures("T8")
    usual = _run(folder / "usual", None, messages)
    found = _run(folder / "bad", MANNERS[manner], messages)
    name = f", a peer that {manner}"
    figures.at_least("good lanes beside it, % of their usual pace" + name, round(100 * usual.took / found.took), 95)
    _judge(figures, found, MANNERS[manner], messages, name)
    return figures


def bad_peer_alone(folder: Path, manner: str, messages: int) -> Figures:
    """As `bad_peer` without the comparison of pace, which a busy machine would spoil."""
    figures = Figures("T8")
    _judge(figures, _run(folder, MANNERS[manner], messages), MANNERS[manner], messages, f", a peer that {manner}")
    return figures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    #: Seconds until the good destinations had everything.
    took: float
    #: destination → status → deliveries.
    stands: dict[str, dict[str, int]]
    #: Deliveries whose stored acceptance names another message.
    credited: int


def _judge(figures: Figures, found: _Found, manner: Manner, messages: int, name: str) -> None:
    for good in GOOD:
        figures.equal(f"delivered to {good}{name}", found.stands[good].get(Status.SENT, 0), messages)
    bad = found.stands["bad"]
    figures.equal("accounted for" + name, sum(bad.values()), messages)
    figures.equal("in a status that is not ruled" + name, sum(n for s, n in bad.items() if s not in manner.ends), 0)
    if Status.ERROR in manner.ends:
        figures.at_least("parked" + name, bad.get(Status.ERROR, 0), 1)
    figures.equal("acceptances that name another message" + name, found.credited, 0)


def _run(folder: Path, manner: Manner | None, messages: int) -> _Found:
    folder.mkdir(exist_ok=True)
    with ExitStack() as peers:
        good = [peers.enter_context(PowerServer(answer_after=0.01)) for _ in GOOD]
        bad_port, done = peers.enter_context(_peer(manner))
        site = make_site(folder / "site", folder / "data", 1, Wishes(answer_within=PATIENCE))
        _four_destinations(site, [*(peer.port for peer in good), bad_port])
        data = deploy(site)
        with Processes(site) as host:
            host.start("intake")
            with Sender(host.fhir, folder / "sender", keys=8, clients=4) as sender:
                sender.grant(messages)
                sender.finish(60)
            began = time.monotonic()
            host.start("lanes")
            for peer in good:
                peer.wait_for(messages, 60)
            took = time.monotonic() - began
            _wait_for_end(data, manner, messages, done)
            host.stop()
    return _Found(took=took, **_look(data))


@contextmanager
def _peer(manner: Manner | None) -> Iterator[tuple[int, PowerServer | None]]:
    if manner is not None and manner.script is None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            if manner is MANNERS["listens and never reads"]:
                silent.listen(64)  # the kernel takes the connection and the bytes; no program does
            yield silent.getsockname()[1], None
        return
    with PowerServer(manner.script or () if manner else (), answer_after=0.01) as peer:
        yield peer.port, peer


def _four_destinations(site: Path, ports: list[int]) -> None:
    names = (*GOOD, "bad")
    with change(site / "site.yaml") as values:
        for name, port in zip(names, ports, strict=True):
            values["stations"][name] = {"host": "127.0.0.1", "port": port, "answer_within": PATIENCE}
    with change(site / MAPPING) as mapping:
        one = mapping["destinations"].pop("powerserver")
        for name in names:
            mapping["destinations"][name] = copy.deepcopy(one) | {"station": name}


def _wait_for_end(data: Path, manner: Manner | None, messages: int, peer: PowerServer | None) -> None:
    """Wait until the bad peer has everything, or for a while where it never will."""
    if manner is None or manner.ends == frozenset({Status.SENT}):
        for _ in range(600):
            if _look(data)["stands"]["bad"].get(Status.SENT, 0) == messages:
                return
            pause(0.1)
    elif Status.ERROR in manner.ends:
        for _ in range(600):
            if _look(data)["stands"]["bad"].get(Status.ERROR, 0):
                return
            pause(0.1)
    else:
        pause(2.0 if peer is None else 4 * PATIENCE)


def _look(data: Path) -> dict[str, object]:
    store = Store(data, "command")
    try:
        stands: dict[str, dict[str, int]] = {name: {} for name in (*GOOD, "bad")}
        rows = store.connection.execute(
            "SELECT t.name, d.status, count(*) FROM delivery d JOIN destination t ON t.number = d.destination"
            " GROUP BY 1, 2"
        )
        for name, status, count in rows:
            stands[name][status] = count
        accepted = store.connection.execute(
            "SELECT o.control_id, e.response FROM event e JOIN outgoing o ON o.delivery = e.delivery"
            " WHERE e.event = 'accepted'"
        ).fetchall()
        credited = sum(f"|{control_id}".encode() not in bytes(response) for control_id, response in accepted)
        return {"stands": stands, "credited": credited}
    finally:
        store.close()
