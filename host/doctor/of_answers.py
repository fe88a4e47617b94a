"""Probes that ask a peer something: an acknowledgement, a CapabilityStatement, a token, the time, a C-ECHO.

Each asks once, and changes nothing there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from channels.settings import build, mistakes
from connectors.dicom_base import Verdict
from connectors.dicom_peer import DimseStation
from connectors.fhir_client import Call, FhirClient, FhirServer
from connectors.http import HttpAnswer
from connectors.mllp_sender import MllpSender
from connectors.oauth_token import token_source
from host.doctor.check import Examined, Told, bad, doubtful, good, together, unknown
from host.doctor.of_peers import Peer, none_of, peers, stations
from host.resource_sync import settings_of
from messages.health import Mark
from messages.identity import control_id
from messages.lifecycle import Event
from messages.problem import Problems
from store import traffic
from transformers import er7

#: Asks the receiver's application about itself, and changes nothing. HL7 v2.5.1 chapter 14, 14.3.1 (NMQ^N01).
_QUESTION = "MSH|^~\\&|{sending}||{receiving}||{now}||NMQ^N01^NMQ_N01|{control_id}|{processing}|2.5.1\rNST|Y\r"


async def acknowledgements(examined: Examined) -> AsyncIterator[Told]:
    """A test message is acknowledged."""
    if (none := none_of(examined, "mllp", "an HL7 receiver")) is not None:
        yield none
        return
    for peer in peers(examined):
        if peer.kind == "mllp":
            yield await _acknowledge(examined, peer)


async def _acknowledge(examined: Examined, peer: Peer) -> Told:
    if peer.station not in examined.site.doctor.test_message:
        return unknown("this site does not allow test messages to it",
                       f"write doctor: {{ test_message: [{peer.station}] }} in site.yaml where it does no harm",
                       peer.station)  # fmt: skip
    sender: MllpSender = settings_of(examined.site, peer.station, MllpSender, peer.station)
    sender.connect_within = sender.answer_within = float(examined.site.doctor.within)
    number = control_id()
    values = {name: str(examined.site.value(f"endpoint.{name}") or "") for name in ("sending_app", "receiving_app")}
    text = _QUESTION.format(
        sending=values["sending_app"], receiving=values["receiving_app"], control_id=number,
        now=datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000"),
        processing=examined.site.value("endpoint.processing_id") or "P",
    )  # fmt: skip
    try:
        reply = await sender.send(text.encode(), number)
    except OSError as error:
        return bad(f"a test message was not acknowledged: {error}",
                   "does an HL7 receiver listen at this port?", peer.station)  # fmt: skip
    finally:
        await sender.close()
    if reply.event is Event.ACCEPTED:
        return good("a test message was acknowledged (AA)", peer.station)
    return doubtful("a test message was answered, and refused: the line is right, its application takes no NMQ^N01",
                    "", peer.station)  # fmt: skip


async def metadata(examined: Examined) -> AsyncIterator[Told]:
    """FHIR servers are FHIR R4 servers that let us in."""
    if (none := none_of(examined, "fhir", "a FHIR server")) is not None:
        yield none
        return
    for peer in peers(examined):
        if peer.kind == "fhir":
            told, _ = await _metadata(examined, peer)
            yield told


async def _metadata(examined: Examined, peer: Peer) -> tuple[Told, HttpAnswer | None]:
    try:
        server: FhirServer = settings_of(examined.site, peer.station, FhirServer, peer.station)
        server.connect_within = server.answer_within = float(examined.site.doctor.within)
        client = FhirClient(server)
        try:
            answer = await client.ask(Call(method="GET", path="/metadata", repeatable=True), "")
        finally:
            await client.close()
    except (OSError, Problems) as error:
        return bad(f"/metadata cannot be asked for: {error}".splitlines()[0], about=peer.station), None
    return _statement(peer, answer), answer


def _statement(peer: Peer, answer: HttpAnswer) -> Told:
    if answer.status in {401, 403}:
        return bad(f"/metadata answers {answer.status}", "check authority, client_id and scope of the station",
                   peer.station)  # fmt: skip
    if answer.status != 200:
        return bad(f"/metadata answers {answer.status}", f"is base of stations: {peer.station} right?", peer.station)
    version = _version(answer.body)
    if version is None:
        return bad("what answers /metadata is no FHIR server", f"is base of stations: {peer.station} right?",
                   peer.station)  # fmt: skip
    if not version.startswith("4.0"):
        return bad(f"it speaks FHIR {version}, not R4 (4.0)", "use the address of its R4 endpoint", peer.station)
    return good(f"it is a server of FHIR {version}", peer.station)


def _version(body: bytes) -> str | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or document.get("resourceType") != "CapabilityStatement":
        return None
    return str(document.get("fhirVersion", "unknown"))


async def tokens(examined: Examined) -> AsyncIterator[Told]:
    """Tokens are given to us."""
    wanted = [peer for peer in peers(examined) if peer.kind == "fhir" and _needs_token(peer)]
    if examined.offline or not wanted:
        yield none_of(examined, "any", "anybody") or unknown("no station asks for a token", "")
        return
    for peer in wanted:
        yield await _token(examined, peer)


def _needs_token(peer: Peer) -> bool:
    return bool(peer.settings.get("authority") or peer.settings.get("oidc_authority"))


async def _token(examined: Examined, peer: Peer) -> Told:
    try:
        server: FhirServer = settings_of(examined.site, peer.station, FhirServer, peer.station)
        grant = server.grant()
        assert grant is not None  # noqa: S101 - tells the type; only stations with an authority come here
        async with asyncio.timeout(4 * examined.site.doctor.within):
            await token_source(grant).token()
    except (OSError, ValueError) as error:
        return bad(f"no token: {error}".splitlines()[0], "check authority, client_id, secret and scope of the station",
                   peer.station)  # fmt: skip
    return good("a token was given", peer.station)


async def clocks(examined: Examined) -> AsyncIterator[Told]:
    """Clocks of peers and of this machine agree."""
    if (none := none_of(examined, "fhir", "a FHIR server, whose answers carry its time")) is not None:
        yield none
        return
    for peer in peers(examined):
        if peer.kind == "fhir":
            _, answer = await _metadata(examined, peer)
            yield _skew(examined, peer, answer)


def _skew(examined: Examined, peer: Peer, answer: HttpAnswer | None) -> Told:
    said = answer.headers.get("date") if answer is not None else None
    try:
        at = parsedate_to_datetime(said) if said else None
    except ValueError:
        at = None
    if at is None:
        return unknown("its answer says no time", "", peer.station)
    apart = abs((datetime.now(UTC) - at.astimezone(UTC)).total_seconds())
    if apart > examined.site.doctor.clock_seconds:
        return bad(f"its clock and ours are {apart:.0f} s apart", "let NTP set both clocks", peer.station)
    return good(f"its clock and ours are less than {examined.site.doctor.clock_seconds} s apart", peer.station)


async def echoes(examined: Examined) -> AsyncIterator[Told]:
    """DICOM stations answer C-ECHO."""
    asked = [peer for peer in stations(examined) if peer.kind == "dicom"]
    if examined.offline or not asked:
        yield none_of(examined, "dicom", "a DICOM station") or unknown("site.yaml has no DICOM station", "")
        return
    for told in await together(_echo(examined, peer) for peer in asked):
        yield told


async def _echo(examined: Examined, peer: Peer) -> Told:
    told = await _echoed(examined, peer)
    if peer.used or told.mark is Mark.PASS:
        return told
    # Nothing goes there yet: whether it is to answer already, nobody can say from here.
    return unknown(f"{told.found}; no channel of this site calls it yet", told.cure, peer.station)


async def _echoed(examined: Examined, peer: Peer) -> Told:
    wrong = mistakes(DimseStation, peer.settings)
    if wrong:
        return bad(wrong[0][1], f"correct stations: {peer.station} in site.yaml", peer.station)
    station: DimseStation = build(DimseStation, peer.settings)
    station.connect_within = station.answer_within = float(examined.site.doctor.within)
    try:
        outcome = await station.echo()
    except OSError as error:
        cure = f"does it know us as {station.calling_ae_title}, and is its AE title right?"
        return bad(f"no association with {station.ae_title}: {error}", cure, peer.station)
    if outcome.verdict is Verdict.SUCCESS:
        return good(f"{station.ae_title} answers C-ECHO", peer.station)
    return bad(f"{station.ae_title} answers C-ECHO with {outcome.words or outcome.verdict}", about=peer.station)


def last_clock(examined: Examined) -> Iterator[Told]:
    """The clock of PowerServer, by its last acknowledgement."""
    last = traffic.last_answer(examined.store) if examined.store is not None else None
    said = _time_of(last[1]) if last is not None else None
    if last is None or said is None:
        yield unknown("no acknowledgement with a time (MSH-7 with its offset) is stored", "", "PowerServer")
        return
    apart = abs(last[0] - said)
    mark = Mark.FAIL if apart > examined.site.doctor.clock_seconds else Mark.PASS
    yield Told(mark, f"by its last acknowledgement, PowerServer's clock and ours are {apart:.0f} s apart",
               "let NTP set both clocks", "PowerServer")  # fmt: skip


def _time_of(answer: bytes) -> float | None:
    """Return MSH-7 of an acknowledgement; None without an offset: then it could be of any zone."""
    try:
        header = er7.parse(answer).segments[0]
        return datetime.strptime(header[7][0][0][0], "%Y%m%d%H%M%S%z").timestamp()
    except (Problems, ValueError, IndexError):
        return None
