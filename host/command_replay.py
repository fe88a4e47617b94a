"""`plugin-host replay`: what a changed mapping file would have made of the messages that were received."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from channels.replay import Comparison, Verdict
from host.command_access import opened_store, who
from host.command_channel import channel_row, fit_file
from host.command_line import (
    EXIT_FINDINGS,
    EXIT_INTERRUPTED,
    Failure,
    complete_channel,
    json_option,
    print_json,
    site_option,
    suggestion,
)
from host.command_site import Time
from host.deploying import on_disk
from host.logs import write_logs
from host.progress import tracked
from host.replaying import Trial, as_json_parts, lines
from store import history

log = logging.getLogger(__name__)

#: Messages that are compared when nobody says how many.
LAST = 500


@click.command()
@click.argument("channel", shell_complete=complete_channel)
@click.option(
    "--with", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The changed mapping file.  [default: the channel's file of the site]",
)  # fmt: skip
@click.option("--last", type=click.IntRange(1), help=f"So many of the newest messages.  [default: {LAST}]")
@click.option("--since", type=Time(), help="Messages received since then, such as 2025-11-20T15:30:00-03:00.")
@click.option("--after", metavar="MESSAGE", help="Only messages behind this one: to go on after an interruption.")
@click.option("--destination", help="Only this destination of the channel.")
@click.option("--values", is_flag=True, help="Show the values that differ: patient data. Who asks is logged.")
@site_option
@json_option
def replay_command(
    channel: str,
    file: Path | None,
    last: int | None,
    since: datetime | None,
    after: str | None,
    destination: str | None,
    values: bool,
    site: Path,
    as_json: bool,
) -> None:
    """Map stored messages of CHANNEL by a changed file and compare with what was sent. Nothing is sent.

    MSH-7 and MSH-10, which the host writes, do not count. Exit code 1 when anything differs, 0 when all is the same.
    """
    file = file or _on_disk(site, channel)
    changed = fit_file(site, file)
    if changed.channel != channel:
        raise click.UsageError(f"{file} is of the channel {changed.channel}, not of {channel}.")
    plan: dict[str, Any] = changed.checked.plan or {}
    if destination is not None and destination not in plan["destinations"]:
        hint = suggestion(destination, plan["destinations"])
        raise click.UsageError(f"Channel {channel} has no destination '{destination}': {hint}")
    if last is None and since is None and after is None:
        last = LAST
    with opened_store(site) as store:
        channel_row(store.connection, channel)
        if after is not None and not history.has(store.connection, channel, after.upper()):
            raise click.UsageError(f"Channel {channel} has no message {after}.")
        numbers = history.numbers(
            store.connection, channel, last=last, since=since.timestamp() if since else None,
            behind=after.upper() if after else None,
        )  # fmt: skip
        if values:
            _note_reading(channel, len(numbers))
        sys.exit(_replay(Trial(store.connection, changed, destination), numbers, values=values, as_json=as_json))


def _on_disk(site: Path, channel: str) -> Path:
    found = on_disk(site, channel)
    if found is None:
        raise Failure(EXIT_FINDINGS, f"there is no file of the channel {channel} in {site}")
    return found.path


def _note_reading(channel: str, count: int) -> None:
    """Write down who looks at patients' values."""
    write_logs("command")
    log.warning("values of messages are shown", extra={"channel": channel, "count": count, "by": who()})


def _replay(trial: Trial, numbers: list[int], *, values: bool, as_json: bool) -> int:
    found: list[Comparison] = []
    interrupted = False
    try:
        since: float | None = None
        for past, comparisons in trial.run(tracked(numbers, "replay")):
            since = past.message.received_at if since is None else since
            found += [one for one in comparisons if one.verdict is not Verdict.SAME]
        if since is not None:
            trial.look_at_refusals(since)
    except KeyboardInterrupt:
        interrupted = True
    if as_json:
        print_json(
            channel=trial.plan["channel"], complete=not interrupted, reached=trial.reached, **as_json_parts(trial),
            differing=[_as_json(one, values=values) for one in found],
        )  # fmt: skip
    else:
        _print(trial, found if values else [])
    if interrupted:
        left = len(numbers) - trial.tally.messages
        further = f"; go on with --after {trial.reached}" if trial.reached else ""
        click.echo(f"interrupted, {left} messages are left{further}", err=True)
        return EXIT_INTERRUPTED
    return 0 if trial.tally.is_same else EXIT_FINDINGS


def _print(trial: Trial, with_values: list[Comparison]) -> None:
    for line in lines(trial):
        click.echo(line)
    for comparison in with_values:
        click.echo(f"{comparison.message_id} {comparison.destination}: {comparison.verdict}")
        for difference in comparison.differences:
            before, after = difference.before or "nothing", difference.after or "nothing"
            click.echo(f"    {trial.words(difference.path)}: was {before}, would be {after}")


def _as_json(comparison: Comparison, *, values: bool) -> dict[str, Any]:
    differences: list[Any] = [
        {"path": d.path, "before": d.before, "after": d.after} if values else d.path for d in comparison.differences
    ]
    return {
        "message": comparison.message_id,
        "destination": comparison.destination,
        "verdict": comparison.verdict,
        "cause": comparison.cause,
        "differences": differences,
    }
