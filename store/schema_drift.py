"""The tables of the bookable resources: what each side has, what differs since when, what is to be changed."""

from __future__ import annotations

TABLES = """
-- OmegaAI's resources as they were read last: only what has changed is read again.
CREATE TABLE resource_copy (
    kind TEXT NOT NULL, id TEXT NOT NULL, updated TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, id)) WITHOUT ROWID;
-- How each side was read: when, of what age, how many, and why not.
CREATE TABLE resource_side (
    side TEXT PRIMARY KEY, read_at REAL, whole_at REAL, made_at REAL, source TEXT NOT NULL, count INTEGER,
    failed_at REAL, problem TEXT) WITHOUT ROWID;
-- PowerServer's resources by name, as they were compared last.
CREATE TABLE resource_name (
    facility TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (facility, name)) WITHOUT ROWID;
-- PowerServer's MFN messages that its resources follow from: they outlive the retention of messages.
CREATE TABLE resource_message (
    number INTEGER PRIMARY KEY, channel TEXT NOT NULL, received_at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE comparison (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, omegaai INTEGER NOT NULL, powerserver INTEGER NOT NULL,
    pairs INTEGER NOT NULL, looked_at TEXT NOT NULL, opened INTEGER NOT NULL, cured INTEGER NOT NULL);
-- A drift from the comparison that found it first to the one that did not find it any more.
CREATE TABLE drift (
    number INTEGER PRIMARY KEY, facility TEXT NOT NULL, name TEXT NOT NULL, category TEXT NOT NULL,
    field TEXT NOT NULL, severity TEXT NOT NULL, omegaai TEXT NOT NULL, powerserver TEXT NOT NULL,
    omegaai_normal TEXT NOT NULL, powerserver_normal TEXT NOT NULL, action TEXT NOT NULL, change TEXT,
    omegaai_where TEXT NOT NULL, powerserver_where TEXT NOT NULL,
    first_at REAL NOT NULL, last_at REAL NOT NULL, cured_at REAL);
CREATE UNIQUE INDEX drift_open ON drift (facility, name, category, field) WHERE cured_at IS NULL;
CREATE INDEX drift_cured ON drift (cured_at) WHERE cured_at IS NOT NULL;
CREATE TABLE repair_plan (
    id TEXT PRIMARY KEY, made_at REAL NOT NULL, made_by TEXT NOT NULL, changes TEXT NOT NULL, applied_at REAL,
    applied_by TEXT, results TEXT) WITHOUT ROWID;
"""
