"""The tables of the doctor: its last round, and when each finding began."""

from __future__ import annotations

TABLES = """
CREATE TABLE doctor_round (number INTEGER PRIMARY KEY, at REAL NOT NULL, findings TEXT NOT NULL);
-- Since when a check has come to the same mark.
CREATE TABLE doctor_mark (key TEXT PRIMARY KEY, mark TEXT NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
"""
