"""The connections to the DICOM door that are open: no more than the settings allow, from nobody whom they do not name.

Nobody's bytes are read before address and number of connections are found good.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from connectors.dicom_base import DicomIntake
from connectors.dicom_incoming import Shelf
from connectors.dicom_listener import DicomListener
from connectors.dicom_reception import Manners, Reception
from connectors.dicom_tls import server_tls
from connectors.dicom_wire import Wire
from connectors.guests import Guests
from messages.turned_away import TurnedAway

log = logging.getLogger(__name__)

#: Addresses that nobody named of which the log speaks.
_STRANGERS = 1000


class Hall:
    """The connections that are open, no more than the settings allow."""

    def __init__(self, settings: DicomListener, intake: DicomIntake, folder: Path) -> None:
        """Prepare the folder and the certificates. Raises OSError: one of them cannot be had."""
        _clear_out(folder)
        self._settings = settings
        self._tls = _tls(settings)
        self._manners = Manners(
            ae_title=settings.ae_title,
            lets_in=settings.lets_in,
            intake=intake,
            shelf=Shelf(folder=folder, max_bytes=settings.max_instance_bytes),
            idle_within=settings.idle_within,
            start_within=settings.start_within,
            associations=asyncio.BoundedSemaphore(settings.associations),
        )
        self._guests = Guests(settings.connections, settings.connections_per_address)
        self._strangers: set[str] = set()

    def door(self) -> Wire:
        """Return what takes one connection."""
        return _Entering(self)

    def enter(self, wire: _Entering, transport: asyncio.Transport) -> None:
        """Let a connection in, or hang up."""
        name = transport.get_extra_info("peername")
        address = name[0] if name else "unknown"
        if not self._settings.lets_in(address):
            if address not in self._strangers and len(self._strangers) < _STRANGERS:  # each once, a flood not at all
                self._strangers.add(address)
                log.warning("a peer that nobody named was hung up on", extra={"peer": address})
            self._turn_away(TurnedAway.ADDRESS, address, wire)
            return
        if not self._guests.have_room(address):
            self._turn_away(TurnedAway.CONNECTIONS, address, wire)
            return
        if self._tls is not None:
            transport.pause_reading()  # the first bytes are TLS's, not ours
        reception = Reception(self._manners, wire, address)
        self._guests.welcome(reception, address, self._receive(reception, wire, transport))

    async def _receive(self, reception: Reception, wire: _Entering, transport: asyncio.Transport) -> None:
        if self._tls is not None:
            try:
                await wire.encrypt(transport, self._tls, self._settings.start_within)
            except OSError as error:  # ssl.SSLError is one
                log.warning("a peer cannot do our TLS", extra={"peer": reception.peer, "error": type(error).__name__})
                self._turn_away(TurnedAway.TLS, reception.peer, wire)
                return
        await reception.run()

    def _turn_away(self, why: TurnedAway, address: str, wire: Wire) -> None:
        wire.close()
        self._manners.intake.turned_away(why, address)

    async def clear(self, within: float) -> None:
        """End all: the idle ones now, those with an instance under way after its answer."""
        await self._guests.clear(within)


class _Entering(Wire):
    """A connection that somebody opens to us."""

    def __init__(self, hall: Hall) -> None:
        super().__init__()
        self._hall: Hall | None = hall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        hall, self._hall = self._hall, None
        if hall is not None and isinstance(transport, asyncio.Transport):
            hall.enter(self, transport)


def _clear_out(folder: Path) -> None:
    """Remove what a process that was killed had begun: nobody was told that we have it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for part in folder.glob("*.part"):
        part.unlink()


def _tls(settings: DicomListener) -> ssl.SSLContext | None:
    if settings.certificate_file is None or settings.key_file is None:
        return None
    return server_tls(settings.certificate_file, settings.key_file, settings.client_ca_file)
