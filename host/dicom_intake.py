"""What the DICOM door hands over to: instances and reports are committed before their sender is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from channels.arrival import note_report
from connectors.base import StoreUnavailable
from connectors.dicom_base import CommitmentReport, Received
from host.roles import Process
from messages.turned_away import TurnedAway
from store import dicom
from store.writer import Transaction, Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")


class Intake:
    """Implements `connectors.dicom_base.DicomIntake`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        #: Reason → callers that were not let in and are not counted in the store yet, and the address of the last.
        self._turned_away: dict[str, tuple[int, str]] = {}

    def turned_away(self, why: TurnedAway, peer: str) -> None:
        """See `DicomIntake.turned_away`."""
        times, _ = self._turned_away.get(why.value, (0, ""))
        self._turned_away[why.value] = times + 1, peer

    async def count(self) -> None:
        """Commit how many callers were not let in; those of a store that cannot commit now are counted later."""
        callers, self._turned_away = self._turned_away, {}
        if not callers:
            return
        try:
            await self._process.store.writer.run(lambda tx: dicom.turn_away(tx, callers))
        except Unavailable:
            for why, (times, peer) in callers.items():
                more, last = self._turned_away.get(why, (0, peer))
                self._turned_away[why] = times + more, last

    async def received(self, received: Received) -> bool:
        """See `DicomIntake.received`."""
        instance = received.instance
        row = dicom.InstanceRow(
            sop_class_uid=instance.reference.sop_class_uid, sop_instance_uid=instance.reference.sop_instance_uid,
            study_uid=received.study_uid, series_uid=received.series_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid, digest=received.digest, file=instance.path.name,
            offset=instance.offset, bytes=instance.size, ae_title=received.ae_title, peer=received.peer,
        )  # fmt: skip
        return await self._commit(lambda tx: dicom.add(tx, row))

    async def reported(self, report: CommitmentReport) -> None:
        """See `DicomIntake.reported`; the processes are woken, for a job may wait for it."""
        job = await self._commit(lambda tx: note_report(tx, report))
        log.info("a report on storage commitment came", extra={"peer": report.peer, "known": job is not None})
        self._process.ring.change()

    async def _commit(self, work: Callable[[Transaction], T]) -> T:
        try:
            return await self._process.store.writer.run(work)
        except Unavailable as error:
            raise StoreUnavailable("not committed") from error
