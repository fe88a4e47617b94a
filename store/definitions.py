"""Definitions, such as Questionnaires, that were read from a FHIR server once and are kept."""

from __future__ import annotations

from store.connection import Connection
from store.writer import Transaction


def find(connection: Connection, canonical: str) -> bytes | None:
    """Return the definition with a canonical (`url|version`), as FHIR JSON; None when it was never read."""
    row = connection.execute("SELECT body FROM definition WHERE canonical = ?", (canonical,)).fetchone()
    return None if row is None else row[0]


def keep(tx: Transaction, canonical: str, body: bytes) -> None:
    """Keep a definition that was read."""
    tx.execute("INSERT OR REPLACE INTO definition VALUES (?, ?, ?)", (canonical, body, tx.now))
