"""What the host finds out for a page that the store does not know: files on disk, a mapping tried, a peer reached.

The host does it in a process of its own (host/console_works.py): checking needs libraries that the console never loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class CannotTell(Exception):
    """It could not be found out. The text is for people and holds no value of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Would:
    """What would become of a parked delivery if it were tried now."""

    message: str
    destination: str
    #: `mapped`: the mapping that runs takes it · `sent again`: it was mapped, and the peer decides · `parked`: not.
    becomes: str
    #: Why it would be parked again.
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Whether a destination's peer can be reached now."""

    destination: str
    #: None: yes.
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whether somebody can be told of alerts now."""

    #: `email` or `webhook`.
    receiver: str
    #: None: yes.
    problem: str | None


class Works(Protocol):
    """What the host finds out. Each may take seconds; each raises `CannotTell`."""

    def difference(self, channel: str) -> list[str]:
        """Return how the file on disk differs from the revision that runs, as lines of a diff."""

    def replay(self, channel: str) -> list[str]:
        """Map the newest messages anew by the file on disk; return how they differ, in words. Nothing is sent."""

    def specification(self, channel: str) -> dict[str, Any]:
        """Return the mapping file as its specification (transformers/mapping_spec.py)."""

    def tests(self, channel: str) -> dict[str, Any]:
        """Return what the tests of the mapping file say, with their coverage."""

    def would(self, messages: Sequence[str]) -> list[Would]:
        """Return what would become of the parked deliveries of messages. Nothing is changed or sent."""

    def reach(self, channel: str) -> list[Reached]:
        """Open and close a line to each destination's peer. No message is sent."""

    def resend(self, message: str, body: bytes, *, by: str, reason: str | None) -> str:
        """Accept an edited copy of a message for its channel; return its id. The original is not touched."""

    def test_alerts(self) -> list[Told]:
        """Tell everybody whom site.yaml names of an alert that is none."""


class NoWorks:
    """Where nobody finds anything out."""

    def _none(self, *_: object, **__: object) -> Any:
        raise CannotTell("nothing can be found out here")

    difference = replay = specification = tests = would = reach = resend = test_alerts = _none
