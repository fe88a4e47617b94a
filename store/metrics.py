"""What machines watch: sums and times by channel and destination. Names and numbers, never a value of a message."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from messages.lifecycle import SHARES
from store.connection import Connection
from store.queries import DESTINATIONS

_FLOWS = """
    SELECT destination, status, sum(n), max(hour) FROM flow WHERE hour >= ? AND hour < ? GROUP BY destination, status"""

_DELIVERED = ", ".join(f"'{status}'" for status in sorted(SHARES["delivered"]))
#: The newest messages of a channel are looked at, so that the cost does not grow with the store.
_LAST_DELIVERED = f"""
    SELECT max(d.changed_at) FROM delivery d WHERE d.status IN ({_DELIVERED}) AND d.id IN (
        SELECT number * {DESTINATIONS} + ? FROM message WHERE channel = ? ORDER BY number DESC LIMIT 20)"""  # noqa: S608  # our own words

_FAR = 1 << 40


@dataclass(slots=True)
class Totals:
    """Deliveries that came to each status since the store began, by (destination, status).

    Hours that are over are added up once in a process; what is read anew is the last two.
    """

    #: Hours (since 1970-01-01 UTC) before this one are in `_settled`.
    _until: int = 0
    _settled: Counter[tuple[int, str]] = field(default_factory=Counter)
    _last: dict[tuple[int, str], int] = field(default_factory=dict)

    def read(self, connection: Connection, now: float) -> Counter[tuple[int, str]]:
        """Return the sums as of now (seconds since 1970-01-01 UTC); they never fall."""
        over = int(now // 3600) - 1
        if over > self._until:
            self._settled += self._between(connection, self._until, over)
            self._until = over
        return self._settled + self._between(connection, self._until, _FAR)

    def last_hour(self, destination: int) -> float | None:
        """Return the start of the hour in which something was last delivered; None: nothing was, or nothing is read."""
        hours = [self._last[key] for status in SHARES["delivered"] if (key := (destination, status)) in self._last]
        return max(hours) * 3600.0 if hours else None

    def _between(self, connection: Connection, first: int, end: int) -> Counter[tuple[int, str]]:
        found: Counter[tuple[int, str]] = Counter()
        for destination, status, n, hour in connection.execute(_FLOWS, (first, end)):
            found[destination, status] = n
            self._last[destination, status] = hour
        return found


def last_delivered(connection: Connection, channel: int, ordinal: int) -> float | None:
    """Return when one of a destination's newest deliveries was delivered; None: none of the newest 20 was."""
    at: float | None = connection.execute(_LAST_DELIVERED, (ordinal, channel)).fetchone()[0]
    return at


def refusals(connection: Connection) -> int:
    """Return how many arrivals the doors have refused since the store began."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'refusal'").fetchone()
    return int(row[0]) if row else 0
