"""What the tests of DICOM share: a listener of ours, an intake in memory, a line that is cut, stations for peers."""

import asyncio
import struct
from contextlib import asynccontextmanager, suppress

from connectors import dicom_command, dicom_negotiation, dicom_pdu
from connectors.dicom_listener import DicomListener
from connectors.dicom_peer import DimseStation
from connectors.dicom_syntaxes import PLAIN
from tests.dicom.peers import US

MR, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"


class Kept:
    """A `DicomIntake` in memory; `unavailable` raises as a store does that cannot commit."""

    def __init__(self):
        self.received_ones, self.reports, self.remembered = [], [], []
        self.unavailable = None
        self.strangers = []

    def turned_away(self, why, peer):
        self.strangers.append((why.value, peer))

    async def received(self, received):
        if self.unavailable:
            raise self.unavailable
        is_new = received.digest not in {other.digest for other in self.received_ones}
        if is_new:
            self.received_ones.append(received)
        return is_new

    async def reported(self, report):
        if self.unavailable:
            raise self.unavailable
        self.reports.append(report)

    async def remember(self, transaction_uid):
        self.remembered.append(transaction_uid)

    async def report_of(self, transaction_uid, within=30.0):
        """Wait for the report of a transaction."""
        async with asyncio.timeout(within):
            while True:
                for report in self.reports:
                    if report.transaction_uid == transaction_uid:
                        return report
                await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(folder, intake, port=0, **settings):
    """Run a listener; give its port."""
    settings = {
        "ae_title": US,
        "port": port,
        "peers": ("ANY@127.0.0.1", "OMEGAAI@127.0.0.1", f"{US}@127.0.0.1"),
        **settings,
    }
    opened = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(DicomListener(**settings).serve(intake, folder, opened.set_result))
    try:
        await asyncio.wait([opened, task], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield int(opened.result().rpartition(":")[2])
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def station(peer, **settings):
    """Return a station for a peer of `peers`, impatient enough for a test."""
    given = {
        "ae_title": peer.ae_title,
        "host": peer.host,
        "port": peer.port,
        "answer_within": 20.0,
        "retry_after": 0.05,
    }
    return DimseStation(**{**given, **settings})


def ours(port, **settings):
    """Return a station for a listener of ours."""
    given = {"ae_title": US, "host": "127.0.0.1", "port": port, "answer_within": 20.0, "retry_after": 0.05}
    return DimseStation(**{**given, **settings})


@asynccontextmanager
async def _serving(enter):
    """Run a server; give its port. At the end all its lines are closed, and what served them has ended."""
    lines = {}

    async def kept(reader, writer):
        lines[asyncio.current_task()] = writer
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await enter(reader, writer)
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        del lines[asyncio.current_task()]

    server = await asyncio.start_server(kept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        tasks = list(lines)
        for task, writer in lines.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def cut_line(to_port, cut):
    """Run a proxy that passes whole PDUs on; `cut(n, kind)` says whether to break both sides before the n-th one.

    PDUs of both directions are counted together, from 1, over all connections.
    """
    seen = 0

    async def passing(reader, writer, other):
        nonlocal seen
        try:
            while True:
                head = await reader.readexactly(6)
                kind, _, length = struct.unpack(">BBL", head)
                body = await reader.readexactly(length)
                seen += 1
                if cut(seen, kind):
                    return
                writer.write(head + body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            for line in (writer, other):
                line.transport.abort()

    async def enter(reader, writer):
        there, out = await asyncio.open_connection("127.0.0.1", to_port)
        await asyncio.gather(passing(reader, out, writer), passing(there, writer, out))
        with suppress(OSError):
            await out.wait_closed()

    async with _serving(enter) as port:
        yield port


class Silent:
    """What a `silent_peer` saw."""

    def __init__(self):
        self.instances = 0
        self.lines = 0


@asynccontextmanager
async def silent_peer(says, answer_within=0.6):
    """Run a peer that grants any association, and after each whole instance does what `says` says, never more.

    `says(writer, context, command)` writes bytes, or closes, or does nothing.
    """
    seen = Silent()
    supported = [dicom_negotiation.support(uid, PLAIN) for uid in (MR, CT)]

    async def enter(reader, writer):
        seen.lines += 1
        try:
            await converse(reader, writer)
        finally:
            seen.lines -= 1

    async def converse(reader, writer):
        command = {}
        while True:
            head = await reader.readexactly(6)
            pdu = head + await reader.readexactly(int.from_bytes(head[2:]))
            if pdu[0] == dicom_pdu.ASSOCIATE_RQ:
                writer.write(dicom_negotiation.grant(dicom_negotiation.read_request(pdu), supported)[0])
            if pdu[0] == dicom_pdu.RELEASE_RQ:
                writer.write(dicom_pdu.release_rp())
            for pdv in dicom_pdu.pdvs(memoryview(pdu)[6:]) if pdu[0] == dicom_pdu.P_DATA else ():
                if pdv.is_command:
                    command = dicom_command.decode(bytes(pdv.fragment))
                elif pdv.is_last:
                    seen.instances += 1
                    says(writer, pdv.context_id, command)

    async with _serving(enter) as port:
        station = DimseStation(
            ae_title="SILENT", host="127.0.0.1", port=port, attempts=2, retry_after=0.01, answer_within=answer_within
        )
        yield station, seen


@asynccontextmanager
async def deaf_peer():
    """Run a peer that grants an association, and then reads nothing any more."""

    async def enter(reader, writer):
        head = await reader.readexactly(6)
        pdu = head + await reader.readexactly(int.from_bytes(head[2:]))
        writer.write(dicom_negotiation.grant(dicom_negotiation.read_request(pdu), supported)[0])
        await asyncio.get_running_loop().create_future()

    supported = [dicom_negotiation.support(CT, PLAIN)]
    async with _serving(enter) as port:
        yield DimseStation(
            ae_title="DEAF", host="127.0.0.1", port=port, attempts=2, retry_after=0.01, answer_within=0.6
        )


def said(context, command, **changed):
    """Return the bytes of a C-STORE-RSP of success, with these elements changed; None leaves one out."""
    answer = {**dicom_command.response(command, 0), **changed}
    encoded = dicom_command.encode({key: value for key, value in answer.items() if value is not None})
    return b"".join(dicom_pdu.p_data(context, encoded, is_command=True, is_last=True))
