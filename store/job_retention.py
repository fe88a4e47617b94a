"""Forgetting jobs that have ended, by the site's retention. What is open, has failed or still gives access stays.

A job that has failed waits for a person, as a parked message does; a share is over when its time is, or a person ends
it, and nobody has access any more. The audit trail keeps its lines.
"""

from __future__ import annotations

from store.writer import Transaction

#: Jobs that one transaction forgets: each has a row for every instance.
BATCH = 20

OVER = """
    SELECT number FROM job j
    WHERE state IN ('ARRIVED', 'EXPIRED', 'REVOKED', 'CANCELLED') AND changed_at < ?
        AND NOT EXISTS (SELECT 1 FROM job_recipient r WHERE r.job = j.number AND r.state IN ('asked', 'shared'))
    LIMIT ?"""

_PARTS = ("job_event", "job_study", "job_instance", "job_result", "job_recipient", "commitment")


def forget(tx: Transaction, before: float, most: int = BATCH) -> int:
    """Forget a batch of jobs that ended before a time (seconds since 1970 UTC); return how many."""
    rows = tx.execute(OVER, (before, most)).fetchall()
    for part in _PARTS:
        tx.executemany(f"DELETE FROM {part} WHERE job = ?", rows)  # noqa: S608  # our own tables
    tx.executemany("DELETE FROM job WHERE number = ?", rows)
    # Reports of transactions that nobody here asked for.
    tx.execute("DELETE FROM commitment WHERE job IS NULL AND reported_at < ?", (before,))
    return len(rows)
