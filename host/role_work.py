"""The work process: the lanes of channels whose transformer is heavy, such as PDF. It holds up nobody else's."""

from __future__ import annotations

import os

from host import role_lanes
from host.roles import Process

#: Threads in which typst sets a page: one, so that a form never takes all processors at once. Read at its import.
_THREADS = {"RAYON_NUM_THREADS": "1"}


async def body(process: Process) -> None:
    """Run the lanes of heavy channels, and follow what people change."""
    os.environ.update(_THREADS)
    await role_lanes.deliver(process, heavy=True)
