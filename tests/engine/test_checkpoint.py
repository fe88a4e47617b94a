from __future__ import annotations

from store import checkpoint, queries
from store.checkpoint import Checkpointer
from store.connection import STORE_FILE


def test_under_a_steady_load_the_log_does_not_grow_without_end(store, folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0.01)
    monkeypatch.setattr(checkpoint, "WORTH", 200_000)
    monkeypatch.setattr(checkpoint, "LARGE", 1_000_000, raising=False)
    wal = folder / f"{STORE_FILE}-wal"
    most = written = 0

    with Checkpointer(folder):
        for _ in range(1_500):
            store.writer.now(lambda tx: tx.execute(queries.INSERT_REFUSAL, (0, "", "", "", "", "", bytes(40_000))))
            written += 40_000
            most = max(most, wal.stat().st_size)

    assert written == 60_000_000
    assert most < 40_000_000, "without a restart it has all that was written"
