"""The verify process: reads the whole store after it was not left in order, while the channels move."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from host.roles import Assignment
from store import health

log = logging.getLogger(__name__)


def run(assignment: Assignment) -> None:
    """Say what is wrong with the store; end with 1 when something is."""
    found = health.verify(Path(assignment.data))
    for finding in found:
        log.critical("the store is damaged", extra={"error": finding})
    log.info("the store was verified", extra={"count": len(found)})
    sys.exit(1 if found else 0)
