"""`plugin-host deploy` and `plugin-host rollback`: which revision of a channel runs, without a restart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from channels import registry
from channels.requeue import cured
from host import deploying
from host.command_access import bells, opened_store, who
from host.command_channel import channel_row, fit_file, named_revision
from host.command_line import (
    EXIT_CONFIGURATION,
    EXIT_FINDINGS,
    EXIT_REFUSED,
    Failure,
    complete_channel,
    json_option,
    print_json,
    site_option,
)
from host.progress import tracked
from host.replaying import Trial, as_json_parts, lines
from host.revision_diff import settings
from host.site import CheckedFile
from store import directory, history, revisions
from store.connection import Connection
from store.store import Store
from transformers.mapping_tests import run_tests

#: Messages that a file is tried on before it runs.
LAST = 100


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--last", type=click.IntRange(0), default=LAST, show_default=True, help="Replay so many messages; 0: none."
)
@click.option("--accept-differences", is_flag=True, help="Deploy although the replay differs.")
@click.option("--reason", help="Why; kept with the revision.")
@site_option
@json_option
def deploy_command(
    file: Path, last: int, accept_differences: bool, reason: str | None, site: Path, as_json: bool
) -> None:
    """Let FILE run as the new revision of its channel.

    It is checked, its tests are run, and the last messages are replayed through it. It is refused when one of these
    fails, or when the replay differs and --accept-differences is not given. No message is lost: what is on its way
    keeps the bytes it has, what is not mapped yet is mapped by the new revision.
    """
    changed = fit_file(site, file)
    tests = _tested(changed, site)
    with opened_store(site) as store:
        row = _row(store.connection, changed.channel)
        before = row.revision if row else None
        if before == changed.revision and row is not None and row.problem is None:
            _say(as_json, f"revision {before} runs already", channel=changed.channel, revision=before, deployed=False)
            return
        moved = _moved(store.connection, row, changed)
        for line in moved:
            click.echo(line, err=as_json)
        replayed = _replayed(store.connection, changed, last, as_json=as_json)
        if not accept_differences:
            _refuse_differences(changed, replayed, moved)
        on_disk = deploying.stamp_on_disk(site, changed.channel)
        choice = revisions.Choice(how="deploy", by=who(), reason=reason, on_disk=on_disk)
        directory.deploy(store.writer, deploying.new_revision(changed), choice)
        anew = _mapped_anew(store.connection, changed)
        follows = _follows(store)
    text = f"{changed.channel}: revision {changed.revision} runs{_instead(before)}; {follows}"
    if anew:
        text += f"\n{anew} parked {'delivery has its' if anew == 1 else 'deliveries have their'} row now: mapped anew"
    if on_disk != deploying.stamp(changed.checked.plan or {}):
        text += f"\n{site / changed.channel}.yaml is another text: copy {file} over it, so that both are the same"
    replay = as_json_parts(replayed) if replayed else None
    _say(as_json, text, channel=changed.channel, revision=changed.revision, before=before, deployed=True, tests=tests,
         replay=replay, mapped_anew=anew)  # fmt: skip


@click.command()
@click.argument("channel", shell_complete=complete_channel)
@click.option("--to", help="The revision, or the beginning of its name.  [default: the one that ran before]")
@click.option("--reason", help="Why; kept with the revision.")
@site_option
@json_option
def rollback_command(channel: str, to: str | None, reason: str | None, site: Path, as_json: bool) -> None:
    """Let an older revision of CHANNEL run again.

    It stays, at a restart too, until the mapping file or one of its tables changes on disk.
    """
    with opened_store(site) as store:
        row = channel_row(store.connection, channel)
        name = _before(store.connection, row) if to is None else to
        revision = named_revision(store.connection, channel, name)
        _usable(revision)
        choice = revisions.Choice(
            how="rollback", by=who(), reason=reason, on_disk=deploying.stamp_on_disk(site, channel)
        )  # fmt: skip
        revisions.switch(store.writer, channel, revision, choice)
        follows = _follows(store)
    text = f"{channel}: revision {revision.revision} runs{_instead(row.revision)}; {follows}"
    _say(as_json, text, channel=channel, revision=revision.revision, before=row.revision)


def _tested(file: CheckedFile, site: Path) -> int:
    """Run the tests of a file; leave when one fails. Return how many there are."""
    results = run_tests(file.checked, site)
    failed = [result for result in results if not result.passed]
    for result in failed:
        click.echo(f"FAIL {result.name}  ({result.place})", err=True)
        for difference in result.differences:
            click.echo(f"     {difference}", err=True)
    if failed:
        raise Failure(EXIT_FINDINGS, f"not deployed: {len(failed)} of {len(results)} tests fail")
    return len(results)


def _replayed(connection: Connection, file: CheckedFile, last: int, *, as_json: bool) -> Trial | None:
    """Try a file on the last messages; None when nothing is to be compared."""
    numbers = history.numbers(connection, file.channel, last=last) if last else []
    if not numbers:
        return None
    trial = Trial(connection, file)
    for _ in trial.run(tracked(numbers, "replay")):
        continue
    for line in lines(trial):
        click.echo(line, err=as_json)
    return trial


def _moved(connection: Connection, row: directory.ChannelRow | None, file: CheckedFile) -> list[str]:
    """Return which settings of connectors are not those of the revision that runs.

    Ports and hosts may come from the environment: a deploy in another one than the host's would move the doors.
    """
    if row is None or row.revision is None or file.checked.plan is None:
        return []
    running = revisions.revision(connection, row.name, row.revision)
    return list(settings(running.plan, file.checked.plan))


def _refuse_differences(file: CheckedFile, replayed: Trial | None, moved: list[str]) -> None:
    reasons = []
    if replayed is not None and not replayed.tally.is_same:
        reasons.append(replayed.tally.sentence())
    if moved:
        reasons.append("the settings of its stations differ from those that run")
    if reasons:
        look = f"look: plugin-host replay {file.channel} --with {file.path}; if it is meant: --accept-differences"
        raise Failure(EXIT_REFUSED, f"not deployed: {'; '.join(reasons)}\n{look}")


def _row(connection: Connection, channel: str) -> directory.ChannelRow | None:
    return next((row for row in directory.channels(connection) if row.name == channel), None)


def _before(connection: Connection, row: directory.ChannelRow) -> str:
    """Return the revision that ran before the present one."""
    ran = [deployment.revision for deployment in revisions.deployments(connection, row.name)]
    before = next((revision for revision in ran if revision != row.revision), None)
    if before is None:
        raise Failure(EXIT_REFUSED, f"{row.name}: no other revision ran before {row.revision}")
    return before


def _usable(revision: revisions.Revision) -> None:
    """Leave when this release of the host cannot run a revision any more."""
    parts = [revision.plan["from"], *revision.plan["destinations"].values()]
    try:
        registry.load("transformer", revision.plan["transformer"])(revision.plan)
        for part in parts:
            registry.load("connector", part["connector"])
    except (ValueError, registry.NoSuchPlugin) as error:
        raise Failure(EXIT_CONFIGURATION, f"revision {revision.revision} cannot run any more: {error}") from None


def _mapped_anew(connection: Connection, file: CheckedFile) -> int:
    """Return how many parked deliveries the lanes map anew with this revision: a table has their row now."""
    row = _row(connection, file.channel)
    plan = file.checked.plan or {}
    return len(cured(connection, row.number, registry.load("transformer", plan["transformer"])(plan))) if row else 0


def _follows(store: Store) -> str:
    """Ring the bells; say when the change is felt."""
    with bells(store) as ringer:
        ringer.change()
    if any(directory.is_alive(process) for process in directory.processes(store.connection)):
        return "the running host follows within a second"
    return "the host is not running, it begins with it"


def _instead(before: str | None) -> str:
    return f" instead of {before}" if before else ""


def _say(as_json: bool, text: str, **found: Any) -> None:
    if as_json:
        click.echo(text, err=True)
        print_json(**found)
    else:
        click.echo(text)
    sys.stdout.flush()
