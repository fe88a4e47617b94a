"""What the commands that change a channel share: its row, its revisions, a file that is to become one."""

from __future__ import annotations

from pathlib import Path

import click

from host.command_line import EXIT_CONFIGURATION, Failure, suggestion
from host.command_site import checked, shown
from host.site import CheckedFile
from store import directory, revisions
from store.connection import Connection


def fit_file(site: Path, file: Path) -> CheckedFile:
    """Return a checked file that is fit to run; say what is wrong with it and leave when it is not.

    `file` may lie anywhere; its tables and site values are those of the site.
    """
    found = checked(site, [str(file)])[0]
    if not found.is_fit:
        problems = [shown(problem) for problem in found.problems if problem.severity == "error"]
        raise Failure(EXIT_CONFIGURATION, "\n".join([*problems, f"{file} has problems and cannot run"]))
    return found


def channel_row(connection: Connection, channel: str) -> directory.ChannelRow:
    """Return a channel of the store, or leave."""
    rows = directory.channels(connection)
    row = next((row for row in rows if row.name == channel), None)
    if row is None:
        raise click.UsageError(f"There is no channel '{channel}': {suggestion(channel, [row.name for row in rows])}")
    return row


def named_revision(connection: Connection, channel: str, name: str) -> revisions.Revision:
    """Return a revision of a channel by its name or the beginning of it, or leave."""
    known = revisions.names(connection, channel)
    found = [revision for revision in known if name and revision.startswith(name.lower())]
    if len(found) != 1:
        raise click.UsageError(f"{channel} has no single revision '{name}'; there are {', '.join(known) or 'none'}.")
    return revisions.revision(connection, channel, found[0])
