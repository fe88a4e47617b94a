"""One request to a station, and the responses to it, on an association of its own.

Source: DICOM PS3.7 9.3 and 10.3; C-CANCEL: 9.3.2.3.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from connectors import dicom_command, dicom_status
from connectors.dicom_association import Association, Choose, Message
from connectors.dicom_base import Verdict
from connectors.dicom_command import NO_DATA_SET, Command, number, response
from connectors.dicom_negotiation import Context, Proposal
from connectors.dicom_station import DicomStation, association
from connectors.dicom_syntaxes import PLAIN


class NotDone(Exception):
    """There is no status to go by; the verdict and the text say why."""

    def __init__(self, verdict: Verdict, words: str) -> None:
        super().__init__(words)
        self.verdict = verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request that can be made in a presentation context which the station accepted."""

    line: Association
    context: Context
    #: Seconds that may pass without a sign of the station.
    within: float
    command: Command = field(default_factory=dict)

    async def ask(self, data_set: bytes | None = None) -> None:
        """Send the request.

        Raises:
            NotDone: the association broke; the station may have the request.
        """
        with _unanswered():
            await self.line.send(self.context, self.command, data_set, self.within)

    async def receive(self, choose: Choose = lambda _, __: None) -> Message:
        """Return the next message of the station. Raises NotDone: the association broke."""
        with _unanswered():
            return await self.line.receive(self.within, choose)

    async def reply(self, message: Message, status: int) -> None:
        """Answer a request of the station's on this association. Raises NotDone: the association broke."""
        with _unanswered():
            await self.line.send(message.context, response(message.command, status), within=self.within)

    def status(self, answer: Message) -> int:
        """Return the status of a response to the request. Raises NotDone: it is none, or another's."""
        expected = (number(self.command, "CommandField") or 0) | 0x8000
        is_ours = number(answer.command, "MessageIDBeingRespondedTo") == number(self.command, "MessageID")
        status = number(answer.command, "Status")
        if number(answer.command, "CommandField") != expected or not is_ours or status is None:
            self.line.abort()
            raise NotDone(Verdict.UNANSWERED, "the station does not answer what it was asked")
        return status

    async def pending(self) -> AsyncIterator[Message]:
        """Yield the pending responses, and last the one with the final status. Raises NotDone."""
        while True:
            answer = await self.receive()
            yield answer
            if self.status(answer) not in dicom_status.PENDING:
                return

    async def cancel(self) -> None:
        """Ask the station to stop; its final status is still to come. Raises NotDone."""
        command = {
            "CommandField": dicom_command.C_CANCEL_RQ,
            "MessageIDBeingRespondedTo": number(self.command, "MessageID") or 0,
            "CommandDataSetType": NO_DATA_SET,
        }
        with _unanswered():
            await self.line.send(self.context, command, within=self.within)


def elements(command: int, sop_class: str, **more: int | str) -> Command:
    """Return the elements of a C- request of medium priority (PS3.7 9.3)."""
    return {"AffectedSOPClassUID": sop_class, "CommandField": command, "Priority": 0, **more}


@asynccontextmanager
async def exchange(
    station: DicomStation, sop_class: str, elements: Command, more: Sequence[Proposal] = ()
) -> AsyncIterator[Exchange]:
    """Give an exchange for a request with these elements, among them its CommandField.

    Raises:
        OSError: no association; nothing has been asked.
        NotDone: the station does not offer the service.
    """
    async with association(station, [Proposal(sop_class, PLAIN), *more]) as line:
        context = line.agreement.context(sop_class)
        if context is None:
            raise NotDone(Verdict.REFUSED, "the station does not offer this service to us")
        asked = {"CommandDataSetType": dicom_command.DATA_SET, **elements, "MessageID": line.next_message()}
        yield Exchange(line=line, context=context, within=station.answer_within, command=asked)


@contextmanager
def _unanswered() -> Iterator[None]:
    """Turn the end of an association that has a question on it into NotDone."""
    try:
        yield
    except (ConnectionError, TimeoutError) as error:
        raise NotDone(Verdict.UNANSWERED, str(error) or "no answer in time") from None
