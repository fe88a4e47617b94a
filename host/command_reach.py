"""`plugin-host reach`: can the peers of a channel be reached now."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from channels import channel as channels
from host.command_access import opened_store
from host.command_channel import channel_row
from host.command_line import (
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    Failure,
    complete_channel,
    json_option,
    print_json,
    site_option,
)

#: Seconds that one peer is waited for.
PATIENCE = 15.0


@click.command()
@click.argument("channel", shell_complete=complete_channel)
@site_option
@json_option
def reach_command(channel: str, site: Path, as_json: bool) -> None:
    """Open and close a line to each destination of CHANNEL, as its lanes do. No message is sent.

    Exit code 4 when a peer cannot be reached.
    """
    with opened_store(site) as store:
        found = channels.load(store.connection, channel_row(store.connection, channel))
    if found is None:
        raise Failure(EXIT_REFUSED, f"no revision of {channel} runs")
    results = [(destination.name, asyncio.run(_reach(destination))) for destination in found.destinations]
    if as_json:
        print_json(destinations=[{"destination": name, "problem": problem} for name, problem in results])
    for name, problem in () if as_json else results:
        click.echo(f"{name}: {problem or 'reached'}")
    sys.exit(EXIT_UNREACHABLE if any(problem for _, problem in results) else 0)


async def _reach(destination: channels.Destination) -> str | None:
    """Return why a peer cannot be reached; None when it can."""
    connector = destination.connect()
    try:
        async with asyncio.timeout(PATIENCE):
            await connector.open()
    except OSError as error:  # a TimeoutError is one too
        return f"{type(error).__name__}: {error.strerror or 'no answer'}"
    finally:
        await connector.close()
    return None
