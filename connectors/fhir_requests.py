"""Jobs asked for in plain JSON at the FHIR door: each becomes the Bundle that channels map, and is then taken in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from connectors.base import Answer, Arrival, Compose, Intake
from connectors.plain_request import Kind, bundle_of
from messages.problem import Problems


class RequestIntake:
    """The intake behind `/channels/KIND/requests`; what rests in the store is the Bundle. An `Intake`."""

    def __init__(self, intake: Intake, kind: Kind) -> None:
        self._intake, self._kind = intake, kind

    async def accept(self, arrival: Arrival, compose: Compose) -> Answer:
        """See `Intake.accept`."""
        try:
            body = bundle_of(self._kind, arrival.body)
        except Problems as problems:
            await self._intake.refuse(arrival, problems)
            raise
        return await self._intake.accept(dataclasses.replace(arrival, body=body), compose)

    async def refuse(self, arrival: Arrival, problems: Problems) -> None:
        """See `Intake.refuse`."""
        await self._intake.refuse(arrival, problems)

    def state(self, message_id: str) -> Sequence[Mapping[str, object]] | None:
        """See `Intake.state`."""
        return self._intake.state(message_id)
