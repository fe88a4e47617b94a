"""The work process: the lanes of channels whose transformer is heavy, such as PDF. It holds up nobody else's."""

from __future__ import annotations

from host import role_lanes
from host.roles import Process


async def body(process: Process) -> None:
    """Run the lanes of heavy channels, and follow what people change."""
    await role_lanes.deliver(process, heavy=True)
