"""The tables of what came to our DICOM listener."""

TABLES = """
-- One row for each data set that was answered 0000H; its bytes lie in `file`, beside the store.
CREATE TABLE dicom_instance (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, sop_class_uid TEXT NOT NULL,
    sop_instance_uid TEXT NOT NULL, study_uid TEXT NOT NULL, series_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL, digest BLOB NOT NULL, file TEXT NOT NULL, offset INTEGER NOT NULL,
    bytes INTEGER NOT NULL, ae_title TEXT NOT NULL, peer TEXT NOT NULL);
CREATE UNIQUE INDEX dicom_instance_data ON dicom_instance (sop_instance_uid, digest);
CREATE INDEX dicom_instance_study ON dicom_instance (study_uid);
CREATE INDEX dicom_instance_at ON dicom_instance (at);
-- How often callers were not let in, by reason; the last of each, by its address.
CREATE TABLE dicom_turned_away (
    why TEXT PRIMARY KEY, times INTEGER NOT NULL, last_at REAL NOT NULL, last_peer TEXT NOT NULL) WITHOUT ROWID;
"""
