"""What a job is about: its instances, each accounted for; its recipients; and its requests for storage commitment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from store.connection import Connection
from store.writer import Transaction

#: How far an instance is. `arrived`: the target named it; `committed`: the target took it into its safe keeping.
INSTANCE_STATES = ("expected", "sent", "refused", "ignored", "arrived", "committed")
#: The target has it: it is not sent again.
PROVEN = frozenset({"arrived", "committed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInstance:
    """An instance that a job is about."""

    sop_instance: str
    sop_class: str
    series: str
    study: str
    #: Name of the station that it is taken from.
    station: str
    state: str = "expected"
    attempts: int = 0
    #: Why it was refused or is ignored; no value of a data set.
    reason: str | None = None


def choose(tx: Transaction, job: int, studies: Mapping[str, str]) -> None:
    """Write the studies that a job has chosen: Study Instance UID → name of its station."""
    tx.executemany(
        "INSERT INTO job_study VALUES (?, ?, ?) ON CONFLICT (job, study) DO UPDATE SET station = excluded.station",
        [(job, study, station) for study, station in studies.items()],
    )


def chosen(connection: Connection, job: int) -> dict[str, str]:
    """Return the studies that a job has chosen: Study Instance UID → name of its station."""
    return dict(connection.execute("SELECT study, station FROM job_study WHERE job = ?", (job,)).fetchall())


def expect(tx: Transaction, job: int, instances: Iterable[JobInstance]) -> None:
    """Write the instances that a job is about; those that it has already keep what is known of them."""
    tx.executemany(
        "INSERT INTO job_instance VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (job, sop_instance) DO NOTHING",
        [(job, i.sop_instance, i.sop_class, i.series, i.study, i.station, i.state, i.reason) for i in instances],
    )


def classify(tx: Transaction, job: int, classes: Mapping[str, str]) -> None:
    """Note the SOP classes of instances that had none: SOP Instance UID → SOP Class UID."""
    tx.executemany(
        "UPDATE job_instance SET sop_class = ? WHERE job = ? AND sop_instance = ? AND sop_class = ''",
        [(of, job, uid) for uid, of in classes.items() if of],
    )


def mark(tx: Transaction, job: int, instances: Iterable[str], state: str, reason: str | None = None) -> int:
    """Note how far instances are; return how many have changed. What is committed stays so; `ignored` does, too."""
    changed = 0
    for uid in instances:
        changed += tx.execute(
            "UPDATE job_instance SET state = ?1, reason = ?2, attempts = attempts + (?1 = 'sent') "
            "WHERE job = ?3 AND sop_instance = ?4 AND state NOT IN ('committed', 'ignored')",
            (state, reason, job, uid),
        ).rowcount
    return changed


def miss(tx: Transaction, job: int, instances: Iterable[str]) -> None:
    """Note that the target does not have instances: they are expected again, whatever was thought of them."""
    tx.executemany(
        "UPDATE job_instance SET state = 'expected' WHERE job = ? AND sop_instance = ? AND state != 'ignored'",
        [(job, uid) for uid in instances],
    )


def instances(connection: Connection, job: int) -> list[JobInstance]:
    """Return all instances of a job, by study and series."""
    rows = connection.execute(
        "SELECT sop_instance, sop_class, series, study, station, state, attempts, reason FROM job_instance "
        "WHERE job = ? ORDER BY study, series, sop_instance",
        (job,),
    )
    return [
        JobInstance(
            sop_instance=uid,
            sop_class=of,
            series=series,
            study=study,
            station=station,
            state=state,
            attempts=n,
            reason=reason,
        )
        for uid, of, series, study, station, state, n, reason in rows
    ]


def tally(connection: Connection, job: int) -> dict[str, int]:
    """Return how many instances of a job are how far."""
    rows = connection.execute("SELECT state, count(*) FROM job_instance WHERE job = ? GROUP BY state", (job,))
    return dict(rows.fetchall())


# -- recipients -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One to whom a study is shared, and what came of it."""

    number: int
    #: email, provider, organization, patient or link.
    kind: str
    #: Address, or identifier of provider or organization; of the request, never in a log.
    address: str = field(repr=False)
    #: waiting, asked (it may have been done), shared, refused, revoked.
    state: str = "waiting"
    reason: str | None = None
    #: Id of the share at OmegaAI.
    share: str | None = None
    #: The link that was given; holds no identifier.
    link: str | None = None
    changed_at: float = 0.0


