"""What the tests of DICOM share: a listener of ours, an intake in memory, a line that is cut, stations for peers."""

import asyncio
import struct
from contextlib import asynccontextmanager, suppress

from connectors.dicom_listener import DicomListener
from connectors.dicom_peer import DimseStation
from tests.dicom.peers import US


class Kept:
    """A `DicomIntake` in memory; `unavailable` raises as a store does that cannot commit."""

    def __init__(self):
        self.received_ones, self.reports = [], []
        self.unavailable = None

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
async def cut_line(to_port, cut):
    """Run a proxy that passes whole PDUs on; `cut(n, kind)` says whether to break both sides before the n-th one.

    PDUs of both directions are counted together, from 1, over all connections.
    """
    seen = 0
    tasks = set()

    async def passing(reader, writer, other):
        nonlocal seen
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(6)
                kind, _, length = struct.unpack(">BBL", head)
                body = await reader.readexactly(length)
                seen += 1
                if cut(seen, kind):
                    break
                writer.write(head + body)
                await writer.drain()
        for line in (writer, other):
            line.transport.abort()

    async def enter(reader, writer):
        there, out = await asyncio.open_connection("127.0.0.1", to_port)
        tasks.add(asyncio.current_task())
        await asyncio.gather(passing(reader, out, writer), passing(there, writer, out))
        tasks.discard(asyncio.current_task())

    server = await asyncio.start_server(enter, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
