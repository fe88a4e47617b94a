"""C-ECHO and C-FIND as SCU. Sources: DICOM PS3.4 A.4 and C.4.1; PS3.7 9.1.2 and 9.1.5."""

from __future__ import annotations

from connectors import dicom_command, dicom_status
from connectors.dicom_base import Found, Match, Outcome, Query, Verdict
from connectors.dicom_command import NO_DATA_SET, Command
from connectors.dicom_dataset import read_identifier, write_identifier
from connectors.dicom_exchange import Exchange, NotDone, elements, exchange
from connectors.dicom_pdu import ProtocolError
from connectors.dicom_station import DicomStation

VERIFICATION = "1.2.840.10008.1.1"
PATIENT_ROOT_FIND, STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.2.1"
#: Unique keys that a query must have beside its own (PS3.4 C.4.1.2.2), asked for where the query does not name one.
_ABOVE = {
    "PATIENT": (),
    "STUDY": (),
    "SERIES": ("StudyInstanceUID",),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID"),
}
_ECHO: Command = {
    "AffectedSOPClassUID": VERIFICATION, "CommandField": dicom_command.C_ECHO_RQ, "CommandDataSetType": NO_DATA_SET,
}  # fmt: skip


async def echo(station: DicomStation) -> Outcome:
    """See `DicomPeer.echo`."""
    try:
        async with exchange(station, VERIFICATION, _ECHO) as question:
            await question.ask()
            status = question.status(await question.receive())
    except NotDone as why:
        return Outcome(verdict=why.verdict, words=str(why))
    meaning = dicom_status.meaning(status, dicom_status.OTHER)
    return Outcome(verdict=meaning.verdict, status=status, words=meaning.words)


async def find(station: DicomStation, query: Query) -> Found:
    """See `DicomPeer.find`."""
    model = PATIENT_ROOT_FIND if query.level == "PATIENT" else STUDY_ROOT_FIND
    matches: list[Match] = []
    try:
        async with exchange(station, model, elements(dicom_command.C_FIND_RQ, model)) as question:
            syntax = question.context.transfer_syntax
            above = dict.fromkeys(_ABOVE[query.level], "")
            await question.ask(write_identifier({"QueryRetrieveLevel": query.level, **above, **query.keys}, syntax))
            status, is_cut = await _matches(question, query.limit, matches)
    except NotDone as why:
        return Found(verdict=why.verdict, words=str(why), matches=tuple(matches))
    meaning = dicom_status.meaning(status, dicom_status.FIND)
    verdict, words = meaning.verdict, meaning.words
    if is_cut and verdict is Verdict.CANCELLED:
        verdict, words = Verdict.SUCCESS, "stopped at the limit, as we asked"
    return Found(verdict=verdict, status=status, words=words, matches=tuple(matches), is_cut=is_cut)


async def _matches(question: Exchange, limit: int, matches: list[Match]) -> tuple[int, bool]:
    """Collect the matches; return the final status, and whether there were more than the limit."""
    is_cut = False
    status = dicom_status.CANNOT_UNDERSTAND
    async for answer in question.pending():
        status = question.status(answer)
        if status in dicom_status.PENDING and len(matches) < limit:
            matches.append(_match(answer.data_set, question.context.transfer_syntax))
        elif status in dicom_status.PENDING and not is_cut:
            is_cut = True
            await question.cancel()
    return status, is_cut


def _match(data_set: bytes, transfer_syntax: str) -> Match:
    try:
        return read_identifier(data_set, transfer_syntax)
    except ProtocolError as error:
        raise NotDone(Verdict.UNANSWERED, str(error)) from None
