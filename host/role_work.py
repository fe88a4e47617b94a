"""The work process: the lanes of channels whose transformer is heavy, such as PDF. It holds up nobody else's."""

from __future__ import annotations

import os

from host import role_lanes
from host.roles import Process

#: Where processors are short, the others go first.
_NICENESS = 10


async def body(process: Process) -> None:
    """Run the lanes of heavy channels, and follow what people change."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    await role_lanes.deliver(process, heavy=True)
