"""A process with nothing but the DICOM door, so that its memory, threads and descriptors can be counted from outside.

python -m tests.dicom.door FOLDER [SETTING=VALUE …]      prints its port
"""

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

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


async def main(folder, settings):
    door = DicomListener(ae_title=US, port=0, peers=("ANY@127.0.0.1", f"{US}@127.0.0.1"), **settings)
    await door.serve(Forgetful(), Path(folder), _say)


def _say(where):
    sys.stdout.write(where.rpartition(":")[2] + "\n")
    sys.stdout.flush()


class Door:
    """A door's process, looked at from outside (Linux)."""

    def __init__(self, process, port):
        self.process, self.port = process, port

    def resident(self):
        """Return its resident memory in bytes: now, and the most that it ever was."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        return int(fields["VmRSS"].split()[0]) * 1024, int(fields["VmHWM"].split()[0]) * 1024

    def threads(self):
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def descriptors(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@contextmanager
def door(folder, **settings):
    """Run a door in a process of its own."""
    given = [f"{name}={value}" for name, value in settings.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.dicom.door", str(folder), *given], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield Door(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], {name: float(value) for name, value in (a.split("=") for a in sys.argv[2:])}))
