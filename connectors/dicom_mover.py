"""C-MOVE and C-GET as SCU. Sources: DICOM PS3.4 C.4.2 and C.4.3; PS3.7 9.1.3 and 9.1.4."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors import dicom_command, dicom_status
from connectors.dicom_association import Message, Sink
from connectors.dicom_base import Counts, Instance, Tell, TransferOutcome, Verdict, check_ae_title
from connectors.dicom_command import Command, number
from connectors.dicom_dataset import read_identifier, write_identifier
from connectors.dicom_exchange import Exchange, NotDone, elements, exchange
from connectors.dicom_incoming import Incoming, Mismatch, Shelf
from connectors.dicom_negotiation import MAX_CONTEXTS, Context, Proposal
from connectors.dicom_pdu import ProtocolError
from connectors.dicom_station import DicomStation
from connectors.dicom_syntaxes import RECEIVED

MOVE_MODEL, GET_MODEL = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
#: Most bytes of one instance that a C-GET brings.
_LONGEST = 4 * 1024**3


async def move(station: DicomStation, keys: Mapping[str, str], to: str, tell: Tell | None = None) -> TransferOutcome:
    """See `DicomPeer.move`."""
    check_ae_title("to", to)
    progress = _Progress(tell)
    try:
        asked = elements(dicom_command.C_MOVE_RQ, MOVE_MODEL, MoveDestination=to)
        async with exchange(station, MOVE_MODEL, asked) as question:
            await question.ask(_identifier(keys, question))
            async for answer in question.pending():
                await progress.note(question, answer)
    except NotDone as why:
        return TransferOutcome(verdict=why.verdict, words=str(why), counts=progress.counts)
    return progress.outcome(dicom_status.MOVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """Where what a C-GET brings is put, and who is told."""

    sop_classes: Sequence[str]
    folder: Path
    arrived: Callable[[Instance], Awaitable[None]]


async def get(
    station: DicomStation, keys: Mapping[str, str], arriving: Arriving, tell: Tell | None = None
) -> TransferOutcome:
    """See `DicomPeer.get`.

    Raises:
        ValueError: more SOP classes than one association can have.
    """
    classes = tuple(dict.fromkeys(arriving.sop_classes))
    if not 0 < len(classes) < MAX_CONTEXTS:
        raise ValueError(f"sop_classes must be 1 to {MAX_CONTEXTS - 1}")
    progress = _Progress(tell)
    try:
        asked = elements(dicom_command.C_GET_RQ, GET_MODEL)
        async with exchange(station, GET_MODEL, asked, _brought(classes)) as question:
            await question.ask(_identifier(keys, question))
            await _bring(question, arriving, progress, station.ae_title)
    except NotDone as why:
        return TransferOutcome(verdict=why.verdict, words=str(why), counts=progress.counts)
    return progress.outcome(dicom_status.GET)


def _brought(classes: Sequence[str]) -> list[Proposal]:
    """Return a context for each class in each syntax, as far as one association has room: a station may send an
    instance only in the syntax that it holds it in, and of several in one context it would choose for all.
    """
    alone = (MAX_CONTEXTS - 1) // len(classes) - 1
    groups: list[tuple[str, ...]] = [(syntax,) for syntax in RECEIVED[:alone]]
    if RECEIVED[alone:]:
        groups.append(RECEIVED[alone:])
    return [Proposal(uid, syntaxes, as_scp=True) for uid in classes for syntaxes in groups]


async def _bring(question: Exchange, arriving: Arriving, progress: _Progress, ae_title: str) -> None:
    """Take the instances of a C-GET until its final status."""
    incoming: list[Incoming] = []
    shelf = Shelf(folder=arriving.folder, max_bytes=_LONGEST)

    def choose(context: Context, command: Command) -> Sink | None:
        if number(command, "CommandField") != dicom_command.C_STORE_RQ:
            return None
        incoming.append(Incoming(shelf, context, command, ae_title))
        return incoming[-1]

    try:
        while True:
            message = await question.receive(choose)
            if incoming:
                await question.reply(message, await _keep(incoming.pop(), arriving))
            elif await progress.note(question, message):
                return
    finally:
        for broken in incoming:
            broken.drop()


async def _keep(incoming: Incoming, arriving: Arriving) -> int:
    """Return the status to answer an instance with."""
    try:
        instance = await incoming.keep()
    except Mismatch:
        return dicom_status.DOES_NOT_MATCH_SOP_CLASS
    except OSError:
        return dicom_status.OUT_OF_RESOURCES
    await arriving.arrived(instance)
    return dicom_status.SUCCESS


class _Progress:
    """The counts as they come, and the end."""

    def __init__(self, tell: Tell | None) -> None:
        self._tell = tell
        self._status = dicom_status.CANNOT_UNDERSTAND
        self._failed: tuple[str, ...] = ()
        self.counts = Counts()

    async def note(self, question: Exchange, answer: Message) -> bool:
        """Take a response; return whether it is the last. Raises NotDone: it is no response to our request."""
        self._status = question.status(answer)
        told = {
            name: number(answer.command, f"NumberOf{name.title()}Suboperations")
            for name in ("remaining", "completed", "failed", "warning")
        }
        before = self.counts
        self.counts = Counts(
            remaining=told["remaining"],
            completed=before.completed if told["completed"] is None else told["completed"],
            failed=before.failed if told["failed"] is None else told["failed"],
            warning=before.warning if told["warning"] is None else told["warning"],
        )
        if self._tell is not None:
            await self._tell(self.counts)
        if self._status in dicom_status.PENDING:
            return False
        if answer.data_set:
            self._failed = _failed(answer, question)
        return True

    def outcome(self, table: tuple[dicom_status.Meaning, ...]) -> TransferOutcome:
        """Return how it ended: success needs status 0000H, something completed, and nothing failed."""
        meaning = dicom_status.meaning(self._status, table)
        verdict, words = meaning.verdict, meaning.words
        if verdict is Verdict.SUCCESS and self.counts.completed == 0 and not self.counts.warning:
            verdict, words = Verdict.REFUSED, "nothing was transferred: the station found nothing to transfer"
        elif verdict is Verdict.SUCCESS and (self.counts.failed or self._failed):
            verdict, words = Verdict.WARNING, "sub-operations failed, although the status says success"
        return TransferOutcome(
            verdict=verdict, status=self._status, words=words, counts=self.counts, failed=self._failed
        )


def _identifier(keys: Mapping[str, str], question: Exchange) -> bytes:
    level = next((name for uid, name in _LEVELS if uid in keys), "STUDY")
    return write_identifier({"QueryRetrieveLevel": level, **keys}, question.context.transfer_syntax)


#: The unique key that decides the level, the lowest first (PS3.4 C.6.2.1).
_LEVELS = (("SOPInstanceUID", "IMAGE"), ("SeriesInstanceUID", "SERIES"), ("StudyInstanceUID", "STUDY"))


def _failed(answer: Message, question: Exchange) -> tuple[str, ...]:
    try:
        told = read_identifier(answer.data_set, question.context.transfer_syntax)
    except ProtocolError:  # the status counts; the list of a peer that cannot write one is no list
        return ()
    return tuple(uid for uid in told.get("FailedSOPInstanceUIDList", "").split("\\") if uid)
