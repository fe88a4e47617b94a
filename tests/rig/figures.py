"""What a trial measured, and whether that is good enough: one line a figure, `name value limit PASS|FAIL`."""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a trial."""

    #: Trial of the plan of tests, such as `T2`.
    trial: str
    name: str
    value: float | int | str
    #: As it is said: `= 0`, `<= 2 s`.
    limit: str
    passed: bool

    def __str__(self) -> str:
        """Return the line."""
        value = f"{self.value:.2f}" if isinstance(self.value, float) else str(self.value)
        return f"{self.trial}.{self.name} {value} {self.limit} {'PASS' if self.passed else 'FAIL'}"


class Figures:
    """Collects the figures of one trial; each is said as soon as it is known."""

    def __init__(self, trial: str, seed: int | None = None, *, quiet: bool = False) -> None:
        self.trial = trial
        self._quiet = quiet
        self.all: list[Figure] = []
        if seed is not None:
            say(f"{trial} RIG_SEED={seed}")

    def equal(self, name: str, value: float | str, wanted: float | str) -> None:
        """It must be exactly so."""
        self._add(name, value, f"= {wanted}", value == wanted)

    def at_most(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """It must not be more."""
        self._add(name, value, f"<= {limit:g}{unit and ' ' + unit}", value <= limit)

    def at_least(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """It must not be less."""
        self._add(name, value, f">= {limit:g}{unit and ' ' + unit}", value >= limit)

    def _add(self, name: str, value: float | str, limit: str, passed: bool) -> None:
        figure = Figure(trial=self.trial, name=name, value=value, limit=limit, passed=passed)
        self.all.append(figure)
        if not self._quiet:
            say(str(figure))

    def failed(self) -> list[str]:
        """Return the lines of the figures that are not good enough."""
        return [str(figure) for figure in self.all if not figure.passed]


def say(line: str) -> None:
    """Write a line at once: a soak that is cut off has said what it knows."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def chosen_points(usual: int) -> int:
    """Return how many points of a sweep a short run takes: `RIG_POINTS` where that is set."""
    return int(os.environ.get("RIG_POINTS", usual))


def chosen_seed() -> int:
    """Return the seed of this run: `RIG_SEED` replays an earlier one."""
    given = os.environ.get("RIG_SEED")
    return int(given) if given else random.SystemRandom().randrange(1 << 32)
