"""Words of site.yaml about looking after the site: what runs by the clock, what is declared, what the doctor may do."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(min_length=1)]
Day = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
#: A time such as `15m`, or `off`.
Every = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]*(s|m|h|d)|off)$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Part):
    """What the running host does by the clock."""

    resources: Every = Field(default="15m", description="compare the bookable resources (resource-sync.yaml)")
    doctor: Every = Field(default="1h", description="run all checks of plugin-host doctor")


class Declared(_Part):
    """A fact that nobody can measure from here: who says so, and since when."""

    value: Any
    by: Text
    on: Day = Field(description="the day, as 2026-01-31")
    note: Text | None = None


class Doctor(_Part):
    """What plugin-host doctor may do, and from when on it warns."""

    test_message: list[Text] = Field(default=[], description="MLLP stations that may be sent a test message")
    within: int = Field(default=5, ge=1, le=60, description="seconds that a probe may take")
    traffic_days: int = Field(default=7, ge=1, le=3660, description="days of stored messages whose codes are looked at")
    certificate_days: int = Field(default=30, ge=1, description="days before its end that a certificate is warned of")
    clock_seconds: int = Field(default=60, ge=1, description="seconds by which clocks may differ")
    free_gigabytes: int = Field(default=2, ge=0, description="space that must stay free for the store")
