from __future__ import annotations

import asyncio

import pytest

from messages.lifecycle import Event, ImpossibleTransition, Status
from messages.message import Step
from store import connection as connections
from store import queries, reads
from store.connection import UnsafeStore, connect
from store.high_water import DamagedHighWater, HighWater
from store.schema import migrate
from store.steps import apply_step
from store.store import Store
from store.writer import Unavailable


def test_writes_that_come_together_share_one_commit(store):
    async def story() -> list[int]:
        return await asyncio.gather(*(store.writer.run(lambda tx, n=n: n) for n in range(50)))

    before = store.writer._high_water.mark

    assert asyncio.run(story()) == list(range(50))
    assert store.writer._high_water.mark == before + 1


def test_a_bug_in_one_write_does_not_take_its_neighbours_with_it(store):
    def bad(_tx):
        raise ZeroDivisionError

    async def story():
        good = lambda tx: tx.execute("INSERT INTO writer VALUES ('x', 1)").rowcount  # noqa: E731 - said beside its use
        return await asyncio.gather(store.writer.run(good), store.writer.run(bad), return_exceptions=True)

    results = asyncio.run(story())

    assert results[0] == 1
    assert isinstance(results[1], ZeroDivisionError)
    assert store.connection.execute("SELECT commits FROM writer WHERE name = 'x'").fetchone() == (1,)


def test_the_high_water_mark_follows_every_commit(store, folder):
    store.writer.now(lambda tx: None)
    store.writer.now(lambda tx: None)

    again = HighWater(folder / "high-water-test")

    assert again.mark == store.writer._high_water.mark >= 2
    again.close()


def test_a_store_behind_its_high_water_mark_does_not_start(store, folder):
    store.connection.execute("UPDATE writer SET commits = commits - 1")
    store.writer._high_water.raise_to(store.writer._high_water.mark + 1)

    with pytest.raises(UnsafeStore, match=r"the store has lost commits .* of test"):
        Store(folder, "test")


@pytest.mark.parametrize("slot", [0, 512])
@pytest.mark.parametrize("byte", [0, 8, 12, 19, 20, 511])
def test_a_flipped_bit_in_the_high_water_file_is_reported(tmp_path, slot, byte):
    path = tmp_path / "high-water"
    mark = HighWater(path)
    mark.raise_to(1)
    mark.raise_to(2)
    mark.close()
    data = bytearray(path.read_bytes())
    data[slot + byte] ^= 0x10
    path.write_bytes(data)

    with pytest.raises(DamagedHighWater, match="1 of 2 slots"):
        HighWater(path)


def test_the_store_is_unreadable_without_its_key(store, folder, monkeypatch):
    monkeypatch.setenv(connections.KEY_VARIABLE, "0" * 64)

    with pytest.raises(UnsafeStore, match="cannot be read with this key"):
        connect(folder)


@pytest.mark.parametrize("key", ["", "short", "g" * 64])
def test_a_key_of_another_form_is_refused(folder, monkeypatch, key):
    monkeypatch.setenv(connections.KEY_VARIABLE, key)

    with pytest.raises(UnsafeStore, match="must be 64 hexadecimal digits"):
        connect(folder)


def test_a_store_without_its_key_file_never_gets_a_new_key(store, folder):
    (folder / connections.KEY_FILE).unlink()

    with pytest.raises(UnsafeStore, match="is there, its key is not"):
        connect(folder)


def test_only_its_owner_can_read_the_key(folder):
    assert (folder / connections.KEY_FILE).stat().st_mode & 0o077 == 0


def test_no_patient_value_stands_in_the_files_of_the_store(make_engine, folder):
    engine = make_engine()
    asyncio.run(engine.book(patient="CANARY-CONCEICAO", number=1))

    for path in folder.iterdir():
        assert b"CANARY-CONCEICAO" not in path.read_bytes(), path.name


