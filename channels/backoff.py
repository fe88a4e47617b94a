"""How long to wait before the next attempt: doubling, bounded, with jitter. Monotonic time only."""

from __future__ import annotations

import random
import time


def wait_before(attempt: int, bounds: tuple[float, float]) -> float:
    """Return seconds to wait before the attempt after number `attempt` (1 is the first), between its bounds.

    Full doubling with a fifth of jitter, so that lanes which failed together do not come back together.
    """
    first, longest = bounds
    wait: float = min(longest, first * 2.0 ** min(attempt - 1, 30))
    return min(longest, wait * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret


class Breaker:
    """Lets one probe through per wait while the destination fails, and everyone while it does not."""

    def __init__(self, bounds: tuple[float, float]) -> None:
        self._bounds = bounds
        self._failures = 0
        self._until = 0.0
        self._probing = False

    @property
    def is_closed(self) -> bool:
        """True while nothing is wrong."""
        return self._failures == 0

    def pause(self) -> float:
        """Return seconds until the caller may try; 0 lets it try now, as the only probe if things are bad."""
        if self._failures == 0:
            return 0.0
        wait = self._until - time.monotonic()
        if wait > 0:
            return wait
        if self._probing:
            return 0.05
        self._probing = True
        return 0.0

    def failed(self) -> float:
        """Note a failure; return seconds until the next probe."""
        self._probing = False
        self._failures += 1
        wait = wait_before(self._failures, self._bounds)
        self._until = time.monotonic() + wait
        return wait

    def gave_up(self) -> None:
        """Note that a probe was not made after all."""
        self._probing = False

    def worked(self) -> None:
        """Note that the destination answered."""
        self._failures = 0
        self._probing = False
