"""What people search for, kept in memory: an address holds an opaque id, never a patient's value."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict

#: Seconds for which a search can be opened again.
KEPT_FOR = 15 * 60.0
#: Searches kept at once; the oldest goes first.
AT_MOST = 500


class Searches:
    """Searches by their ids; an id is good for the session that made it."""

    def __init__(self, kept_for: float = KEPT_FOR) -> None:
        self._kept_for = kept_for
        self._searches: OrderedDict[str, tuple[float, str, str]] = OrderedDict()
        self._turn = threading.Lock()

    def keep(self, session: str, query: str) -> str:
        """Return a new id for the query."""
        identifier = secrets.token_urlsafe(16)
        with self._turn:
            self._forget()
            self._searches[identifier] = (time.monotonic() + self._kept_for, session, query)
        return identifier

    def query(self, session: str, identifier: str) -> str | None:
        """Return the query of an id; None when it is unknown, too old, or of another session."""
        with self._turn:
            self._forget()
            _, owner, query = self._searches.get(identifier, (0.0, None, None))
        return query if owner == session else None

    def _forget(self) -> None:
        now = time.monotonic()
        while self._searches:
            expires, _, _ = next(iter(self._searches.values()))
            if expires > now and len(self._searches) < AT_MOST:
                return
            self._searches.popitem(last=False)
