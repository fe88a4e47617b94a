"""One MLLP connection from a sender: every complete message gets exactly one answer, in order, one at a time.

While a message is being stored nothing more is read: the sender waits in TCP, not in our memory.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.base import Answer, Arrival, IdentityConflict, Intake, StoreUnavailable
from connectors.mllp_answers import NO_HEADER, Header, acknowledge, read_header
from connectors.mllp_batch import answer_batch, is_batch, read_batch
from connectors.mllp_framing import Deframer, FramingError, frame
from messages.message import Message
from messages.problem import Problem, Problems

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/hl7-v2"
_READ = 65536

#: So much of a broken message is kept for a person to look at.
_QUARANTINED = 65536

FRAME_INVALID = "FRAME_INVALID"
FRAME_CUT_SHORT = "FRAME_CUT_SHORT"
TOO_MUCH_AT_ONCE = "TOO_MUCH_AT_ONCE"

MSH_UNREADABLE = Problem(
    code="MSH_UNREADABLE",
    text="The message does not begin with a readable MSH segment.",
    expression="MSH",
    issue_type="not-supported",
)
CONTROL_ID_MISSING = Problem(
    code="CONTROL_ID_MISSING", text="MSH-10 is empty.", expression="MSH-10", issue_type="required"
)
IDENTITY_CONFLICT = Problem(
    code="IDENTITY_CONFLICT",
    text="Other content came before with the same MSH-3, MSH-4 and MSH-10; this one was not stored.",
    expression="MSH-10",
    issue_type="duplicate",
)
STORE_UNAVAILABLE = Problem(
    code="STORE_UNAVAILABLE", text="Not stored; send the same message again later.", issue_type="transient"
)
INTERNAL_ERROR = Problem(
    code="INTERNAL_ERROR", text="Not stored; an error on our side, which is in our log.", issue_type="exception"
)


@dataclass(slots=True)
class Held:
    """Bytes of unfinished messages in memory, all connections together."""

    limit: int
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What senders may do; sizes in bytes, times in seconds (settings of MllpListener)."""

    max_bytes: int
    held: Held
    start_within: float
    message_within: float
    idle_within: float
    answer_within: float
    #: A frame may hold a batch (FHS, BHS).
    batches: bool = False


