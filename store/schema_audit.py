"""The tables of the audit trail. Lines are added and never changed: the triggers hold it, the chain shows it."""

TABLES = """
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, address TEXT NOT NULL, what TEXT NOT NULL,
    entity TEXT NOT NULL, outcome INTEGER NOT NULL, detail TEXT NOT NULL, chain BLOB NOT NULL);
CREATE INDEX audit_entity ON audit (entity, number);
CREATE INDEX audit_who ON audit (who, number);
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
-- How far the trail was told to a receiver outside (a syslog server, a FHIR server).
CREATE TABLE audit_sink (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
