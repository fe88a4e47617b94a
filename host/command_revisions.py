"""`plugin-host revisions` and `plugin-host diff`: what ran since when, and what is on disk."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from host import deploying
from host.command_access import opened_store
from host.command_channel import channel_row, named_revision
from host.command_line import (
    EXIT_FINDINGS,
    Failure,
    complete_channel,
    json_option,
    print_json,
    site_option,
)
from host.revision_diff import Side, differences
from store import revisions


@click.command()
@click.argument("channel", shell_complete=complete_channel)
@click.option("--show", "shown", metavar="REVISION", help="Print the mapping file of a revision, letter by letter.")
@site_option
@json_option
def revisions_command(channel: str, shown: str | None, site: Path, as_json: bool) -> None:
    """List which revisions of CHANNEL ran since when, the newest first, and what the file on disk gives."""
    with opened_store(site) as store:
        row = channel_row(store.connection, channel)
        if shown is not None:
            click.echo(named_revision(store.connection, channel, shown).source, nl=False)
            return
        deployments = revisions.deployments(store.connection, channel)
        file = deploying.on_disk(site, channel)
        waits = file is not None and file.is_fit and deploying.standing_choice(store.connection, file) is not None
    on_disk = file.revision if file is not None and file.is_fit else None
    if as_json:
        print_json(
            channel=channel, runs=row.revision, on_disk=on_disk, waits=waits,
            deployments=[
                {"at": d.at, "revision": d.revision, "how": d.choice.how, "by": d.choice.by, "reason": d.choice.reason}
                for d in deployments
            ],
        )  # fmt: skip
        return
    for number, deployment in enumerate(deployments):
        by = f" by {deployment.choice.by}" if deployment.choice.by else ""
        reason = f": {deployment.choice.reason}" if deployment.choice.reason else ""
        runs = "  ← runs" if not number else ""
        click.echo(f"{_time(deployment.at)}  {deployment.revision}  {deployment.choice.how}{by}{reason}{runs}")
    if file is None:
        click.echo("there is no file of this channel on disk")
    elif on_disk is None:
        click.echo(f"{file.path} is not fit to run (plugin-host check)")
    elif on_disk != row.revision:
        then = "it waits until it changes" if waits else "the next start deploys it"
        click.echo(f"{file.path} gives {on_disk}: {then} (plugin-host diff {channel})")


@click.command()
@click.argument("channel", shell_complete=complete_channel)
@click.option("--from", "one", metavar="REVISION", help="The older side.  [default: the revision that runs]")
@click.option("--to", "other", metavar="REVISION", help="The newer side.  [default: the file on disk]")
@site_option
def diff_command(channel: str, one: str | None, other: str | None, site: Path) -> None:
    """Show what is different between the revision of CHANNEL that runs and its file on disk.

    The text of the mapping file, the rows of its tables, the settings of its stations. Exit code 1 when anything is.
    """
    with opened_store(site) as store:
        row = channel_row(store.connection, channel)
        before = _side(named_revision(store.connection, channel, one or row.revision or ""))
        after = _side(named_revision(store.connection, channel, other)) if other else _on_disk(site, channel)
    found = list(differences(before, after))
    for line in found:
        click.echo(line)
    sys.exit(EXIT_FINDINGS if found else 0)


def _side(revision: revisions.Revision) -> Side:
    return Side(label=f"revision {revision.revision}", source=revision.source, plan=revision.plan)


def _on_disk(site: Path, channel: str) -> Side:
    file = deploying.on_disk(site, channel)
    if file is None:
        raise Failure(EXIT_FINDINGS, f"there is no file of the channel {channel} in {site}")
    return Side(label=str(file.path), source=file.source, plan=file.checked.plan if file.is_fit else None)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(sep=" ", timespec="seconds")
