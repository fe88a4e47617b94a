"""The first page costs the same however full the store is."""

from __future__ import annotations

import re
import shutil
import time

import pytest

from channels.control import Control
from console.app import create_app
from messages.identity import message_id
from store.store import Store

from .conftest import Site

STORED = 100_000

#: Tables that grow with the traffic.
GROWING = "arrival|message|delivery|event|outgoing|lane|search|refusal|known"


@pytest.fixture(scope="module")
def full(filled, tmp_path_factory):
    """A client of the site with so many delivered messages more, put in at once; it only reads."""
    folder = tmp_path_factory.mktemp("full") / "data"
    shutil.copytree(filled[0], folder)
    store = Store(folder, "console")
    site, connection = Site(folder, store), store.connection
    channel = site.channel("blume-appointment")
    (line,) = channel.destinations
    first = connection.execute("SELECT max(number) + 1 FROM message").fetchone()[0]
    numbers = range(first, first + STORED)
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO message VALUES (?, ?, 1, ?, 'a1b2c3', ?, NULL, NULL, '{}')",
        ((n, message_id(), channel.number, 1.7e9 + n) for n in numbers),
    )
    connection.executemany(
        "INSERT INTO delivery (id, destination, lane, status, changed_at) VALUES (?, ?, ?, 'SENT', ?)",
        ((n * 16 + line.ordinal, line.number, n % 20_000, 1.7e9 + n) for n in numbers),
    )
    connection.execute("UPDATE level SET n = n + ? WHERE destination = ? AND status = 'SENT'", (STORED, line.number))
    connection.execute("COMMIT")
    app = create_app(folder, Control(store, site.ring), name="Clinic 01", open_to_all=True)
    yield app.test_client()
    app.extensions["desk"].reader.close()
    store.close()


def fastest(client, address: str) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        assert client.get(address).status_code == 200
        times.append(time.perf_counter() - begin)
    return min(times)


@pytest.mark.parametrize(
    "address",
    ["/", "/messages", "/messages?channel=blume-appointment&status=parked", "/messages?status=pending"],
)
def test_with_a_hundred_thousand_messages_a_page_is_there_in_a_tenth_of_a_second(full, address):
    assert fastest(full, address) < 0.1


def test_the_rarest_status_is_looked_for_in_steps_that_end(full):
    assert fastest(full, "/messages?channel=blume-appointment&status=cancelled") < 0.5


@pytest.mark.parametrize(
    "address", ["/", "/channels.json", "/messages?status=parked", "/messages?channel=study-share", "/health/ready"]
)
def test_no_statement_of_a_page_reads_a_whole_table_that_grows(site, app, client, address):
    connection = app.extensions["desk"].reader._connection
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    client.get(address)
    connection.set_trace_callback(None)
    reads = [statement for statement in statements if statement.lstrip().startswith("SELECT")]
    plans = {read: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {read}")] for read in reads}

    assert reads
    for read, plan in plans.items():
        for step in plan:
            assert not re.match(rf"SCAN (\w+ AS )?({GROWING}|[a-z])$", step) or re.search(r"LIMIT \d+", read), (
                read,
                plan,
            )
