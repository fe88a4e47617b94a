"""Reads what has changed on a FHIR R4 server, such as OmegaAI's, and hands on each version once.

It asks for what was updated since the last look, and a little before, for changes are not listed in the order in which
they become visible; what was handed on already is left out. Deletions are not seen this way. Notifications
(Subscription) may be lost, doubled or reordered: this is what makes good for them.
Source: FHIR R4 search.html (_lastUpdated, _include, paging), http.html (Prefer: handling=strict).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode, urlsplit

from connectors.base import Answer, Arrival, IdentityConflict, Intake, StoreUnavailable
from connectors.fhir_changes import Change, changes
from connectors.fhir_client import ACCEPT, FORM, STRICTLY, Call, FhirClient, FhirServer
from connectors.fhir_hints import Hints
from connectors.fhir_read import next_page
from connectors.fhir_reply import read_refusal, read_resource
from connectors.fhir_watermark import Watermark
from messages.problem import Problems

logger = logging.getLogger(__name__)

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(kw_only=True)
class FhirPoller(FhirServer):
    """SourceConnector that searches a FHIR R4 server for changes. What it hands on is a Bundle of type collection."""

    resource_type: str = field(metadata={"help": "Type of the resources to read, such as Appointment."})
    criteria: tuple[str, ...] = field(
        default=(), metadata={"help": "Further search parameters as name=value, such as status=proposed,booked."}
    )
    include: tuple[str, ...] = field(
        default=(), metadata={"help": "What comes along (_include), such as Appointment:actor."}
    )
    include_iterate: tuple[str, ...] = field(
        default=(), metadata={"help": "What comes along with that (_include:iterate), such as Slot:schedule."}
    )
    every: float = field(default=30.0, metadata={"help": "Seconds between two looks."})
    overlap: float = field(default=60.0, metadata={"help": "Seconds that each look begins before the last change."})
    page: int = field(default=50, metadata={"help": "Resources asked for at once (_count)."})
    begin: Literal["now", "beginning"] = field(
        default="now", metadata={"help": "What the very first look reads: changes from now on, or all there is."}
    )
    hints_port: int | None = field(
        default=None,
        metadata={"help": "TCP port for notifications of Subscriptions, each of which causes a look; empty: none."},
    )
    hints_host: str = field(default="127.0.0.1", metadata={"help": "Address to listen at for notifications."})
    hints_secret: str | None = field(
        default=None,
        metadata={"help": "What notifications carry as Authorization: Bearer, as ${secret:NAME}.", "secret": True},
    )
    state_folder: str = field(metadata={"help": "Folder for the file that says how far was read."})

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show.

        Raises:
            ValueError: names the field and what it must be.
        """
        super().__post_init__()
        if any("=" not in text for text in self.criteria):
            raise ValueError("criteria must be written name=value")
        if self.hints_port is not None and self.hints_secret is None and self.hints_host not in _LOOPBACK:
            raise ValueError("hints_secret is needed where notifications come from other machines")
        if self.every <= 0 or self.overlap < 0 or self.page < 1:
            raise ValueError("every and page must be above 0, overlap not below")

    async def serve(self, intake: Intake, ready: Callable[[str], None]) -> None:
        """Look every `every` seconds until cancelled. While the channels take nothing it waits and reads again.

        Raises:
            OSError: the server cannot be reached or will not be searched, or the state not be kept.
        """
        begin = datetime.now(UTC) if self.begin == "now" else None
        subject = f"{self.base} {self.resource_type} {' '.join(self.criteria)}"
        watermark = Watermark.load(Path(self.state_folder), subject, begin)
        client = FhirClient(self)
        hints = Hints(self.hints_host, self.hints_port or 0, self.hints_secret, self.secrets_folder)
        listening = asyncio.create_task(hints.serve(ready)) if self.hints_port is not None else None
        if listening is not None:
            listening.add_done_callback(lambda _: hints.bell.set())
        try:
            await client.reach()
            ready(urlsplit(self.base).netloc)
            while True:
                hints.bell.clear()
                await self._look(client, intake, watermark)
                await self._next_look(hints.bell, listening)
                await client.reach()
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            await client.close()

    async def _next_look(self, bell: asyncio.Event, listening: asyncio.Task[None] | None) -> None:
        """Wait for the time, or for a notification: a hint that comes while we look is not lost."""
        if listening is None or not listening.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    await bell.wait()
        if listening is not None and listening.done():
            listening.result()  # the door for notifications is gone: said, and opened again by the host

    async def _look(self, client: FhirClient, intake: Intake, watermark: Watermark) -> None:
        """Hand on what is new. How far that came counts only when every page was read: not all servers sort."""
        read: dict[str, datetime] = {}
        call: Call | None = self._first_page(watermark)
        while call is not None:
            answer = await client.ask(call, "")
            if read_refusal(answer) is not None:  # its reason may quote what was searched for: the status says enough
                raise ConnectionError(f"the server will not be searched ({answer.status})")
            bundle = read_resource(answer)
            for change in changes(bundle, self.resource_type, self.base):
                known = change.name in watermark.seen or change.name in read
                if not known and not await self._hand_on(intake, change):
                    return
                read[change.name] = change.updated
            call = next_page(bundle, self.base)
        watermark.advance(read, self.overlap)

    async def _hand_on(self, intake: Intake, change: Change) -> bool:
        """Hand a version on, once for all: also where it is refused, which is recorded. False: it is not stored."""
        arrival = Arrival(
            body=change.body,
            content_type=ACCEPT,
            peer=urlsplit(self.base).hostname or "",
            identity=f"poll:{change.name}",
        )
        try:
            await intake.accept(arrival, lambda _: Answer(status=200, body=b""))
        except Problems as refused:
            logger.info("refused", extra={"peer": arrival.peer, "code": refused.problems[0].code})
        except IdentityConflict:  # after a restart: read before, and what came along with it has changed since
            logger.info("read before", extra={"peer": arrival.peer})
        except StoreUnavailable:
            logger.warning("not taken now; it is read again", extra={"peer": arrival.peer})
            return False
        return True

    def _first_page(self, watermark: Watermark) -> Call:
        form = [(name, value) for name, _, value in (text.partition("=") for text in self.criteria)]
        since = watermark.since(self.overlap)
        form += [("_lastUpdated", f"ge{since}")] if since else []
        form += [("_include", text) for text in self.include]
        form += [("_include:iterate", text) for text in self.include_iterate]
        form += [("_sort", "_lastUpdated"), ("_count", str(self.page))]
        return Call(
            method="POST", path=f"/{self.resource_type}/_search", content=urlencode(form).encode(), content_type=FORM,
            headers=STRICTLY, repeatable=True,
        )  # fmt: skip
