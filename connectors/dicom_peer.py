"""`dicom-peer`: a station of site.yaml with all that DIMSE can ask of it; each operation is in a module of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors import dicom_commitment, dicom_mover, dicom_query, dicom_store
from connectors.dicom_base import (
    CommitmentOutcome,
    CommitmentReport,
    Found,
    Instance,
    InstanceOutcome,
    Outcome,
    Query,
    Reference,
    Tell,
    TransferOutcome,
)
from connectors.dicom_part10 import read_instance
from connectors.dicom_station import DicomStation


@dataclass(kw_only=True)
class DimseStation(DicomStation):
    """A station that speaks DIMSE. Implements `connectors.dicom_base.DicomPeer`, which says what holds."""

    async def echo(self) -> Outcome:
        """See `DicomPeer.echo`."""
        return await dicom_query.echo(self)

    async def find(self, query: Query) -> Found:
        """See `DicomPeer.find`."""
        return await dicom_query.find(self, query)

    async def move(self, keys: Mapping[str, str], to: str, tell: Tell | None = None) -> TransferOutcome:
        """See `DicomPeer.move`."""
        return await dicom_mover.move(self, keys, to, tell)

    async def get(
        self,
        keys: Mapping[str, str],
        sop_classes: Sequence[str],
        folder: Path,
        arrived: Callable[[Instance], Awaitable[None]],
        tell: Tell | None = None,
    ) -> TransferOutcome:
        """See `DicomPeer.get`."""
        arriving = dicom_mover.Arriving(sop_classes=sop_classes, folder=folder, arrived=arrived)
        return await dicom_mover.get(self, keys, arriving, tell)

    def store(self, instances: Sequence[Instance]) -> AsyncIterator[InstanceOutcome]:
        """See `DicomPeer.store`."""
        return dicom_store.store(self, instances)

    async def commit(
        self,
        references: Sequence[Reference],
        remember: Callable[[str], Awaitable[None]],
        reported: Callable[[CommitmentReport], Awaitable[None]],
    ) -> CommitmentOutcome:
        """See `DicomPeer.commit`."""
        return await dicom_commitment.commit(self, references, remember, reported)

    async def read(self, path: Path) -> Instance:
        """See `DicomPeer.read`."""
        return await asyncio.to_thread(read_instance, path)
