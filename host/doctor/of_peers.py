"""Whom this site calls, and whether they can be reached: names, ports, certificates; and our own doors."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from connectors.http import tls_context
from host.doctor.check import Examined, Told, bad, doubtful, good, together, unknown
from store import directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody that this site calls."""

    station: str
    #: mllp, fhir or dicom.
    kind: str
    host: str
    port: int
    settings: Mapping[str, Any]
    tls: bool = False
    #: A channel calls it; otherwise it only stands in site.yaml.
    used: bool = True


def peers(examined: Examined) -> list[Peer]:
    """Return whom the channels and the comparison of resources call."""
    return [peer for peer in stations(examined) if peer.used]


def stations(examined: Examined) -> list[Peer]:
    """Return whom the channels and the comparison of resources call, and every DICOM station of site.yaml."""
    found: dict[tuple[str, str], Peer] = {}
    for plan in examined.plans():
        for part in (plan["from"], *plan["destinations"].values()):
            peer = _peer(part["connector"], part.get("station") or part["connector"], part["settings"])
            if peer is not None:
                found.setdefault((peer.station, peer.kind), peer)
    if examined.sync is not None:
        station = examined.sync.omegaai_station
        peer = _peer("fhir-sender", station, examined.site.stations[station])
        if peer is not None:
            found.setdefault((peer.station, peer.kind), peer)
    for name, settings, used in _dicom_stations(examined):
        peer = Peer(station=name, kind="dicom", host=str(settings.get("host", "")), port=_port(settings.get("port")),
                    settings=settings, tls=bool(settings.get("tls")), used=used)  # fmt: skip
        found.setdefault((name, "dicom"), peer)
    return list(found.values())


def _dicom_stations(examined: Examined) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield name, settings, and whether a channel calls it; those of jobs stand within their channel's station."""
    parts = [part for plan in examined.plans() for part in (plan["from"], *plan["destinations"].values())]
    named = {part.get("station") for part in parts}
    for part in parts:
        nested = part["settings"].get("dicom")
        for name, settings in nested.items() if isinstance(nested, Mapping) else ():
            if _is_dicom(settings):
                yield name, settings, True
    for name, settings in examined.site.stations.items():
        if _is_dicom(settings):
            yield name, settings, name in named


def _is_dicom(settings: object) -> bool:
    return isinstance(settings, Mapping) and "ae_title" in settings and "host" in settings


def _peer(connector: str, station: str, settings: Mapping[str, Any]) -> Peer | None:
    if connector == "mllp-sender":
        host, port = str(settings.get("host", "")), _port(settings.get("port"))
        return Peer(station=station, kind="mllp", host=host, port=port, settings=settings,
                    tls=settings.get("tls") in {True, "true"})  # fmt: skip
    if connector in {"fhir-sender", "fhir-poller"} and "base" in settings:
        parts = urlsplit(str(settings["base"]))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return Peer(station=station, kind="fhir", host=parts.hostname or "", port=port, settings=settings,
                    tls=parts.scheme == "https")  # fmt: skip
    return None


def _port(value: object) -> int:
    return int(str(value)) if str(value).isdigit() else 0


def none_of(examined: Examined, kind: str, words: str) -> Told | None:
    """Return why a probe is not made: nobody is asked to, or there is no such peer."""
    if examined.offline:
        return unknown("peers are not called (--offline)", "plugin-host doctor")
    if not any(kind in {peer.kind, "any"} for peer in peers(examined)):
        return unknown(f"no channel of this site calls {words}", "")
    return None


async def names(examined: Examined) -> AsyncIterator[Told]:
    """The names of peers are known to the DNS."""
    if (none := none_of(examined, "any", "anybody")) is not None:
        yield none
        return
    for told in await together(_resolve(examined, peer.host, peer.station) for peer in peers(examined)):
        yield told


