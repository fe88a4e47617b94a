"""Rounds of the doctor: what the last ones found, and since when it is so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from messages.health import Finding, Mark
from store import alerts
from store.connection import Connection
from store.writer import Transaction

#: Rounds that are kept.
KEPT = 200
#: What the alert of a failed check begins with.
ALERT = "doctor."


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round. Times are seconds since 1970-01-01 UTC."""

    at: float
    findings: tuple[Finding, ...]
    #: key of a finding → since when it has this mark.
    since: dict[str, float]


def write_round(tx: Transaction, findings: Sequence[Finding]) -> None:
    """Keep a round; each check that fails is an alert until it does not any more."""
    rows = [dataclasses.asdict(finding) for finding in findings]
    tx.execute("INSERT INTO doctor_round (at, findings) VALUES (?, ?)", (tx.now, orjson.dumps(rows).decode()))
    tx.execute("DELETE FROM doctor_round WHERE number <= (SELECT max(number) FROM doctor_round) - ?", (KEPT,))
    for finding in findings:
        tx.execute(
            "INSERT INTO doctor_mark VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET mark = excluded.mark, "
            "since = CASE mark WHEN excluded.mark THEN since ELSE excluded.since END",
            (finding.key, finding.mark, tx.now),
        )
    known = {row[0] for row in tx.execute("SELECT key FROM alert WHERE closed_at IS NULL")}
    failed = {f"{ALERT}{finding.key}": finding for finding in findings if finding.mark is Mark.FAIL}
    for key, finding in failed.items():
        alerts.open(tx, key, "warning", f"{finding.key}: {finding.found}")
    for key in sorted(known - failed.keys()):
        if key.startswith(ALERT):
            alerts.close(tx, key)


def last_round(connection: Connection) -> Round | None:
    """Return the newest round; None: there was none."""
    row = connection.execute("SELECT at, findings FROM doctor_round ORDER BY number DESC LIMIT 1").fetchone()
    if row is None:
        return None
    findings = tuple(Finding(**{**found, "mark": Mark(found["mark"])}) for found in orjson.loads(row[1]))
    since = dict(connection.execute("SELECT key, since FROM doctor_mark").fetchall())
    return Round(at=row[0], findings=findings, since=since)