class Conversation:
    """Reads frames, has them accepted, writes the answers, until one side has enough."""

    def __init__(
        self,
        intake: Intake,
        manners: Manners,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
    ) -> None:
        self._intake = intake
        self._manners = manners
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._deframer = Deframer(manners.max_bytes)
        self._limits = {
            "start": manners.start_within,
            "message": manners.message_within,
            "idle": manners.idle_within,
        }
        self._holding = 0
        self._has_answered = False
        #: A message is in work: its answer is awaited.
        self.busy = False
        #: Hang up after the answer in work.
        self.last = False

    async def run(self) -> None:
        """Converse until the sender hangs up, breaks the rules, or is told to go."""
        connected = self._writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._writer.transport.set_write_buffer_limits(high=0)  # so that drain means: the system has it all
        try:
            await self._converse()
        except FramingError as fault:
            await self._refuse_frame(FRAME_INVALID, f"Not MLLP: {fault}.")
        except MemoryError:
            await self._refuse_frame(TOO_MUCH_AT_ONCE, "Too many unfinished messages at once; send it again later.")
        except TimeoutError:
            if self._deframer.inside:
                await self._refuse_frame(FRAME_CUT_SHORT, "The message did not come to its end in time.")
        except OSError:
            if self._deframer.inside:
                await self._refuse_frame(FRAME_CUT_SHORT, "The connection was lost in the middle of a message.")
        finally:
            self._hold(0)
            self._writer.transport.abort()

    async def _converse(self) -> None:
        clock = asyncio.get_running_loop().time
        phase = self._phase
        deadline = clock() + self._limits[phase]
        while not self.last:
            async with asyncio.timeout_at(deadline):
                data = await self._reader.read(_READ)
            if not data:
                raise ConnectionResetError("the sender hung up")
            answered = await self._take(data)
            if answered or self._phase != phase:  # more of the same message, or of the same junk, wins no time
                phase = self._phase
                deadline = clock() + self._limits[phase]

    @property
    def _phase(self) -> Literal["start", "message", "idle"]:
        """What is waited for: a message to begin, its end, or a next one some time."""
        if self._deframer.inside:
            return "message"
        return "idle" if self._has_answered and self._deframer.at_rest else "start"

    async def _take(self, data: bytes) -> bool:
        """Answer every message that `data` completes; return whether there was one."""
        deframer = self._deframer
        truncated = deframer.truncated
        payloads = deframer.feed(data)
        self._hold(deframer.held)
        if deframer.truncated > truncated:
            await self._refuse_frame(FRAME_CUT_SHORT, "A message began before the one before it had ended.", b"")
        for payload in payloads:
            await self._answer(payload)
            self._has_answered = True
        if deframer.fault is not None:
            raise deframer.fault
        return bool(payloads)

    def _hold(self, size: int) -> None:
        """Count what this connection holds.

        Raises:
            MemoryError: all connections together hold more than they may.
        """
        held = self._manners.held
        held.bytes += size - self._holding
        self._holding = size
        if size and held.bytes > held.limit:
            raise MemoryError

    async def _answer(self, payload: bytes) -> None:
        self.busy = True
        try:
            is_several = self._manners.batches and is_batch(payload)
            answer = await (self._accept_batch(payload) if is_several else self._accept(payload))
            async with asyncio.timeout(self._manners.answer_within):
                self._writer.write(frame(answer))
                await self._writer.drain()
        finally:
            self.busy = False

    async def _accept(self, payload: bytes) -> bytes:
        """Have the message accepted or refused; return the acknowledgement."""
        header = read_header(payload)
        arrival = Arrival(body=payload, content_type=CONTENT_TYPE, peer=self._peer, identity=header.identity)
        if arrival.identity is None:
            problem = CONTROL_ID_MISSING if header.fields else MSH_UNREADABLE
            await self._record(arrival, problem)
            return acknowledge(header, [problem])
        try:
            return (await self._intake.accept(arrival, functools.partial(_accepted, header))).body
        except Problems as refused:
            return acknowledge(header, refused.problems)
        except IdentityConflict:
            return acknowledge(header, [IDENTITY_CONFLICT])
        except StoreUnavailable:
            return acknowledge(header, [STORE_UNAVAILABLE])
        except Exception as bug:  # noqa: BLE001 - whatever it is, the sender must hear that its message is not stored
            # Without its words and trace: they may hold a value of the message.
            logger.error("bug while accepting", extra={"peer": self._peer, "error": type(bug).__name__})  # noqa: TRY400 - a traceback may quote what came
            return acknowledge(header, [INTERNAL_ERROR])

    async def _accept_batch(self, payload: bytes) -> bytes:
        batch = read_batch(payload)
        if batch.problem is not None:
            await self._record(Arrival(body=payload, content_type=CONTENT_TYPE, peer=self._peer), batch.problem)
            return answer_batch(batch, [acknowledge(NO_HEADER, [batch.problem])])
        return answer_batch(batch, [await self._accept(message) for message in batch.messages])

    async def _refuse_frame(self, code: str, text: str, body: bytes | None = None) -> None:
        """Record what came of a message that cannot be answered, since it never was complete."""
        if body is None:
            body = self._deframer.unfinished[:_QUARANTINED]
        arrival = Arrival(body=body, content_type=CONTENT_TYPE, peer=self._peer)
        await self._record(arrival, Problem(code=code, text=text, issue_type="structure"))

    async def _record(self, arrival: Arrival, problem: Problem) -> None:
        """Record a refusal; where the store cannot, it stands in the log, and the sender is answered all the same."""
        logger.warning("refused", extra={"code": problem.code, "peer": self._peer, "bytes": len(arrival.body)})
        try:
            await self._intake.refuse(arrival, Problems([problem]))
        except StoreUnavailable:
            logger.error("refusal not recorded", extra={"code": problem.code, "peer": self._peer})  # noqa: TRY400 - a traceback may quote what came


def _accepted(header: Header, _: Sequence[Message]) -> Answer:
    return Answer(status=200, body=acknowledge(header))
