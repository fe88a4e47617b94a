from __future__ import annotations

import asyncio
import os
import random
import shutil

import pytest

from store import health
from store.checkpoint import Checkpointer
from store.connection import UnsafeStore, connect
from store.salvage import salvage
from store.store import Store


@pytest.fixture
def filled(make_engine, folder):
    """A store with 60 messages, all of it in the main file."""
    engine = make_engine()

    async def story() -> None:
        for number in range(60):
            await engine.book(patient=f"p{number}", number=number, note="x" * 3000)

    asyncio.run(story())
    with Checkpointer(folder):
        pass
    engine.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


def _copy(folder, tmp_path, name):
    target = tmp_path / name
    target.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            shutil.copy2(path, target / path.name)
    return target


def test_a_sound_store_is_found_sound(filled):
    assert health.verify(filled) == []


def _flip(path, chance):
    """Flip one bit of a file; return where."""
    place = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))
    return place


#: Bits that are flipped of each file; `make soak` takes more.
FLIPS = int(os.environ.get("FLIPS", "15"))
SEED = 7


def test_every_flipped_bit_of_the_file_is_reported(filled, tmp_path):
    chance = random.Random(SEED)
    for number in range(FLIPS):
        copy = _copy(filled, tmp_path, f"flip{number}")
        place = _flip(copy / "store.db", chance)
        assert health.verify(copy), f"seed {SEED}, flip {number} at {place} was not seen"
        shutil.rmtree(copy)


def test_every_flipped_bit_of_the_write_ahead_log_is_reported(filled, tmp_path, make_engine):
    engine = make_engine()

    async def story() -> None:
        for number in range(100, 140):
            await engine.book(patient=f"p{number}", number=number)

    asyncio.run(story())
    chance = random.Random(SEED)
    assert health.verify(_copy(filled, tmp_path, "sound")) == []
    for number in range(FLIPS):
        copy = _copy(filled, tmp_path, f"flip{number}")
        (copy / "store.db-shm").unlink(missing_ok=True)  # after a power cut there is none
        place = _flip(copy / "store.db-wal", chance)
        assert health.verify(copy), f"seed {SEED}, flip {number} at {place} was not seen"
        shutil.rmtree(copy)


def test_a_store_that_lost_commits_is_refused_with_what_to_do(filled):
    link = connect(filled)
    link.execute("UPDATE writer SET commits = commits - 3")
    with pytest.raises(UnsafeStore, match=r"has lost commits \d+ to \d+ of test.*plugin-host salvage"):
        health.refuse_if_damaged(filled, link)
    link.execute("UPDATE writer SET commits = commits + 3")
    link.close()


def test_what_can_be_read_of_a_damaged_store_is_saved(filled, tmp_path):
    broken = _copy(filled, tmp_path, "broken")
    with (broken / "store.db").open("r+b") as file:
        file.seek(-4096 * 20, 2)
        file.write(b"\0" * 4096)
    target = tmp_path / "saved"
    target.mkdir()
    shutil.copy2(broken / "store.key", target / "store.key")

    result = {entry.table: entry for entry in salvage(broken, target)}

    assert health.verify(broken)
    assert health.verify(target) == []
    lost = sum(60 - result[table].saved for table in ("arrival", "message", "delivery"))
    assert 0 <= lost < 60
    saved = Store(target, "test")
    assert len(saved.connection.execute("SELECT number FROM arrival").fetchall()) == result["arrival"].saved
    saved.close()


def test_salvage_never_writes_over_a_store(filled, tmp_path):
    with pytest.raises(FileExistsError):
        salvage(filled, filled)
