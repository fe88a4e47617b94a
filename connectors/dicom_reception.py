"""What is said on one connection that a peer opened to us: verification, storage, reports on storage commitment.

An instance is answered 0000H when it lies synced under its name and its row is committed; not before.
Sources: DICOM PS3.4 A.4, B.2 and J.3.3; PS3.7 9.3 and 10.3; PS3.8 9.2 (the acceptor's side) and Table 9-21.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext

from connectors import dicom_command, dicom_negotiation, dicom_pdu, dicom_status
from connectors.base import StoreUnavailable
from connectors.dicom_association import Association, Message, Sink
from connectors.dicom_base import DicomIntake, Received
from connectors.dicom_command import Command, number, response
from connectors.dicom_commitment import PUSH_MODEL, report_of
from connectors.dicom_incoming import Incoming, Mismatch, Shelf
from connectors.dicom_negotiation import Context, support
from connectors.dicom_pdu import ProtocolError
from connectors.dicom_query import VERIFICATION
from connectors.dicom_syntaxes import PLAIN, RECEIVED
from connectors.dicom_wire import Wire
from messages.turned_away import TurnedAway

log = logging.getLogger(__name__)

#: A-ASSOCIATE-RJ: result, source, reason.
_REJECTIONS = {TurnedAway.CALLING: (1, 1, 3), TurnedAway.CALLED: (1, 1, 7), TurnedAway.ASSOCIATIONS: (2, 3, 2)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What holds on every connection."""

    ae_title: str
    #: Says whether a peer at an address is let in by an AE title.
    lets_in: Callable[[str, str], bool]
    intake: DicomIntake
    shelf: Shelf
    start_within: float
    idle_within: float
    associations: asyncio.BoundedSemaphore


@cache
def _supported() -> tuple[PresentationContext, ...]:
    storage = (support(str(cx.abstract_syntax), RECEIVED) for cx in AllStoragePresentationContexts)
    return (*storage, support(VERIFICATION, PLAIN), support(PUSH_MODEL, PLAIN, peer_is_scp=True))


class Reception:
    """One connection, from the request for an association to its end."""

    def __init__(self, manners: Manners, wire: Wire, peer: str) -> None:
        self.peer = peer
        #: A message is under way; do not break it off without need.
        self.busy = False
        #: End after the message that is under way.
        self.last = False
        self._manners = manners
        self._wire = wire
        self._ae_title = ""
        self._incoming: Incoming | None = None

    async def run(self) -> None:
        """Serve the peer until it releases, breaks off, breaks the protocol, or falls silent."""
        try:
            asked = await self._request()
            if asked is None:
                return
            if self._manners.associations.locked():
                self._reject(TurnedAway.ASSOCIATIONS)
                return
            async with self._manners.associations:
                answer, agreement = dicom_negotiation.grant(asked, _supported())
                await self._wire.write(answer)
                await self._serve(Association(self._wire, agreement))
        except (ConnectionError, TimeoutError) as error:
            log.info("an association ended", extra={"peer": self.peer, "error": str(error)})
        finally:
            self._wire.close()
            if self._incoming is not None:
                self._incoming.drop()

    async def _request(self) -> dicom_negotiation.Asked | None:
        """Return what the peer asks for; None when it was turned away."""
        try:
            async with asyncio.timeout(self._manners.start_within):
                kind, pdu = await self._wire.read()
            if kind != dicom_pdu.ASSOCIATE_RQ:
                raise ProtocolError("the peer does not begin with a request for an association")
            asked = dicom_negotiation.read_request(bytes(pdu))
        except (ProtocolError, TimeoutError) as error:
            if isinstance(error, ProtocolError):
                self._wire.close(dicom_pdu.abort(by_provider=True))
            self._manners.intake.turned_away(TurnedAway.PROTOCOL, self.peer)
            raise
        if asked.called_ae_title != self._manners.ae_title:
            self._reject(TurnedAway.CALLED)
            return None
        if not self._manners.lets_in(self.peer, asked.calling_ae_title):
            self._reject(TurnedAway.CALLING)
            return None
        self._ae_title = asked.calling_ae_title
        return asked

    def _reject(self, why: TurnedAway) -> None:
        said = _REJECTIONS[why]
        log.warning("an association was rejected", extra={"peer": self.peer, "error": dicom_status.rejection(*said)})
        self._wire.close(dicom_pdu.reject(*said))
        self._manners.intake.turned_away(why, self.peer)

    async def _serve(self, line: Association) -> None:
        while not self.last:
            message = await line.receive(self._manners.idle_within, self._choose)
            self.busy = True
            status = await self._answer(message)
            await line.send(message.context, response(message.command, status), within=self._manners.idle_within)
            self.busy = False
        line.abort()

    def _choose(self, context: Context, command: Command) -> Sink | None:
        """Begin a file for an instance; hold a report; drop the data of what we do not do."""
        self.busy = True
        asked = number(command, "CommandField")
        if asked == dicom_command.N_EVENT_REPORT_RQ and context.abstract_syntax == PUSH_MODEL:
            return None
        if asked != dicom_command.C_STORE_RQ:
            return _Nowhere()
        self._incoming = Incoming(self._manners.shelf, context, command, self._ae_title)
        return self._incoming

    async def _answer(self, message: Message) -> int:
        asked = number(message.command, "CommandField")
        if asked == dicom_command.C_ECHO_RQ and message.context.abstract_syntax == VERIFICATION:
            return dicom_status.SUCCESS
        if asked == dicom_command.C_STORE_RQ:
            incoming, self._incoming = self._incoming, None
            return dicom_status.CANNOT_UNDERSTAND if incoming is None else await self._keep(incoming)
        if asked == dicom_command.N_EVENT_REPORT_RQ and message.context.abstract_syntax == PUSH_MODEL:
            return await self._report(message)
        return dicom_status.UNRECOGNIZED_OPERATION

    async def _keep(self, incoming: Incoming) -> int:
        try:
            instance = await incoming.keep()
        except Mismatch:
            return dicom_status.DOES_NOT_MATCH_SOP_CLASS
        except OSError as error:
            log.error("an instance cannot be kept", extra={"peer": self.peer, "error": type(error).__name__})  # noqa: TRY400 - a traceback may quote what came
            return dicom_status.OUT_OF_RESOURCES
        received = Received(
            instance=instance, study_uid=incoming.study_uid, series_uid=incoming.series_uid, digest=incoming.digest,
            ae_title=self._ae_title, peer=self.peer,
        )  # fmt: skip
        try:
            is_new = await self._manners.intake.received(received)
        except StoreUnavailable:
            # The row may be there after all (the guarantee says so): its file stays, and a resend finds it.
            return dicom_status.OUT_OF_RESOURCES
        if not is_new:
            instance.path.unlink(missing_ok=True)
        return dicom_status.SUCCESS

    async def _report(self, message: Message) -> int:
        try:
            report = report_of(message, self._ae_title, self.peer)
            await self._manners.intake.reported(report)
        except (ProtocolError, StoreUnavailable) as error:
            log.error("a report could not be taken", extra={"peer": self.peer, "error": type(error).__name__})  # noqa: TRY400 - a traceback may quote what came
            return dicom_status.PROCESSING_FAILURE
        return dicom_status.SUCCESS


class _Nowhere:
    """Takes the data set of a message that is answered with a failure."""

    def write(self, piece: memoryview) -> None:
        """Drop it."""
