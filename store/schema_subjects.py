"""The tables of subjects: what the rules of a kind of channel remember about an appointment, a form, a study."""

TABLES = """
-- What is remembered now; version counts the changes.
CREATE TABLE subject (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, version INTEGER NOT NULL, changed_at REAL NOT NULL,
    keep_until REAL NOT NULL, memory TEXT NOT NULL);
CREATE INDEX subject_changed ON subject (changed_at);
-- Fingerprints of what it is known by: a placer's number, a filler's number.
CREATE TABLE subject_key (
    kind TEXT NOT NULL, key BLOB NOT NULL, subject INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE INDEX subject_key_subject ON subject_key (subject);
-- What happened to it, and what was remembered then; append-only.
CREATE TABLE subject_history (
    subject INTEGER NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, delivery INTEGER NOT NULL,
    event TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (subject, number)) WITHOUT ROWID;
CREATE INDEX subject_history_delivery ON subject_history (delivery);
"""
