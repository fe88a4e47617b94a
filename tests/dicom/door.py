"""A process with nothing but the DICOM door, so that its memory, threads and descriptors can be counted from outside.

python -m tests.dicom.door ours|leaky|stock FOLDER [SETTING=VALUE …]      prints its port
"""

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

from connectors.dicom_listener import DicomListener
from tests.dicom.peers import US

ROOT = Path(__file__).parents[2]


class Forgetful:
    """A `DicomIntake` that keeps nothing, so that what grows is the door's."""

    async def received(self, received):
        return False

    async def reported(self, report):
        pass

    def turned_away(self, why, peer):
        pass


class Leaky(DicomListener):
    """Forgets a descriptor, a thread and some memory with each association: what is counted must show it."""

    def lets_in(self, address, ae_title=None):
        if ae_title is not None:
            _LEAKED.append((os.open(os.devnull, os.O_RDONLY), bytes(range(256)) * 400))
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        return super().lets_in(address, ae_title)


_LEAKED = []


async def serve(kind, folder, settings):
    peers = ("ANY@127.0.0.1", f"{US}@127.0.0.1")
    await kind(ae_title=US, port=0, peers=peers, **settings).serve(Forgetful(), Path(folder), _say)


def serve_stock():
    """The library's own server, as it comes, with the transfer syntax that ours never grants."""

    def store(event):
        return 0x0000 if event.dataset.SOPInstanceUID else 0xC000

    ae = AE(US)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, [*context.transfer_syntax, DeflatedExplicitVRLittleEndian])
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    _say(f":{server.server_address[1]}")
    threading.Event().wait()


def _say(where):
    sys.stdout.write(where.rpartition(":")[2] + "\n")
    sys.stdout.flush()


class Door:
    """A door's process, looked at from outside (Linux)."""

    def __init__(self, process, port, folder):
        self.process, self.port, self.folder = process, port, folder

    def forget_peak(self):
        """Count from now on what its memory was at most."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", "ascii")

    def resident(self):
        """Return its resident memory in bytes: now, and the most that it was."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        return int(fields["VmRSS"].split()[0]) * 1024, int(fields["VmHWM"].split()[0]) * 1024

    def threads(self):
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def descriptors(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@contextmanager
def door(folder, kind="ours", **settings):
    """Run a door in a process of its own: ours, one of ours that leaks, or the library's stock server."""
    given = [f"{name}={value}" for name, value in settings.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.dicom.door", kind, str(folder), *given],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield Door(process, int(process.stdout.readline()), folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    _, name, where, *given = sys.argv
    if name == "stock":
        serve_stock()
    else:
        chosen = {key: float(value) for key, value in (one.split("=") for one in given)}
        asyncio.run(serve(Leaky if name == "leaky" else DicomListener, where, chosen))
