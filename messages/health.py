"""What a check of the doctor found: the words that the command, the page and the store share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    #: Nobody can tell from here; `found` says why, and who could.
    UNKNOWN = "not checkable from here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result. A check gives one for each thing that it looks at: a station, a table, a fact."""

    #: `peer.port`: the same from day to day.
    check: str
    #: What it is about: a station, a table; "" where the check is about one thing only.
    about: str
    mark: Mark
    #: What was found, with the values that were compared; nothing of a patient.
    found: str
    #: Why it matters.
    why: str
    #: What to do; "" where nothing is to be done.
    cure: str = ""
    #: The fact was declared, not measured: by whom and when.
    declared: str = ""

    @property
    def key(self) -> str:
        """What makes it the same finding on another day."""
        return f"{self.check} {self.about}".strip()
