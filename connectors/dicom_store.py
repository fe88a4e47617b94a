"""C-STORE of many instances as SCU: each once, over as many associations as it takes, and an outcome for every one.

Nothing is decoded: an instance leaves in the transfer syntax of its file, or not at all.
Sources: DICOM PS3.4 B.2.3; PS3.7 9.1.1.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from io import BytesIO
from typing import BinaryIO

from connectors import dicom_command, dicom_status
from connectors.dicom_association import Association, Message
from connectors.dicom_base import Instance, InstanceOutcome, Reference, Verdict
from connectors.dicom_command import number
from connectors.dicom_negotiation import MAX_CONTEXTS, AssociationRejected, Context, Proposal
from connectors.dicom_part10 import Head
from connectors.dicom_station import DicomStation, associate

NOT_ACCEPTED = "not sent: the station does not accept its SOP class in its transfer syntax"
UNREADABLE = "not sent: its file cannot be read"


async def store(station: DicomStation, instances: Sequence[Instance]) -> AsyncIterator[InstanceOutcome]:
    """See `DicomPeer.store`."""
    waiting = deque(instances)
    attempts: Counter[Instance] = Counter()
    failures = 0
    while waiting:
        proposals = _proposals(waiting)
        try:
            line = await associate(station, proposals)
        except OSError as error:
            failures += 1
            if failures >= station.attempts or (isinstance(error, AssociationRejected) and error.is_permanent):
                for outcome in _not_sent(waiting, error, attempts):
                    yield outcome
                return
        else:
            stored_before = len(waiting)
            try:
                async for outcome in _over(line, station, waiting, set(proposals), attempts):
                    yield outcome
            finally:
                # A consumer that stops here must not leave the line open.
                await _end(line)
            failures = 0 if len(waiting) < stored_before else failures + 1
        if waiting and failures:
            await asyncio.sleep(station.retry_after)


async def _over(
    line: Association,
    station: DicomStation,
    waiting: deque[Instance],
    proposed: set[Proposal],
    attempts: Counter[Instance],
) -> AsyncIterator[InstanceOutcome]:
    """Send over one association what it has contexts for; what it does not settle stays in `waiting`."""
    pace = _Pace(station.bytes_per_second)
    while waiting and _proposal(waiting[0]) in proposed:
        instance = waiting[0]
        reference = instance.reference
        context = line.agreement.context(reference.sop_class_uid, instance.transfer_syntax_uid)
        if context is None:
            waiting.popleft()
            yield InstanceOutcome(verdict=Verdict.REFUSED, words=NOT_ACCEPTED, reference=reference, attempts=0)
            continue
        attempts[instance] += 1
        outcome = await _send(line, context, instance, station.answer_within, attempts[instance])
        if outcome.verdict is Verdict.UNANSWERED and attempts[instance] < station.attempts:
            return  # it is sent again over the next association
        waiting.popleft()
        yield outcome
        if not line.stands:
            return
        await pace.keep(instance.size)


async def _send(
    line: Association, context: Context, instance: Instance, within: float, attempt: int
) -> InstanceOutcome:
    status: int | None = None
    try:
        with instance.path.open("rb") as file:
            file.seek(instance.offset)
            data = file, instance.size - instance.offset
            status = await send_instance(line, context, instance.reference, data, within)
        meaning = dicom_status.meaning(status, dicom_status.STORE)
        verdict, words = meaning.verdict, meaning.words
    except (ConnectionError, TimeoutError) as error:
        verdict, words = Verdict.UNANSWERED, str(error) or "no answer in time"
    except (OSError, ValueError):
        verdict, words = Verdict.REFUSED, UNREADABLE
    return InstanceOutcome(verdict=verdict, status=status, words=words, reference=instance.reference, attempts=attempt)


async def send_instance(
    line: Association, context: Context, reference: Reference, data: tuple[BinaryIO, int], within: float
) -> int:
    """Send one instance, its data set from a file that stands at its first byte; return the station's status.

    Raises:
        ConnectionError, TimeoutError: no status that counts; the station may have it.
        ValueError: the file cannot be read to its end.
    """
    message_id = line.next_message()
    command: dict[str, int | str] = {
        "AffectedSOPClassUID": reference.sop_class_uid,
        "CommandField": dicom_command.C_STORE_RQ,
        "MessageID": message_id,
        "Priority": 0,
        "CommandDataSetType": dicom_command.DATA_SET,
        "AffectedSOPInstanceUID": reference.sop_instance_uid,
    }
    await line.send_file(context, command, data[0], data[1], within)
    return _status(line, await line.receive(within), message_id)


async def send_bytes(line: Association, context: Context, head: Head, data: bytes, within: float) -> int:
    """Send one instance whose Part 10 file is in memory; return the station's status. Raises as `send_instance`."""
    file = BytesIO(data)
    file.seek(head.offset)
    return await send_instance(line, context, head.reference, (file, len(data) - head.offset), within)


def _status(line: Association, answer: Message, message_id: int) -> int:
    status = number(answer.command, "Status")
    is_ours = number(answer.command, "MessageIDBeingRespondedTo") == message_id
    if number(answer.command, "CommandField") != dicom_command.C_STORE_RSP or not is_ours or status is None:
        line.abort()  # the next response might be the one for this instance, and be taken for another's
        raise ConnectionError("the station does not answer what it was sent")
    return status


def proposal(sop_class: str, transfer_syntax: str) -> Proposal:
    """Return the context that an instance needs: of its class, in its syntax and no other."""
    return Proposal(sop_class, (transfer_syntax,))


def _proposal(instance: Instance) -> Proposal:
    return proposal(instance.reference.sop_class_uid, instance.transfer_syntax_uid)


def _proposals(waiting: Iterable[Instance]) -> list[Proposal]:
    """Return the contexts for the first of those that wait, as many as one association may have."""
    found: dict[Proposal, None] = {}
    for instance in waiting:
        found[_proposal(instance)] = None
        if len(found) == MAX_CONTEXTS:
            break
    return list(found)


def _not_sent(waiting: Iterable[Instance], error: OSError, attempts: Counter[Instance]) -> Iterable[InstanceOutcome]:
    """Say of those that wait that they were not sent; of one that was once begun nothing is known."""
    is_permanent = isinstance(error, AssociationRejected) and error.is_permanent
    for instance in waiting:
        begun = attempts[instance]
        verdict = Verdict.UNANSWERED if begun else Verdict.REFUSED if is_permanent else Verdict.DEFERRED
        words = f"no association: {error}"
        yield InstanceOutcome(verdict=verdict, words=words, reference=instance.reference, attempts=begun)


async def _end(line: Association) -> None:
    if line.stands:
        await line.release()
    else:
        line.abort()


class _Pace:
    """Keeps to so many bytes a second, over the whole association; 0: does not wait."""

    def __init__(self, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._began = time.monotonic()
        self._sent = 0

    async def keep(self, size: int) -> None:
        if self._rate:
            self._sent += size
            await asyncio.sleep(max(0.0, self._sent / self._rate - (time.monotonic() - self._began)))
