"""OmegaAI, the mail and the FHIR door as jobs see them: what can be asked of them, server to server. No sockets here.

`OSError` means that nothing is known to have been done; the caller may ask again with the same reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


class Refused(Exception):
    """The peer said no for good. The text names what and the peer's code; no value of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What OmegaAI knows of a patient, as far as a share needs it. No value of the patient is in it."""

    #: OmegaAI's id of the resource: a technical name.
    id: str
    has_email: bool
    #: False: a Consent of the patient denies the sharing; None: none is there.
    consents: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareIntent:
    """Who is to see which study until when. Goes in the body of one request, over TLS; never in an address."""

    #: Opaque and ours: the same intent, asked again, is the same share.
    reference: str
    organization: str
    study_uid: str = field(repr=False)
    accession: str | None = field(repr=False)
    patient: str = field(repr=False)
    patient_system: str = field(repr=False)
    #: `email-link`, `blume` or `copy-link`.
    method: str
    #: `email`, `provider`, `organization`, `patient` or `link`.
    recipient_kind: str
    recipient: str = field(repr=False)
    #: ISO 8601, with offset.
    expires_at: str
    volume: str
    requested_by: str = field(repr=False)
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share that OmegaAI has made."""

    #: OmegaAI's id of it.
    id: str
    #: Opaque one-time launch id, where OmegaAI gives one.
    launch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgress:
    """What is written back to the Task that asked for a job."""

    #: http://hl7.org/fhir/R4/valueset-task-status.html
    status: str
    #: Word of the job's state, such as TRANSFERRING.
    state: str
    #: Code and words of why it stands so; no value of the request.
    code: str | None = None
    reason: str | None = None
    #: Task.output: name → number or opaque text.
    output: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedResults:
    """Which laboratory results of one patient are asked for. Values of the request: in the body of searches only."""

    system: str = field(repr=False)
    patient: str = field(repr=False)
    #: YYYYMMDD; "" where it is not told.
    birth_date: str = field(default="", repr=False)
    #: First and last day, YYYYMMDD; "" is open.
    first: str = ""
    last: str = ""
    #: Codes of the category by which OmegaAI tells laboratory results (A-60).
    report_category: str = "LAB"
    observation_category: str = "laboratory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A laboratory result: a report with its observations, or an observation that is in no report."""

    #: `DiagnosticReport/12`: OmegaAI's technical name.
    name: str
    #: Day of the result, YYYYMMDD; "" where it has none.
    at: str
    #: A Bundle of type transaction: the result, its observations, the patient. None: a part of it cannot be had.
    bundle: bytes | None = field(repr=False)


@runtime_checkable
class OmegaAi(Protocol):
    """OmegaAI's FHIR service, as shares use it."""

    async def organization(self, organization: str) -> bool:
        """Say whether the organization is there and active. Raises OSError, Refused."""
        ...

    async def patient(self, system: str, identifier: str) -> Patient | None:
        """Return the patient with this identifier, if there is exactly one. Raises OSError, Refused."""
        ...

    async def study_status(self, study_uid: str) -> str | None:
        """Return a study's workflow status, such as COMPLETED; None: none is told. Raises OSError, Refused."""
        ...

    async def share(self, intent: ShareIntent) -> Share:
        """Make a share; asked again with the same reference, it is the same. Raises OSError, Refused."""
        ...

    async def revoke(self, reference: str) -> None:
        """End the share of an intent's reference; none, or one that has ended, is no error. Raises OSError, Refused."""
        ...

    async def results(self, wanted: WantedResults) -> list[Result]:
        """Return the finished laboratory results of exactly one patient, newest first. Raises OSError, Refused."""
        ...

    async def tell(self, task: str, progress: TaskProgress) -> None:
        """Write progress to a Task (its id). Raises OSError, Refused."""
        ...

    async def close(self) -> None:
        """Hang up; never raises."""
        ...


@runtime_checkable
class ResultsDoor(Protocol):
    """The FHIR door behind which a channel maps results for PowerServer."""

    async def hand_over(self, bundle: bytes) -> str:
        """Give a Bundle; return the id of what its first entry became. The same Bundle again is the same message.

        Raises OSError (try again), Refused (for good).
        """
        ...

    async def stands(self, message: str) -> str:
        """Return the Task status of a message that was taken. Raises OSError, Refused."""
        ...

    async def close(self) -> None:
        """Hang up; never raises."""
        ...


@runtime_checkable
class Mailer(Protocol):
    """Sends the link page's address, and nothing of patient or study."""

    async def send(self, to: str, link: str, expires: str, reference: str) -> None:
        """Send one mail; `reference` becomes its Message-ID. Raises OSError (try again), Refused (for good)."""
        ...


__all__ = [
    "Mailer",
    "OmegaAi",
    "Patient",
    "Refused",
    "Result",
    "ResultsDoor",
    "Share",
    "ShareIntent",
    "TaskProgress",
    "WantedResults",
]
