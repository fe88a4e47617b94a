"""Storage commitment as SCU: the request, and the report wherever it comes.

The transaction is remembered before the request leaves: an archive may report, on an association of its own, before it
answers (Orthanc does). Source: DICOM PS3.4 Annex J (Push Model); PS3.7 10.1.1 and 10.1.4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from pydicom.uid import generate_uid

from connectors import dicom_command, dicom_status
from connectors.dicom_association import Message
from connectors.dicom_base import CommitmentOutcome, CommitmentReport, Outcome, Reference, Verdict
from connectors.dicom_command import Command, number
from connectors.dicom_dataset import read_report, write_request
from connectors.dicom_exchange import Exchange, NotDone, exchange
from connectors.dicom_pdu import ProtocolError
from connectors.dicom_station import DicomStation

PUSH_MODEL, PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
#: Event types of a report: all is committed, or some is not (PS3.4 Table J.3-2).
REPORTS = frozenset({1, 2})

Keep = Callable[[Exchange, Message], Awaitable[None]]


async def commit(
    station: DicomStation,
    references: Sequence[Reference],
    remember: Callable[[str], Awaitable[None]],
    reported: Callable[[CommitmentReport], Awaitable[None]],
) -> CommitmentOutcome:
    """See `DicomPeer.commit`."""
    transaction = str(generate_uid())
    ours: list[CommitmentReport] = []

    async def keep(question: Exchange, message: Message) -> None:
        report = _report(question, message, station)
        await reported(report)
        await question.reply(message, dicom_status.SUCCESS)
        if report.transaction_uid == transaction:  # an archive may have been waiting to report on an earlier one
            ours.append(report)

    try:
        async with exchange(station, PUSH_MODEL, _ACTION) as question:
            await remember(transaction)
            await question.ask(write_request(transaction, references, question.context.transfer_syntax))
            answer = await _answer(question, keep)
            outcome = _outcome(question.status(answer))
            if not ours and outcome.verdict in {Verdict.SUCCESS, Verdict.WARNING}:
                await _wait_for_report(question, station.report_within, keep)
    except NotDone as why:
        outcome = Outcome(verdict=why.verdict, words=str(why))
    return CommitmentOutcome(
        verdict=outcome.verdict, status=outcome.status, words=outcome.words, transaction_uid=transaction,
        report=ours[-1] if ours else None,
    )  # fmt: skip


_ACTION: Command = {
    "CommandField": dicom_command.N_ACTION_RQ,
    "RequestedSOPClassUID": PUSH_MODEL,
    "RequestedSOPInstanceUID": PUSH_MODEL_INSTANCE,
    "ActionTypeID": 1,
}


def is_report(message: Message) -> bool:
    """Say whether a message is a report on a commitment."""
    return number(message.command, "CommandField") == dicom_command.N_EVENT_REPORT_RQ


def report_of(message: Message, ae_title: str, peer: str) -> CommitmentReport:
    """Return what a report says.

    Raises:
        ProtocolError: it is none that the standard knows.
    """
    if number(message.command, "EventTypeID") not in REPORTS:
        raise ProtocolError("a report of a type that storage commitment does not have")
    return read_report(message.data_set, message.context.transfer_syntax, ae_title, peer)


async def _answer(question: Exchange, keep: Keep) -> Message:
    """Return the answer to the request; a report may come first."""
    while is_report(message := await question.receive()):
        await keep(question, message)
    return message


async def _wait_for_report(question: Exchange, within: float, keep: Keep) -> None:
    """Take the report if it comes on this association; most archives send it on one of their own."""
    try:
        if await question.line.hears(within) and is_report(message := await question.receive()):
            await keep(question, message)
    except NotDone:
        return  # the archive has the request, and has said so


def _report(question: Exchange, message: Message, station: DicomStation) -> CommitmentReport:
    try:
        return report_of(message, station.ae_title, station.host)
    except ProtocolError as error:
        question.line.abort()
        raise NotDone(Verdict.UNANSWERED, str(error)) from None


def _outcome(status: int) -> Outcome:
    meaning = dicom_status.meaning(status, dicom_status.OTHER)
    return Outcome(verdict=meaning.verdict, status=status, words=meaning.words)