def address(tx: Transaction, job: int, recipients: Sequence[tuple[str, str]]) -> None:
    """Write the recipients of a job, (kind, address) each; those that it has already stay as they are."""
    tx.executemany(
        "INSERT INTO job_recipient VALUES (?, ?, ?, ?, 'waiting', NULL, NULL, NULL, ?) "
        "ON CONFLICT (job, number) DO NOTHING",
        [(job, number, kind, to, tx.now) for number, (kind, to) in enumerate(recipients, 1)],
    )


def settle(tx: Transaction, job: int, recipient: Recipient) -> None:
    """Note what came of a recipient."""
    tx.execute(
        "UPDATE job_recipient SET state = ?, reason = ?, share = ?, link = ?, changed_at = ? "
        "WHERE job = ? AND number = ?",
        (recipient.state, recipient.reason, recipient.share, recipient.link, tx.now, job, recipient.number),
    )


def recipients(connection: Connection, job: int) -> list[Recipient]:
    """Return the recipients of a job."""
    rows = connection.execute(
        "SELECT number, kind, address, state, reason, share, link, changed_at FROM job_recipient WHERE job = ? "
        "ORDER BY number",
        (job,),
    )
    return [
        Recipient(
            number=number, kind=kind, address=to, state=state, reason=reason, share=share, link=link, changed_at=at
        )
        for number, kind, to, state, reason, share, link, at in rows
    ]


def ask_again(tx: Transaction, job: int) -> None:
    """Let recipients who were refused be asked again."""
    tx.execute("UPDATE job_recipient SET state = 'waiting', reason = NULL WHERE job = ? AND state = 'refused'", (job,))


# -- storage commitment ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A request for storage commitment, and its report. Times are seconds since 1970-01-01 UTC."""

    transaction_uid: str
    #: None: a report came for a transaction that nobody here asked for.
    job: int | None
    asked_at: float | None
    reported_at: float | None
    committed: int | None
    failed: int | None
    #: Why no report is waited for: the archive refused, or took too long.
    ended: str | None


def end(tx: Transaction, transaction_uid: str, why: str) -> None:
    """Wait for a report no longer; one that comes later still counts."""
    tx.execute("UPDATE commitment SET ended = ? WHERE transaction_uid = ?", (why, transaction_uid))


def ask(tx: Transaction, transaction_uid: str, job: int) -> None:
    """Write a request for storage commitment, before it is asked: the report may come before the answer."""
    tx.execute(
        "INSERT INTO commitment (transaction_uid, job, asked_at) VALUES (?, ?, ?)", (transaction_uid, job, tx.now)
    )


def report(  # noqa: PLR0913  # what a report says
    tx: Transaction,
    transaction_uid: str,
    committed: Sequence[str],
    failed: Mapping[str, str],
    *,
    ae_title: str,
    peer: str,
) -> int | None:
    """Write a report and what it says of each instance; return the job that it is for, None for nobody's.

    Args:
        tx: The transaction.
        transaction_uid: Of the report.
        committed: SOP Instance UIDs in safe keeping.
        failed: SOP Instance UID → reason.
        ae_title: By which the archive called itself.
        peer: Its address.
    """
    row = tx.execute(
        "INSERT INTO commitment (transaction_uid, reported_at, ae_title, peer, committed, failed) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (transaction_uid) DO UPDATE SET reported_at = excluded.reported_at, "
        "ae_title = excluded.ae_title, peer = excluded.peer, committed = excluded.committed, failed = excluded.failed "
        "RETURNING job",
        (transaction_uid, tx.now, ae_title, peer, len(committed), len(failed)),
    ).fetchone()
    if row[0] is None:
        return None
    job = int(row[0])
    mark(tx, job, committed, "committed")
    for uid, reason in failed.items():
        mark(tx, job, [uid], "refused", f"storage commitment: {reason}")
    # Whoever waits for the report looks at once.
    tx.execute("UPDATE job SET next_at = ? WHERE number = ? AND state = 'VERIFYING'", (tx.now, job))
    return job


def commitments(connection: Connection, job: int) -> list[Commitment]:
    """Return the requests for storage commitment of a job, oldest first."""
    rows = connection.execute(
        "SELECT transaction_uid, job, asked_at, reported_at, committed, failed, ended FROM commitment WHERE job = ? "
        "ORDER BY asked_at, transaction_uid",
        (job,),
    )
    return [
        Commitment(
            transaction_uid=uid,
            job=of,
            asked_at=asked,
            reported_at=reported,
            committed=committed,
            failed=failed,
            ended=ended,
        )
        for uid, of, asked, reported, committed, failed, ended in rows
    ]
