"""The table of definitions that were read from a FHIR server."""

from __future__ import annotations

TABLES = """
-- By canonical, `url|version`: a definition that changes gets another version. No patient data.
CREATE TABLE definition (canonical TEXT PRIMARY KEY, body BLOB NOT NULL, read_at REAL NOT NULL) WITHOUT ROWID;
"""
