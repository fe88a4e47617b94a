"""What came and went by the hour, for charts. The cost grows with hours and destinations, never with the store."""

from __future__ import annotations

from collections.abc import Sequence

from store.connection import Connection


def flows(connection: Connection, destinations: Sequence[int], now: float, hours: int) -> dict[int, dict[str, int]]:
    """Return how many deliveries came to each status in each of the last hours (hours since 1970-01-01 UTC).

    Args:
        connection: of the store.
        destinations: their numbers.
        now: seconds since 1970-01-01 UTC.
        hours: so many.
    """
    found: dict[int, dict[str, int]] = {}
    marks = ", ".join("?" * len(destinations))
    for hour, status, n in connection.execute(
        f"SELECT hour, status, sum(n) FROM flow WHERE hour > ? AND destination IN ({marks}) GROUP BY hour, status",  # noqa: S608  # only marks
        (int(now // 3600) - hours, *destinations),
    ):
        found.setdefault(hour, {})[status] = n
    return found
