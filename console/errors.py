"""Parked deliveries grouped by their cause. Pure: rows of the store in, what a page shows out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from store.parked import Parked

#: The place of a rule, in front or behind in brackets: lines move. What follows on further lines is left out, too.
_PLACE = re.compile(r"^\S+:\d+:\d+: |\s\(\S+:\d+:\d+\)$")
#: What is different in each message and the same cause: numbers and ids.
_NUMBER = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b|(?<![A-Za-z])\d{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parked deliveries of one destination with one cause. Times are seconds since 1970 UTC."""

    #: Stands for channel, destination and cause in an address.
    id: str
    channel: str
    title: str
    destination: str
    cause: str
    #: One reason as it was kept, with its place.
    example: str
    first_at: float
    last_at: float
    deliveries: tuple[Parked, ...]

    @property
    def code(self) -> str | None:
        """The problem's code, where the cause begins with one: `plugin-host explain` knows it."""
        match = re.match(r"[A-Z]\d{3}\b|[A-Z]{2,}(_[A-Z]+)+\b", self.cause)
        return match[0] if match else None

    @property
    def messages(self) -> list[str]:
        """The ids of its messages, newest first, each once."""
        return list(dict.fromkeys(one.message for one in self.deliveries))


def cause(reason: str) -> str:
    r"""Return a reason without place and numbers: what many messages share.

    >>> cause("PID-3.1 is required: %mrn gave nothing\n    rule: mappings/a.yaml:64:3")
    'PID-3.1 is required: %mrn gave nothing'
    >>> cause("AR unknown visit 4711 (mappings/a.yaml:70:5)")
    'AR unknown visit …'
    """
    return _NUMBER.sub("…", _PLACE.sub("", reason.partition("\n")[0])).strip()


def groups(parked: Iterable[Parked]) -> list[Group]:
    """Return the parked deliveries by destination and cause, the largest group first."""
    found: dict[tuple[str, str, str], list[Parked]] = {}
    for one in parked:
        found.setdefault((one.channel, one.destination, cause(one.reason)), []).append(one)
    made = [_group(key, rows) for key, rows in found.items()]
    return sorted(made, key=lambda group: (-len(group.deliveries), group.channel, group.cause))


def _group(key: tuple[str, str, str], rows: Sequence[Parked]) -> Group:
    channel, destination, why = key
    return Group(
        id=hashlib.sha256("\0".join(key).encode()).hexdigest()[:16],
        channel=channel, title=rows[0].title, destination=destination, cause=why, example=rows[0].reason,
        first_at=min(row.at for row in rows), last_at=max(row.at for row in rows), deliveries=tuple(rows),
    )  # fmt: skip
