"""The tables of jobs: what they are about, where they stand, what was proven, and who was given access."""

TABLES = """
-- Work that takes longer than an answer. `request` is what was asked for: of the message, never in logs or addresses.
CREATE TABLE job (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, identity BLOB NOT NULL, reference TEXT NOT NULL,
    channel TEXT NOT NULL, destination TEXT NOT NULL, message TEXT, request TEXT NOT NULL, state TEXT NOT NULL,
    created_at REAL NOT NULL, changed_at REAL NOT NULL, next_at REAL, expires_at REAL, attempts INTEGER NOT NULL,
    reason_code TEXT, reason TEXT, progress TEXT NOT NULL, proof TEXT, told TEXT);
CREATE UNIQUE INDEX job_identity ON job (identity);
CREATE UNIQUE INDEX job_reference ON job (reference);
CREATE INDEX job_due ON job (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX job_expires ON job (expires_at) WHERE state = 'SHARED';
CREATE INDEX job_untold ON job (number) WHERE told IS NOT state;
CREATE INDEX job_kind ON job (kind, number);
-- The timeline; append-only.
CREATE TABLE job_event (
    job INTEGER NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, event TEXT NOT NULL, state TEXT NOT NULL,
    code TEXT, reason TEXT, done_by TEXT, PRIMARY KEY (job, number)) WITHOUT ROWID;
-- The studies that a job has chosen, and the station that each is taken from.
CREATE TABLE job_study (
    job INTEGER NOT NULL, study TEXT NOT NULL, station TEXT NOT NULL, PRIMARY KEY (job, study)) WITHOUT ROWID;
-- Every instance that a job is about, and how far it is: expected, sent, refused, ignored, arrived, committed.
CREATE TABLE job_instance (
    job INTEGER NOT NULL, sop_instance TEXT NOT NULL, sop_class TEXT NOT NULL, series TEXT NOT NULL,
    study TEXT NOT NULL, station TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, reason TEXT,
    PRIMARY KEY (job, sop_instance)) WITHOUT ROWID;
-- Laboratory results that a job is about, by OmegaAI's name of the resource; states: `store.job_results`.
CREATE TABLE job_result (
    job INTEGER NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, message TEXT, reason TEXT,
    PRIMARY KEY (job, name)) WITHOUT ROWID;
CREATE TABLE job_recipient (
    job INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT, share TEXT, link TEXT, changed_at REAL NOT NULL, PRIMARY KEY (job, number)) WITHOUT ROWID;
CREATE INDEX job_recipient_access ON job_recipient (job) WHERE state IN ('asked', 'shared');
-- Requests for storage commitment, written before they are asked; and the reports, of those and of others.
CREATE TABLE commitment (
    transaction_uid TEXT PRIMARY KEY, job INTEGER, asked_at REAL, reported_at REAL, ae_title TEXT, peer TEXT,
    committed INTEGER, failed INTEGER, ended TEXT) WITHOUT ROWID;
CREATE INDEX commitment_job ON commitment (job);
"""
