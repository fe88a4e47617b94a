"""The table of follow-up channels: who receives the outcomes of whom, as the running revisions say."""

TABLES = """
-- Outcome (`messages.outcome.WORDS`) of a followed channel, by name, and who receives it at which destinations (JSON).
CREATE TABLE follow (
    outcome TEXT NOT NULL, followed TEXT NOT NULL, channel INTEGER NOT NULL, destinations TEXT NOT NULL,
    PRIMARY KEY (outcome, followed, channel)) WITHOUT ROWID;
"""
