"""Checks of the bookable resources: are both sides read, do they agree, and does the job that compares them run."""

from __future__ import annotations

from collections.abc import Iterable

from host.doctor.check import Examined, Told, bad, doubtful, good, unknown
from messages.resource import NAMES
from store import drift
from transformers.mapping_site import seconds

#: Times its period after which a comparison is late.
LATE = 3


def read(examined: Examined) -> Iterable[Told]:
    """Both sides can be read."""
    sides = drift.sides(examined.store) if examined.store is not None else {}
    for side, name in NAMES.items():
        line = sides.get(side)
        if examined.sync is None:
            yield unknown("the site has no resource-sync.yaml that can be used", "see files.resources", name)
        elif line is None:
            yield unknown("its resources were never read", "plugin-host drift --now", name)
        elif line.problem is not None:
            yield bad(f"its resources could not be read: {line.problem}", about=name)
        else:
            yield good(f"{line.count} resources were read", name)


def age(examined: Examined) -> Iterable[Told]:
    """The comparison is of today, and the export it was made of is not old."""
    last = drift.last_comparison(examined.store) if examined.store is not None else None
    if examined.sync is None or examined.store is None or last is None:
        yield unknown("the resources were never compared", "plugin-host drift --now")
        return
    every = examined.site.schedule.resources
    late = examined.now - last.at
    if every == "off":
        yield doubtful("nothing compares the resources by the clock", "write schedule: { resources: 15m } in site.yaml")
    elif late > LATE * seconds(every):
        yield doubtful(f"the last comparison is {_time(late)} old; one is due every {every}",
                       "is the host running? plugin-host status")  # fmt: skip
    else:
        yield good(f"compared {_time(late)} ago")
    made = drift.sides(examined.store).get("powerserver")
    if made is not None and made.made_at is not None:
        old = examined.now - made.made_at
        if old > examined.sync.stale_after:
            yield doubtful(f"PowerServer's export is {_time(old)} old", "have PowerServer's administrator export anew",
                           "export")  # fmt: skip
        else:
            yield good(f"PowerServer's export is {_time(old)} old", "export")


def _time(seconds_: float) -> str:
    """Return a time in words.

    >>> _time(50), _time(7200), _time(3 * 86400)
    ('50 s', '120 min', '3 days')
    """
    if seconds_ < 120:
        return f"{seconds_:.0f} s"
    return f"{seconds_ / 60:.0f} min" if seconds_ < 2 * 86400 else f"{seconds_ / 86400:.0f} days"


def drifts(examined: Examined) -> Iterable[Told]:
    """The sides agree: no bookings are refused for a difference."""
    if examined.store is None or drift.last_comparison(examined.store) is None:
        yield unknown("the resources were never compared", "plugin-host drift --now")
        return
    lines = [line.drift for line in drift.open_drifts(examined.store)]
    for one in lines:
        told = {"blocker": bad, "warning": doubtful}.get(one.severity)
        if told is not None:
            ours, theirs = one.omegaai_normal or one.omegaai or "-", one.powerserver_normal or one.powerserver or "-"
            words = f"{one.category} ({one.field}): OmegaAI {ours}, PowerServer {theirs}"
            yield told(words, one.action, f"{one.facility} / {one.name}")
    if not any(one.severity != "info" for one in lines):
        yield good("OmegaAI and PowerServer have the same resources")
