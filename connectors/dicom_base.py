"""DICOM as channels see it: what can be asked of a peer, and what its answers mean. No sockets, no libraries.

A station of site.yaml, built as `dicom-peer` (DIMSE) or `dicomweb-peer`, gives the operations. Two rules hold for all:
*nothing but a status that was read is a success* (a broken or silent association is UNANSWERED), and `OSError` is
raised only while nothing has been asked yet (no connection, association rejected): a caller may simply try again.

What each status means is in `dicom_status`. Sources: DICOM PS3.4 B, C, J; PS3.7 9, 10; PS3.18 10.4 to 10.6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from messages.turned_away import TurnedAway


class Verdict(StrEnum):
    """What an answer means for who asked."""

    SUCCESS = "success"  #: status 0000H was read
    WARNING = "warning"  #: done, and the peer remarks on it: coerced elements, some sub-operations failed
    DEFERRED = "deferred"  #: not now: out of resources; ask again later
    REFUSED = "refused"  #: for good: asking the same again changes nothing
    CANCELLED = "cancelled"  #: ended because somebody asked for it
    UNANSWERED = "unanswered"  #: no status was read: nothing is known, and never a success


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an operation ended."""

    verdict: Verdict
    #: The DIMSE status (PS3.7 Annex C), or the HTTP status of DICOMweb; None when none was read.
    status: int | None = None
    #: For a person; never holds a value of a data set or of a peer's free text.
    words: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """One SOP instance, by its class and its UID."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One SOP instance in a Part 10 file of ours."""

    reference: Reference
    transfer_syntax_uid: str
    path: Path
    #: Bytes before the data set: preamble and file meta information.
    offset: int
    #: Bytes of the file.
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceOutcome(Outcome):
    """What a peer said to one instance; SUCCESS and WARNING mean that it has stored it."""

    reference: Reference
    #: Times that its sending was begun.
    attempts: int = 1

    @property
    def is_stored(self) -> bool:
        """The peer's status says that it has the instance."""
        return self.verdict in {Verdict.SUCCESS, Verdict.WARNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Sub-operations of a C-MOVE or C-GET (PS3.7, 9.1.4.1.7): the last that the peer told; None: it told none."""

    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOutcome(Outcome):
    """How a C-MOVE or C-GET ended; SUCCESS means: status 0000H, something completed, nothing failed."""

    counts: Counts = Counts()
    #: SOP Instance UIDs that the peer could not transfer (0008,0058).
    failed: tuple[str, ...] = ()


#: One match of a query: keyword of the attribute → value as in DICOM, values of one attribute parted by a backslash.
#: An attribute that the peer left out is not in it: absent is not zero, and not empty.
Match = Mapping[str, str]

Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question of the Study Root model (a PATIENT level asks the Patient Root)."""

    level: Level
    #: Keyword → value to match (PS3.4 C.2.2.2); "" asks for the attribute's value.
    keys: Mapping[str, str] = field(repr=False)
    #: Matches to take at most; the peer is then asked to stop.
    limit: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Outcome):
    """The matches of a query; complete only where the verdict is SUCCESS and `is_cut` false."""

    matches: tuple[Match, ...] = field(default=(), repr=False)
    #: There were more than the query's limit.
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentReport:
    """What an archive says in an N-EVENT-REPORT: which instances it has taken into its safe keeping."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    #: Each with its Failure Reason (0008,1197), see `dicom_status.FAILURE_REASONS`.
    failed: tuple[tuple[Reference, int], ...]
    #: AE title by which the archive called itself, and the address that it came from; labels, not proof.
    ae_title: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentOutcome(Outcome):
    """What came of a request for storage commitment; SUCCESS means that the archive took the request, no more.

    The proof is the report: here, when it came on the same association, else by the DICOM listener (`DicomIntake`).
    """

    transaction_uid: str
    report: CommitmentReport | None = None


#: Awaited with each count that a peer tells; raising ends the operation.
Tell = Callable[[Counts], Awaitable[None]]


@runtime_checkable
class DicomPeer(Protocol):
    """A station that speaks DIMSE. Each operation has an association of its own; several may run at a time."""

    async def echo(self) -> Outcome:
        """C-ECHO: the peer is there and knows us. Raises OSError when it is not, or rejects us."""
        ...

    async def find(self, query: Query) -> Found:
        """C-FIND. Raises OSError while nothing has been asked."""
        ...

    async def move(self, keys: Mapping[str, str], to: str, tell: Tell | None = None) -> TransferOutcome:
        """C-MOVE what `keys` (StudyInstanceUID, or also SeriesInstanceUID, SOPInstanceUID) name to the AE title `to`.

        Several UIDs of one kind are parted by a backslash. Raises OSError while nothing has been asked.
        """
        ...

    async def get(
        self,
        keys: Mapping[str, str],
        sop_classes: Sequence[str],
        folder: Path,
        arrived: Callable[[Instance], Awaitable[None]],
        tell: Tell | None = None,
    ) -> TransferOutcome:
        """C-GET into `folder`; an instance is synced and `arrived` awaited before the peer is told that we have it.

        `sop_classes` are those of the study (from `find` at IMAGE level). Raises OSError while nothing has been asked.
        """
        ...

    def store(self, instances: Sequence[Instance]) -> AsyncIterator[InstanceOutcome]:
        """C-STORE each once, over as many associations as it takes; exactly one outcome for every instance.

        What a broken association left unanswered is sent again (the same SOP Instance UID: it cannot double).
        Never raises OSError: what could not be sent ends UNANSWERED or DEFERRED.
        """
        ...

    async def commit(
        self,
        references: Sequence[Reference],
        remember: Callable[[str], Awaitable[None]],
        reported: Callable[[CommitmentReport], Awaitable[None]],
    ) -> CommitmentOutcome:
        """Ask for storage commitment.

        `remember` is awaited with the new transaction UID before anything is asked: a report may come before the
        answer. `reported` is awaited, before the peer is told that we have it, with a report on this association.
        Raises OSError while nothing has been asked.
        """
        ...

    async def read(self, path: Path) -> Instance:
        """Return what a Part 10 file of ours holds. Raises ValueError when it is none."""
        ...


@runtime_checkable
class DicomwebPeer(Protocol):
    """A server that speaks DICOMweb (PS3.18). Never raises OSError: what could not be asked ends UNANSWERED."""

    async def find(self, query: Query) -> Found:
        """QIDO-RS of a STUDY, SERIES or IMAGE level.

        UIDs stand in the path, for the standard has no other place; a value for any other key is refused.
        Raises ValueError: a key has a value that may not stand in a URL, or the level needs another UID.
        """
        ...

    def store(self, instances: Sequence[Instance]) -> AsyncIterator[InstanceOutcome]:
        """STOW-RS, one instance a request; exactly one outcome for every instance."""
        ...

    async def close(self) -> None:
        """Hang up; never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An instance that came to our listener, synced to the disk under a name of ours."""

    instance: Instance
    study_uid: str
    series_uid: str
    #: SHA-256 of the data set.
    digest: bytes
    #: AE title by which the sender called itself, and its address.
    ae_title: str
    peer: str


class DicomIntake(Protocol):
    """What the DICOM listener hands over to; the peer is answered 0000H only after these return."""

    async def received(self, received: Received) -> bool:
        """Commit the instance's row; False: the same data set rests here already, and this file is not needed.

        Raises StoreUnavailable: the peer is told A700H, and must keep it.
        """
        ...

    def turned_away(self, why: TurnedAway, peer: str) -> None:
        """Count a caller, by its address, that was not let in; never raises and does not wait."""
        ...

    async def reported(self, report: CommitmentReport) -> None:
        """Commit the report, of a transaction that we know or not. Raises StoreUnavailable: the peer is told 0110H."""
        ...


def check_ae_title(setting: str, value: str) -> None:
    """Check an AE title: 1 to 16 characters of ASCII, no backslash, no control character, not only spaces.

    Source: DICOM PS3.5 6.2 (AE).

    Raises:
        ValueError: names the setting.
    """
    if not (value.strip(" ") and len(value) <= 16 and value.isascii() and value.isprintable() and "\\" not in value):
        raise ValueError(f"{setting} must be an AE title: 1 to 16 characters, no backslash")


__all__ = [
    "CommitmentOutcome",
    "CommitmentReport",
    "Counts",
    "DicomIntake",
    "DicomPeer",
    "DicomwebPeer",
    "Found",
    "Instance",
    "InstanceOutcome",
    "Level",
    "Match",
    "Outcome",
    "Query",
    "Received",
    "Reference",
    "Tell",
    "TransferOutcome",
    "Verdict",
    "check_ae_title",
]
