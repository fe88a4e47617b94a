"""The table of alerts: what needs a person until it is over."""

from __future__ import annotations

TABLES = """
-- One row from the opening of an alert to its closing; `times` counts how often it was found anew meanwhile.
CREATE TABLE alert (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL,
    opened_at REAL NOT NULL, last_at REAL NOT NULL, times INTEGER NOT NULL, closed_at REAL,
    told_opened_at REAL, told_closed_at REAL);
CREATE UNIQUE INDEX alert_open ON alert (key) WHERE closed_at IS NULL;
CREATE INDEX alert_untold ON alert (number) WHERE told_opened_at IS NULL OR told_closed_at IS NULL;
"""
