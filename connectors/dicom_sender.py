"""Delivers DICOM instances, such as forms' encapsulated PDF: a Part 10 file in, a C-STORE out.

The association is kept for the next one; a class or a transfer syntax that was not asked for yet gets a new one.
Nothing but a status that was read is an acceptance. Sources: DICOM PS3.4 B; PS3.10 7.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from connectors import dicom_status
from connectors.base import Reply
from connectors.dicom_association import Association
from connectors.dicom_base import Verdict
from connectors.dicom_negotiation import AssociationRejected, Proposal
from connectors.dicom_part10 import Head, read_head
from connectors.dicom_query import VERIFICATION
from connectors.dicom_station import DicomStation, associate
from connectors.dicom_store import NOT_ACCEPTED, proposal, send_bytes
from connectors.dicom_syntaxes import PLAIN
from messages.lifecycle import Event

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

_EVENTS = {
    Verdict.SUCCESS: Event.ACCEPTED,
    Verdict.WARNING: Event.ACCEPTED,
    Verdict.DEFERRED: Event.DEFERRED,
    Verdict.REFUSED: Event.REFUSED,
    Verdict.CANCELLED: Event.DEFERRED,
}
#: Contexts that are asked for beside the one for checking that the station is there.
_MOST = 64


@dataclass(kw_only=True)
class DicomSender(DicomStation):
    """DestinationConnector for a station that stores DICOM instances, such as PowerServer."""

    on_warning: Literal["accept", "park"] = field(
        default="accept",
        metadata={
            "help": "What a warning (stored, but elements were coerced or discarded: B000, B006, B007) means: accept: "
            "SENT, with the remark; park: a person looks at it."
        },
    )
    _line: Association | None = field(default=None, init=False, repr=False, compare=False)
    _asked_for: list[Proposal] = field(
        default_factory=lambda: [proposal(ENCAPSULATED_PDF, syntax) for syntax in PLAIN],
        init=False, repr=False, compare=False,
    )  # fmt: skip

    async def open(self) -> None:
        """Associate, unless the association stands.

        Raises:
            OSError: no connection, or the station rejects us. Nothing has left.
        """
        if self._line is None or not self._line.stands:
            await self._associate()

    async def send(self, encoded: bytes, control_id: str) -> Reply:  # noqa: ARG002 - the SOP Instance UID is identity
        """Store the instance and wait for its status.

        Raises:
            TimeoutError: no status within `answer_within`. The association is aborted.
            ConnectionError: the association ended, or what came is no answer to this instance.
        """
        try:
            head = read_head(encoded)
        except ValueError as unsendable:  # no resend will mend it: to a person
            return Reply(raw=b"", event=Event.REFUSED, reason=f"not sent: {unsendable}")
        line = await self._line_for(head)
        context = line.agreement.context(head.reference.sop_class_uid, head.transfer_syntax_uid)
        if context is None:
            return Reply(raw=b"", event=Event.REFUSED, reason=NOT_ACCEPTED)
        try:
            status = await send_bytes(line, context, head, encoded, self.answer_within)
        except BaseException:
            self._hang_up()
            raise
        meaning = dicom_status.meaning(status, dicom_status.STORE)
        event = _EVENTS[meaning.verdict]
        if meaning.verdict is Verdict.WARNING and self.on_warning == "park":
            event = Event.REFUSED
        return Reply(raw=f"{status:04X}".encode(), event=event, reason=f"{status:04X}H: {meaning.words}")

    async def close(self) -> None:
        """End the association in order."""
        if self._line is not None and self._line.stands:
            await self._line.release()
        self._hang_up()

    async def _line_for(self, head: Head) -> Association:
        wanted = proposal(head.reference.sop_class_uid, head.transfer_syntax_uid)
        if wanted not in self._asked_for:
            self._asked_for = [wanted, *self._asked_for][:_MOST]
            await self.close()
        if self._line is None or not self._line.stands:
            return await self._associate()
        return self._line

    async def _associate(self) -> Association:
        self._hang_up()
        try:
            self._line = await associate(self, [Proposal(VERIFICATION, PLAIN), *self._asked_for])
        except AssociationRejected as rejected:
            raise ConnectionRefusedError(str(rejected)) from None
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.abort()
            self._line = None