def test_durability_is_set_and_holds(store):
    settings = {
        name: store.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    }

    assert settings == {"journal_mode": "wal", "synchronous": 2}


def test_an_old_sqlite_is_refused(folder, monkeypatch):
    monkeypatch.setattr(connections, "SQLITE_FLOOR", (99, 0, 0))

    with pytest.raises(UnsafeStore, match="can corrupt a WAL database"):
        connect(folder)


def test_migrating_twice_changes_nothing(folder):
    link = connect(folder)
    before = link.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    migrate(link)
    after = link.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    link.close()

    assert after == before


def test_a_step_from_another_status_changes_nothing(make_engine):
    engine = make_engine()
    asyncio.run(engine.book(patient="p", number=1))
    (delivery,) = engine.store.connection.execute("SELECT id FROM delivery").fetchone()
    stale = Step(delivery=delivery, status=Status.QUEUED, event=Event.CLAIMED)

    assert engine.store.writer.now(lambda tx: apply_step(tx, stale)) is False
    assert engine.statuses() == ["RECEIVED"]


def test_an_impossible_step_is_a_bug_and_changes_nothing(make_engine):
    engine = make_engine()
    asyncio.run(engine.book(patient="p", number=1))
    wrong = Step(delivery=1, status=Status.SENT, event=Event.CLAIMED)

    with pytest.raises(ImpossibleTransition, match="a SENT delivery cannot be claimed"):
        engine.store.writer.now(lambda tx: apply_step(tx, wrong))


def test_a_full_disk_is_unavailable_and_later_works_again(store):
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages + 4}")
    big = lambda tx: tx.execute(queries.INSERT_REFUSAL, (0, "", "", "", "", "", bytes(1 << 20)))  # noqa: E731 - said beside its use

    with pytest.raises(Unavailable, match="full"):
        store.writer.now(big)
    store.connection.execute("PRAGMA max_page_count = 1000000")
    store.writer.now(big)

    assert len(reads.refusals(store.connection)) == 1


HOT = {
    "READY": (queries.READY, (1, 32), ["lane_ready"]),
    "HEAD": (queries.HEAD, (1, 1), ["INTEGER PRIMARY KEY"]),
    "FIRST_UNFINISHED": (queries.FIRST_UNFINISHED, (1,), ["delivery_unfinished"]),
    "FIRST_OPEN": (queries.FIRST_OPEN, (1,), ["delivery_unfinished"]),
    "ARRIVAL_OF_IDENTITY": (queries.ARRIVAL_OF_IDENTITY, (b"",), ["arrival_identity"]),
    "MOVE": (queries.MOVE, ("SENT", 0, None, None, 0, 0, None, 1, "PENDING"), ["INTEGER PRIMARY KEY"]),
    "FIND_BY_VALUE": (queries.FIND_BY_VALUE, ("x", 50), ["PRIMARY KEY (value=?)"]),
    "FIND_BY_CONTROL_ID": (queries.FIND_BY_CONTROL_ID, ("x",), ["outgoing_control_id"]),
    "WAKE_ALL": (queries.WAKE_ALL, (1,), ["lane_waiting"]),
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_uses_its_index_and_scans_no_table(store, name):
    sql, parameters, indexes = HOT[name]
    plan = [row[3] for row in store.connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]

    text = "\n".join(plan)
    for index in indexes:
        assert index in text
    assert not [line for line in plan if line.startswith("SCAN") and "INDEX" not in line], text


def test_a_wrong_statement_is_a_bug_and_not_a_store_that_cannot_be_written(store):
    async def story():
        wrong = lambda tx: tx.execute("SELECT x FROM nowhere")  # noqa: E731 - said beside its use
        return await asyncio.gather(store.writer.run(wrong), store.writer.run(lambda tx: 1), return_exceptions=True)

    wrong, right = asyncio.run(story())

    assert not isinstance(wrong, Unavailable)
    assert "no such table" in str(wrong)
    assert right == 1
