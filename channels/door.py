"""The door behind a source connector: check, ask each channel, commit, answer. In this order and no other."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import orjson

from channels import kind as kinds
from channels.channel import Channel
from connectors.base import Answer, Arrival, Compose, IdentityConflict, StoreUnavailable
from messages.message import Message
from messages.problem import Problem, Problems
from store import reads
from store.store import NewArrival, NewMessage, OtherBytes, Refusal, Store
from store.writer import Unavailable
from transformers.base import HasDoorRules

log = logging.getLogger(__name__)

#: What the door warns of, for one message.
Warned = tuple[Problem, ...]


class Door:
    """The intake of all channels that share one source connector. Implements `connectors.base.Intake`."""

    def __init__(
        self, name: str, store: Store, channels: Sequence[Channel], ring: Callable[[Iterable[int]], None]
    ) -> None:
        self.name = name
        self._store = store
        self._ring = ring
        #: Replaced as a whole when a channel changes.
        self.channels = tuple(channels)

    async def accept(self, arrival: Arrival, compose: Compose) -> Answer:
        """See `connectors.base.Intake.accept`."""
        try:
            messages, given, broken, warned = self._admit(arrival)
        except Problems as problems:
            return await self._refuse_unless_known(arrival, problems, None)
        if broken:
            return await self._refuse_unless_known(arrival, Problems(broken), given)
        identity = arrival.identity or given or _digest(arrival.body)
        try:
            stored = await self._store.receive(
                NewArrival(
                    door=self.name, peer=arrival.peer, identity=identity, content_type=arrival.content_type,
                    body=arrival.body, messages=messages, compose=lambda made: _parts(compose(_warned(made, warned))),
                )
            )  # fmt: skip
        except OtherBytes:
            await self.refuse(arrival, Problems.one("IDENTITY_CONFLICT", "this identity came before with other bytes"))
            raise IdentityConflict from None
        except Unavailable as error:
            raise StoreUnavailable("the message could not be stored") from error
        if not stored.repeated:
            self._ring({number for message in messages for number, _ in message.destinations})
        return Answer(status=stored.status, body=stored.body, headers=stored.headers)

    def _admit(self, arrival: Arrival) -> tuple[list[NewMessage], str | None, list[Problem], list[Warned]]:
        """Return the messages to be, the identity that the content gives, the rules that they break, and the warnings.

        Raises:
            Problems: the document is not valid, no channel takes it, or one of them cannot.
            StoreUnavailable: a channel that takes it has its door closed.
        """
        if not self.channels:
            raise StoreUnavailable("no channel is running behind this door")
        document = self.channels[0].transformer.check(arrival.body)
        messages: list[NewMessage] = []
        broken: list[Problem] = []
        warned: list[Warned] = []
        identity = None
        now = datetime.now(UTC)
        for channel in self.channels:
            for admission in channel.transformer.admit(document):
                if channel.state != "started":
                    raise StoreUnavailable(f"channel {channel.name} is {channel.state}")
                identity = identity or admission.identity
                if isinstance(channel.transformer, HasDoorRules):
                    broken += channel.transformer.refusals(document, admission.focus, now)
                found: Warned = ()
                if channel.kind is not None:
                    found = kinds.at_door(*channel.kind, admission.facts, self._store.connection, admission.focus)
                warned.append(found)
                messages.append(
                    NewMessage(
                        channel=channel.number, channel_name=channel.name, revision=channel.revision,
                        focus=admission.focus, about=admission.about, index=dict(admission.index), key=admission.key,
                        destinations=[(d.number, d.ordinal) for d in channel.destinations],
                    )
                )  # fmt: skip
        if not messages:
            raise Problems(
                [Problem(code="NO_CHANNEL", text="no channel takes this message", issue_type="not-supported")]
            )
        return messages, identity, broken, warned

    async def _refuse_unless_known(self, arrival: Arrival, problems: Problems, given: str | None) -> Answer:
        """Give the stored answer to a resend of what was accepted before the rules changed; else refuse.

        `given` is the identity that the content gives.
        """
        identity = arrival.identity or given or _digest(arrival.body)
        known = self._store.answer_of(self.name, identity, arrival.body)
        if known is not None:
            return Answer(status=known.status, body=known.body, headers=known.headers)
        await self.refuse(arrival, problems)
        raise problems

    async def refuse(self, arrival: Arrival, problems: Problems) -> None:
        """See `connectors.base.Intake.refuse`."""
        first = problems.problems[0]
        reason = [{"code": p.code, "text": p.text, "expression": p.expression} for p in problems.problems]
        try:
            await self._store.refuse(
                Refusal(
                    door=self.name, peer=arrival.peer, code=first.code, reason=orjson.dumps(reason).decode(),
                    content_type=arrival.content_type, body=arrival.body,
                )
            )  # fmt: skip
        except Unavailable as error:
            raise StoreUnavailable("the refusal could not be recorded") from error
        log.info("refused", extra={"door": self.name, "code": first.code, "bytes": len(arrival.body)})

    def state(self, message_id: str) -> Sequence[Mapping[str, object]] | None:
        """See `connectors.base.Intake.state`."""
        line = reads.line(self._store.connection, message_id)
        if line is None:
            return None
        return [
            {"destination": d.destination, "status": d.status, "reason": d.reason, "at": d.changed_at}
            for d in line.deliveries
        ]


def _warned(made: Sequence[Message], warned: Sequence[Warned]) -> Sequence[Message]:
    """Return messages with what the door warns of."""
    if not any(warned):
        return made
    return [replace(message, warnings=found) for message, found in zip(made, warned, strict=True)]


def _digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _parts(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    return answer.status, dict(answer.headers), answer.body
