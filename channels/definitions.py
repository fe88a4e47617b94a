"""Definitions that a message refers to and does not bring, such as a form's Questionnaire: read once, then kept.

A message whose definition is being read waits in its lane, and its page says so; the others go on. What the server
does not have is left to the transformer, which parks the message.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from channels import registry
from channels.kind import Wait
from channels.settings import build
from messages.lifecycle import Status
from messages.problem import Problems
from store import definitions
from store.connection import Connection
from store.store import Store, Work
from store.writer import Unavailable
from transformers.base import NeedsDefinitions, Transformer

log = logging.getLogger(__name__)

#: Seconds between looks whether a definition has come; and between asking a server that did not answer.
_LOOK, _PAUSE = 0.5, 10.0


class Source(Protocol):
    """A connector that holds definitions."""

    async def read(self, kind: str, canonical: str) -> Mapping[str, Any] | None:
        """Return the definition; None when there is none. Raises OSError."""
        ...


def learn(transformer: Any, document: Any, connection: Connection) -> bool:
    """Give a transformer the definitions that a document lacks and the store has; say whether there were any."""
    if not isinstance(transformer, NeedsDefinitions):
        return False
    found = [(name, definitions.find(connection, name)) for name in transformer.missing(document)]
    learned = [transformer.learn(name, body) for name, body in found if body is not None]
    return any(learned)


def load(transformer: Transformer, body: bytes, connection: Connection) -> Any:
    """Parse a stored message; it is completed with the definitions that it lacks and the store has. Raises Problems."""
    document = transformer.load(body)
    if learn(transformer, document, connection):
        document = transformer.load(body)
    return document


class Definitions:
    """Those of one channel."""

    def __init__(self, plan: Mapping[str, Any], transformer: Any, store: Store) -> None:
        """`plan`: connector, station, settings and type of the definitions."""
        self._plan = plan
        self._transformer = transformer
        self._store = store
        self._reading: dict[str, asyncio.Task[None]] = {}
        #: Why a definition could not be read, by its canonical; "" when the server does not have it.
        self._failed: dict[str, str] = {}

    def wait(self, work: Work) -> Wait | None:
        """Return for what a message that is to be mapped waits; None: it need not wait."""
        if work.delivery.status is not Status.RECEIVED:
            return None
        try:
            document = load(self._transformer, work.message.body, self._store.connection)
        except Problems:
            return None  # the mapping says what is wrong with it
        for canonical in self._transformer.missing(document):
            failed = self._failed.pop(canonical, None) if canonical not in self._reading else None
            if failed == "":
                continue
            if failed is not None:
                reason = f"waits for its {self._plan['type']}: {self._plan['station']} does not give it ({failed})"
                return Wait(reason=reason, seconds=_PAUSE)
            if canonical not in self._reading:
                self._reading[canonical] = asyncio.create_task(self._read(canonical))
            reason = f"waits for its {self._plan['type']}: it is read from {self._plan['station']}"
            return Wait(reason=reason, seconds=_LOOK)
        return None

    async def _read(self, canonical: str) -> None:
        try:
            source: Source = build(registry.load("connector", self._plan["connector"]), self._plan["settings"])
            found = await source.read(self._plan["type"], canonical)
            body = orjson.dumps(found)
            if found is None or not self._transformer.learn(canonical, body):
                self._failed[canonical] = ""
            else:
                await self._store.writer.run(functools.partial(definitions.keep, canonical=canonical, body=body))
        except (OSError, Unavailable) as error:
            log.warning("a definition could not be read", extra={"station": self._plan["station"], "error": str(error)})
            self._failed[canonical] = type(error).__name__
        finally:
            del self._reading[canonical]

    async def close(self) -> None:
        """Read no more."""
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
