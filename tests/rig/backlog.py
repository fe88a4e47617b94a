"""T17: a big backlog. The host is ready soon and stays small, however much waits."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from simulators.powerserver import PowerServer
from store import connection, reads
from store.connection import Connection
from store.store import Store
from tests.rig.figures import Figures
from tests.rig.host import Processes, WholeHost, deploy, pause, resident_mb
from tests.rig.sender import Sender
from tests.rig.site import Wishes, fhir_of, make_site

#: Patients of the backlog.
LANES = 5_000


def backlog(folder: Path, pending: int, ready_within: float, later_by: float = 1.0) -> Figures:
    """Run the trial in an empty folder: ready time and memory with and without `pending` messages.

    `ready_within`: seconds, on a machine that does nothing else; `later_by`: seconds more than with nothing waiting.
    """
    figures = Figures("T17")
    with PowerServer(journal=folder / "powerserver") as powerserver:
        site = make_site(folder / "site", folder / "data", powerserver.port, Wishes(retry_wait="1s..5m", plain=True))
        data = deploy(site)
        _one_message(site, folder / "sender")
        with WholeHost(site) as host:  # delivers the one, so that nothing of the first start is counted below
            usual = host.ready()
            powerserver.wait_for(1, 20)
            pause(1.0)
            quiet = _resident(host)
            host.stop()
        began = time.monotonic()
        multiply(data, pending)
        figures.equal("pending", _pending(data), pending)
        figures.at_most("filling took", time.monotonic() - began, 600, "s")
        with WholeHost(site) as host:
            ready = host.ready()
            figures.at_most("ready", ready, ready_within, "s")
            figures.at_most("ready later than with nothing waiting", ready - usual, later_by, "s")
            grown = _most_resident(host, powerserver, 2_000) - quiet
            figures.at_most("memory grown, all processes", grown, 64, "MB")
            figures.at_least("delivered at once", powerserver.count - 1, 500)
            host.kill()
        with WholeHost(site) as host:
            figures.at_most("ready after kill -9", host.ready(), ready_within, "s")
            # It is still reading the store that was not left in order.
            figures.equal("exit code of a stop right after that", host.stop(), 0)
    return figures


def _one_message(site: Path, journal: Path) -> None:
    with Processes(site) as host:
        host.start("intake")
        with Sender(fhir_of(site), journal, keys=1, clients=1) as sender:
            sender.grant(1)
            sender.finish(20)
        host.stop()


def _resident(host: WholeHost) -> float:
    total = 0.0
    for pid in host.pids():
        with suppress(ProcessLookupError, FileNotFoundError):
            total += resident_mb(pid)
    return total


def _most_resident(host: WholeHost, powerserver: PowerServer, deliveries: int) -> float:
    """Return the most memory that was seen while so many were delivered (or for a while)."""
    most = 0.0
    target = powerserver.count + deliveries
    for _ in range(60):
        most = max(most, _resident(host))
        if powerserver.count >= target:
            break
        pause(0.1)
    return most


def _pending(data: Path) -> int:
    store = Store(data, "command")
    pending = reads.reconcile(store.connection).shares["pending"]
    store.close()
    return pending


def multiply(data: Path, pending: int) -> None:
    """Add `pending` copies of the one message in the store, about other patients, none delivered yet."""
    link = connection.connect(data)
    link.execute("PRAGMA synchronous = 0")
    (message, arrival) = link.execute("SELECT number, arrival FROM message").fetchone()
    (delivery,) = link.execute("SELECT id FROM delivery").fetchone()
    span = delivery // message  # ids of deliveries are a multiple of their message's number
    (destination,) = link.execute("SELECT number FROM destination").fetchone()
    copies = {table: _columns(link, table) for table in ("arrival", "message", "delivery")}
    link.execute("BEGIN IMMEDIATE")
    numbers = range(1, pending + 1)
    lanes = min(LANES, pending)
    link.executemany(
        "INSERT INTO lane (id, destination, key, state, head) VALUES (?, ?, ?, 1, ?)",
        ((1_000 + n, destination, b"rig%d" % n, (message + n + 1) * span) for n in range(lanes)),
    )
    _copy(
        link, "arrival", copies["arrival"], "number", arrival,
        ({"number": arrival + n, "identity": b"rig-%d" % n, "first_message": message + n} for n in numbers),
    )  # fmt: skip
    _copy(
        link, "message", copies["message"], "number", message,
        ({"number": message + n, "id": f"{n:026d}", "arrival": arrival + n} for n in numbers),
    )  # fmt: skip
    _copy(
        link, "delivery", copies["delivery"], "id", delivery,
        (
            {"id": (message + n) * span, "lane": 1_000 + (n - 1) % lanes, "status": "RECEIVED", "attempts": 0,
             "reason": None, "action": None}
            for n in numbers
        ),
    )  # fmt: skip
    for table, extra in (("level", ""), ("flow", ", hour")):
        link.execute(
            f"UPDATE {table} SET n = n + ? WHERE destination = ? AND status = 'RECEIVED'"
            + (" AND hour = (SELECT max(hour) FROM flow WHERE status = 'RECEIVED')" if extra else ""),
            (pending, destination),
        )
    link.execute("COMMIT")
    link.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    link.close()


def _columns(link: Connection, table: str) -> list[str]:
    return [row[1] for row in link.execute(f"PRAGMA table_info({table})")]


def _copy(
    link: Connection, table: str, columns: list[str], key: str, model: int, rows: Iterable[dict[str, object]]
) -> None:
    """Insert copies of the row `model`, each with some columns of its own."""
    row = link.execute(f"SELECT * FROM {table} WHERE {key} = ?", (model,)).fetchone()
    first = dict(zip(columns, row, strict=True))
    marks = ", ".join("?" for _ in columns)
    link.executemany(
        f"INSERT INTO {table} VALUES ({marks})", ([(first | own)[column] for column in columns] for own in rows)
    )
