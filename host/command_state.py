"""`plugin-host start`, `stop`, `pause`, `resume`."""

from __future__ import annotations

from pathlib import Path

import click

from channels.control import NoSuchChannel
from host.command_access import control_of, opened_store, who
from host.command_line import complete_channel, json_option, print_json, site_option, suggestion
from store import directory


def _state_command(name: str, state: str, text: str) -> click.Command:
    @click.command(name=name, help=text)
    @click.argument("channel", shell_complete=complete_channel)
    @click.option("--reason", help="Why; shown on the status page.")
    @site_option
    @json_option
    def command(channel: str, reason: str | None, site: Path, as_json: bool) -> None:
        with opened_store(site) as store, control_of(store) as control:
            try:
                control.set_state(channel, state, by=who(), reason=reason)
            except NoSuchChannel:
                names = [row.name for row in directory.channels(store.connection)]
                raise click.UsageError(f"There is no channel '{channel}': {suggestion(channel, names)}") from None
        if as_json:
            print_json(channel=channel, state=state)
        else:
            click.echo(f"{channel}: {state}")

    return command


start_command = _state_command("start", "started", "Start a channel: its door and its lanes.")
resume_command = _state_command("resume", "started", "Open a paused channel's door again.")
pause_command = _state_command("pause", "paused", "Close a channel's door; what it has is still delivered.")
stop_command = _state_command("stop", "stopped", "Stop a channel: its door and its lanes; what waits stays stored.")
