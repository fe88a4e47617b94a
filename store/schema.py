"""The tables, and the steps from one version of them to the next.

Times are seconds since 1970-01-01 UTC. Ids of deliveries grow with acceptance: `message.number * 16 + n` for
the n-th destination of the channel, so that the order of a lane is the order of its ids and the deliveries of
a message are a range.
"""

from __future__ import annotations

from typing import Any

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from store import (
    schema_accounts,
    schema_alerts,
    schema_audit,
    schema_definitions,
    schema_dicom,
    schema_doctor,
    schema_drift,
    schema_follow,
    schema_jobs,
    schema_subjects,
)

migrations = Migrations("plugin-host")

_FIRST = """
-- What came through a door, once, with the answer it was given.
CREATE TABLE arrival (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, door TEXT NOT NULL, peer TEXT NOT NULL,
    identity BLOB NOT NULL, digest BLOB NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL,
    answer_status INTEGER NOT NULL, answer_headers TEXT NOT NULL, answer_body BLOB NOT NULL,
    first_message INTEGER NOT NULL, messages INTEGER NOT NULL);
CREATE UNIQUE INDEX arrival_identity ON arrival (identity);
-- What was made of it: one row for each thing that a channel takes from an arrival.
CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, arrival INTEGER NOT NULL, channel INTEGER NOT NULL,
    revision TEXT NOT NULL, received_at REAL NOT NULL, focus INTEGER, about BLOB, searchable TEXT NOT NULL);
CREATE UNIQUE INDEX message_id ON message (id);
CREATE INDEX message_channel ON message (channel, number);
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY, destination INTEGER NOT NULL, lane INTEGER NOT NULL, status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0, changed_at REAL NOT NULL,
    action TEXT, reason TEXT, next_at REAL);
CREATE INDEX delivery_unfinished ON delivery (lane, id)
    WHERE status IN ('RECEIVED', 'TRANSFORMED', 'QUEUED', 'PENDING', 'ERROR');
CREATE INDEX delivery_parked ON delivery (destination, id) WHERE status = 'ERROR';
CREATE TABLE outgoing (delivery INTEGER PRIMARY KEY, control_id TEXT NOT NULL, encoded BLOB NOT NULL);
CREATE INDEX outgoing_control_id ON outgoing (control_id);
-- The timeline; append-only. Of a mapping also the revision that did it, and what %known was.
CREATE TABLE event (
    delivery INTEGER NOT NULL, at REAL NOT NULL, event TEXT NOT NULL, status TEXT NOT NULL,
    reason TEXT, done_by TEXT, response BLOB, revision TEXT, known INTEGER,
    PRIMARY KEY (delivery, at, event)) WITHOUT ROWID;
CREATE TABLE lane (
    id INTEGER PRIMARY KEY, destination INTEGER NOT NULL, key BLOB NOT NULL, state INTEGER NOT NULL,
    head INTEGER);
CREATE UNIQUE INDEX lane_key ON lane (destination, key);
CREATE INDEX lane_ready ON lane (destination, head) WHERE state = 1;
CREATE INDEX lane_waiting ON lane (head) WHERE state = 2;
-- Codes of messages that a table of a channel has no row for, and the parked deliveries that wait for one.
CREATE TABLE unmapped (
    number INTEGER PRIMARY KEY, channel INTEGER NOT NULL, table_name TEXT NOT NULL, code TEXT NOT NULL,
    times INTEGER NOT NULL, first_at REAL NOT NULL, last_at REAL NOT NULL, UNIQUE (channel, table_name, code));
CREATE TABLE unmapped_delivery (
    delivery INTEGER NOT NULL, unmapped INTEGER NOT NULL, PRIMARY KEY (delivery, unmapped)) WITHOUT ROWID;
CREATE INDEX unmapped_delivery_unmapped ON unmapped_delivery (unmapped);
-- What a destination has accepted a message about: `%known`.
CREATE TABLE known (
    destination INTEGER NOT NULL, about BLOB NOT NULL, delivery INTEGER NOT NULL,
    PRIMARY KEY (destination, about)) WITHOUT ROWID;
CREATE TABLE search (
    value TEXT NOT NULL, name TEXT NOT NULL, message INTEGER NOT NULL,
    PRIMARY KEY (value, message, name)) WITHOUT ROWID;
-- Refused at the door: answered, stored, counted, shown.
CREATE TABLE refusal (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, door TEXT NOT NULL, peer TEXT NOT NULL,
    code TEXT NOT NULL, reason TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE channel (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, title TEXT NOT NULL, revision TEXT,
    state TEXT NOT NULL, changed_at REAL NOT NULL, changed_by TEXT, reason TEXT, problem TEXT);
CREATE TABLE destination (
    number INTEGER PRIMARY KEY, channel INTEGER NOT NULL, name TEXT NOT NULL, ordinal INTEGER NOT NULL,
    blocks INTEGER NOT NULL DEFAULT 1, connection TEXT NOT NULL DEFAULT 'idle',
    connection_since REAL, connection_reason TEXT,
    UNIQUE (channel, name));
CREATE TABLE revision (
    channel INTEGER NOT NULL, revision TEXT NOT NULL, made_at REAL NOT NULL, source TEXT NOT NULL, plan TEXT NOT NULL,
    PRIMARY KEY (channel, revision)) WITHOUT ROWID;
-- Which revision ran since when, and who chose it; append-only.
CREATE TABLE deployment (
    number INTEGER PRIMARY KEY, channel INTEGER NOT NULL, at REAL NOT NULL, revision TEXT NOT NULL,
    how TEXT NOT NULL, done_by TEXT, reason TEXT, on_disk TEXT);
CREATE INDEX deployment_channel ON deployment (channel, number);
-- How many deliveries stand where, kept in the transaction that moves them.
CREATE TABLE level (
    destination INTEGER NOT NULL, status TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (destination, status)) WITHOUT ROWID;
-- How many came to each status in each hour (hours since 1970-01-01 UTC).
CREATE TABLE flow (
    hour INTEGER NOT NULL, destination INTEGER NOT NULL, status TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (hour, destination, status)) WITHOUT ROWID;
CREATE TABLE writer (name TEXT PRIMARY KEY, commits INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE process (
    role TEXT PRIMARY KEY, pid INTEGER NOT NULL, bell INTEGER, doors TEXT NOT NULL, started_at REAL NOT NULL,
    beat_at REAL NOT NULL) WITHOUT ROWID;
"""


#: The tables of features, each in a file of its own.
_FEATURES = (
    schema_accounts.TABLES, schema_alerts.TABLES, schema_audit.TABLES, schema_definitions.TABLES,
    schema_dicom.TABLES, schema_doctor.TABLES, schema_drift.TABLES, schema_follow.TABLES,
    schema_jobs.TABLES, schema_subjects.TABLES,
)  # fmt: skip


@migrations()
def first(db: Database) -> None:
    """Version 1."""
    for tables in (_FIRST, *_FEATURES):
        for statement in tables.split(";\n"):
            if statement.strip():
                db.execute(statement)


def migrate(connection: Any) -> None:
    """Bring the tables to the newest version; each step is one transaction."""
    migrations.apply(Database(connection))
