"""The tables of the status page: local accounts, tries to sign in, when a pause ends."""

TABLES = """
-- Who may sign in with a password; none until `plugin-host user add`.
CREATE TABLE account (
    name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, bodies INTEGER NOT NULL DEFAULT 0,
    break_glass INTEGER NOT NULL DEFAULT 0, must_change INTEGER NOT NULL DEFAULT 1, disabled INTEGER NOT NULL DEFAULT 0,
    totp BLOB, totp_used INTEGER NOT NULL DEFAULT 0, stamp INTEGER NOT NULL DEFAULT 0,
    made_at REAL NOT NULL, signed_in_at REAL) WITHOUT ROWID;
-- Tries to sign in that failed; forgotten when the time in which they count is over.
CREATE TABLE failed_sign_in (number INTEGER PRIMARY KEY, at REAL NOT NULL, name BLOB NOT NULL, address TEXT NOT NULL);
CREATE INDEX failed_sign_in_address ON failed_sign_in (address, at);
-- When the pause of a channel ends by itself.
CREATE TABLE pause_end (channel TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
"""
