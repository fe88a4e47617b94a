"""What of jobs is forgotten, and what never is."""

from __future__ import annotations

import time

import pytest

from channels.job_starter import begin, new_job
from messages.identity import message_id
from messages.job_states import State
from store import audit, job_parts, job_results, job_retention, jobs
from store.job_parts import JobInstance, Recipient
from tests.share import kit

TABLES = ("job", "job_event", "job_study", "job_instance", "job_result", "job_recipient", "commitment")


def old_job(store, state, *, access="revoked", kind="study-share", days=31.0):
    """Write a job with all its parts that came to a state so many days ago."""
    new = new_job(kind, kind, "jobs", kit.task("1.2.3"), message_id())

    def work(tx):
        number = begin(tx, new, by="test")[0]
        job_parts.choose(tx, number, {"1.2.3": "ps"})
        job_parts.expect(tx, number, [JobInstance(sop_instance="1.2", sop_class="1", series="1", study="1.2.3",
                                                  station="ps")])  # fmt: skip
        job_results.expect(tx, number, ["Observation/1"])
        job_parts.address(tx, number, [("email", "bo@example.org")])
        job_parts.settle(tx, number, Recipient(number=1, kind="email", address="", state=access))
        job_parts.ask(tx, f"2.25.{number}", number)
        tx.execute("UPDATE job SET state = ?, changed_at = ?, next_at = NULL WHERE number = ?",
                   (state, time.time() - days * 86400, number))  # fmt: skip
        return number

    return store.writer.now(work)


def forget(store, most=job_retention.BATCH):
    before = time.time() - 30 * 86400
    return store.writer.now(lambda tx: job_retention.forget(tx, before, most))


def rows(store):
    return {table: store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


@pytest.mark.parametrize("state", [State.ARRIVED, State.EXPIRED, State.REVOKED, State.CANCELLED])
def test_what_has_ended_is_forgotten_with_all_its_parts_and_stays_in_the_audit_trail(store, state):
    number = old_job(store, state)

    assert forget(store) == 1
    assert set(rows(store).values()) == {0}
    assert [entry.what for entry in audit.entries(store.connection, entity=f"job:{number}")] == ["share-requested"]
    assert audit.verify(store.connection).broken_at is None


@pytest.mark.parametrize("state", sorted(set(State) - {State.ARRIVED, State.EXPIRED, State.REVOKED, State.CANCELLED}))
def test_what_is_open_has_failed_or_gives_access_is_never_forgotten(store, state):
    number = old_job(store, state, days=4000)
    before = rows(store)

    assert forget(store) == 0
    assert rows(store) == before
    assert jobs.get(store.connection, number) is not None


@pytest.mark.parametrize("access", ["asked", "shared"])
def test_a_share_that_has_ended_stays_until_nobody_has_access(store, access):
    number = old_job(store, State.REVOKED, access=access)
    assert forget(store) == 0

    store.writer.now(
        lambda tx: job_parts.settle(tx, number, Recipient(number=1, kind="email", address="", state="revoked"))
    )
    assert forget(store) == 1


def test_what_ended_within_the_time_stays_and_old_ones_go_in_batches(store):
    old_job(store, State.ARRIVED, days=29)
    for _ in range(5):
        old_job(store, State.ARRIVED)

    assert [forget(store, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert rows(store)["job"] == 1