async def _resolve(examined: Examined, host: str, station: str) -> Told:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(examined.site.doctor.within):
            await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return bad(
            f"the name '{host}' has no address", f"correct stations: {station} in site.yaml, or the DNS", station
        )
    return good(f"'{host}' has an address", station)


async def ports(examined: Examined) -> AsyncIterator[Told]:
    """Peers let us connect."""
    if (none := none_of(examined, "any", "anybody")) is not None:
        yield none
        return
    for told in await together(_connect(examined, peer) for peer in peers(examined)):
        yield told


async def _connect(examined: Examined, peer: Peer) -> Told:
    address = f"{peer.host}:{peer.port}"
    try:
        async with asyncio.timeout(examined.site.doctor.within):
            _, writer = await asyncio.open_connection(peer.host, peer.port)
        writer.close()
    except TimeoutError:
        return bad(f"{address} does not answer within {examined.site.doctor.within} s",
                   "is a firewall between? let this machine's address through", peer.station)  # fmt: skip
    except (OSError, UnicodeError) as error:
        words = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        cure = f"is it running, and is stations: {peer.station} of site.yaml its address?"
        return bad(f"{address} cannot be connected: {words}", cure, peer.station)
    return good(f"{address} can be connected", peer.station)


async def certificates(examined: Examined) -> AsyncIterator[Told]:
    """Certificates of peers lead to an authority that is trusted, and do not end soon."""
    secure = [peer for peer in peers(examined) if peer.tls]
    if examined.offline or not secure:
        yield none_of(examined, "any", "anybody") or unknown("no peer is called by TLS", "")
        return
    for told in await together(_certificate(examined, peer) for peer in secure):
        yield told


async def _certificate(examined: Examined, peer: Peer) -> Told:
    files = [peer.settings.get(name) for name in ("ca_file", "certificate_file", "key_file")]
    try:
        context = tls_context(*(None if file is None else str(file) for file in files))
        async with asyncio.timeout(examined.site.doctor.within):
            _, writer = await asyncio.open_connection(peer.host, peer.port, ssl=context)
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert() or {}
        writer.close()
    except ssl.SSLCertVerificationError as error:
        cure = "name its authority in ca_file, or have the certificate renewed for this name"
        return bad(f"its certificate is not trusted: {error.verify_message}", cure, peer.station)
    except (OSError, TimeoutError) as error:
        return bad(f"no TLS with it ({type(error).__name__})", "does it speak TLS at this port?", peer.station)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (ends - datetime.fromtimestamp(examined.now, UTC)).days
    told = f"its certificate is trusted and lasts {days} more days"
    if days < examined.site.doctor.certificate_days:
        return doubtful(told, f"have it renewed before {ends:%Y-%m-%d}", peer.station)
    return good(told, peer.station)


async def doors(examined: Examined) -> AsyncIterator[Told]:
    """Our own doors are open while the host runs, and free to be opened while it does not."""
    rows = directory.processes(examined.store) if examined.store is not None else []
    alive = [row for row in rows if directory.is_alive(row)]
    opened = {door for row in alive for door in row.doors}
    for plan in examined.plans():
        settings = plan["from"]["settings"]
        if "listener" not in plan["from"]["connector"] or "port" not in settings:
            continue
        host, port = str(settings.get("host", "127.0.0.1")), _port(settings["port"])
        yield _door(host, port, plan["channel"], opened, running=bool(alive))


def _door(host: str, port: int, channel: str, opened: set[str], *, running: bool) -> Told:
    address = f"{host}:{port}"
    if address in opened:
        return good(f"the host listens at {address}", channel)
    if running:
        return bad(f"the host runs, and does not listen at {address}",
                   "plugin-host status says why; is another program at this port?", channel)  # fmt: skip
    with socket.socket() as probe:
        if hasattr(socket, "SO_REUSEADDR"):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return bad(f"{address} cannot be listened at: {error.strerror}",
                       "end the other program, or choose another port in site.yaml", channel)  # fmt: skip
    return good(f"{address} is free for the host", channel)
