"""A bookable resource as one side has it, and what the two sides have differently. Nothing of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["omegaai", "powerserver"]
Severity = Literal["blocker", "warning", "info"]

#: What people call the sides.
NAMES: Mapping[str, str] = {"omegaai": "OmegaAI", "powerserver": "PowerServer"}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a field: as the side writes it, and as it is compared."""

    raw: str
    #: What is compared: text, a number, true or false, or day → [start, end]. None: it cannot be read.
    normal: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A resource. A field that the side says nothing about is not in `values`."""

    #: PowerServer's imaging facility; None where the organization has none in the table.
    facility: str | None
    #: In Unicode NFC; otherwise letter by letter as the side has it.
    name: str
    #: Where it was read: `HealthcareService/hs-1`, `resources.csv:7`.
    where: str
    values: Mapping[str, Value] = field(default_factory=dict)
    #: What a side calls the facility, where that is not its name: the organization's id.
    organization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One thing that the sides have differently, or that one of them lacks."""

    facility: str
    #: As OmegaAI has it, because bookings name it so; as PowerServer has it where OmegaAI has none.
    name: str
    #: MISSING_IN_PS, NAME_CASE, DURATION, …: see docs/resource-sync.md.
    category: str
    #: Field of the mapping; for hours with the days: `hours mon-fri`.
    field: str
    severity: Severity
    omegaai: str = ""
    powerserver: str = ""
    #: As they were compared.
    omegaai_normal: str = ""
    powerserver_normal: str = ""
    #: What to do about it, with the menu path on the side to change.
    action: str = ""
    #: The side to change; None: neither, but this site's tables.
    change: Side | None = None
    #: Where each side has it.
    omegaai_where: str = ""
    powerserver_where: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same drift when it is found again."""
        return self.facility, self.name, self.category, self.field
