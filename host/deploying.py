"""Which revision of a channel runs: deployed by a start, deployed by a person, or rolled back to.

A start deploys the files on disk. Where a person chose another revision than the one on disk, that choice stands until
the mapping file, or a table or fragment that it uses, changes; the start says so. Decided in
docs/decisions/0010-a-choice-stands.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from host.site import CheckedFile, check_files, mapping_files, read_site
from messages.problem import Problems
from store import directory, revisions
from store.connection import Connection
from store.writer import Writer


def deploy_site(writer: Writer, connection: Connection, files: Iterable[CheckedFile]) -> dict[str, str]:
    """At a start: make every fit file the running revision; note at the others why they do not run. What ran goes on.

    Returns:
        channel → what runs, as a sentence's end for people.
    """
    rows = {row.name: row for row in directory.channels(connection)}
    return {file.channel: _start(writer, connection, file, rows.get(file.channel)) for file in files}


def _start(writer: Writer, connection: Connection, file: CheckedFile, row: directory.ChannelRow | None) -> str:
    if not file.is_fit or file.checked.plan is None:
        errors = [p for p in file.problems if p.severity == "error"]
        directory.set_problem(writer, file.channel, file.title, f"{len(errors)} problem(s), first: {errors[0]}")
        return "NOT RUN: its file has problems (plugin-host check)"
    choice = standing_choice(connection, file)
    if choice is not None:
        text = f"{told(choice)}; {file.path.name} as it is now waits (plugin-host deploy {file.path})"
        directory.set_problem(writer, file.channel, file.title, text)
        return f"revision {choice.revision}, {text}"
    if row is None or row.revision != file.revision or row.problem is not None:
        directory.deploy(writer, new_revision(file), revisions.Choice(on_disk=stamp(file.checked.plan)))
    return f"revision {file.revision}"


def standing_choice(connection: Connection, file: CheckedFile) -> revisions.Deployment | None:
    """Return the person's choice that stands against a fit file on disk; None when the file is to be deployed."""
    last = next(iter(revisions.deployments(connection, file.channel)), None)
    if last is None or last.choice.how == "start" or file.checked.plan is None:
        return None
    on_disk = stamp(file.checked.plan)
    chosen = revisions.revision(connection, file.channel, last.revision)
    # Only site.yaml or the environment differ: the same mapping is to run with the new settings.
    if last.choice.on_disk != on_disk or stamp(chosen.plan) == on_disk:
        return None
    return last


def new_revision(file: CheckedFile) -> directory.NewRevision:
    """Return a fit file as the store keeps it."""
    plan = file.checked.plan or {}
    return directory.NewRevision(
        channel=file.channel, title=file.title, revision=file.revision, source=file.source, plan=plan,
        destinations={name: part.get("parked") != "pass" for name, part in plan["destinations"].items()},
    )  # fmt: skip


def stamp(plan: Mapping[str, Any]) -> str:
    """Return what tells whether an analyst changed anything: a digest of the file and of all that it uses."""
    inputs = plan.get("inputs") or {}
    of_analysts = [inputs.get(name) for name in ("mapping", "tables", "fragments", "files")]
    digest = hashlib.sha256(orjson.dumps(of_analysts, option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()[:12]


def on_disk(folder: Path, channel: str) -> CheckedFile | None:
    """Return the checked file of a channel as it lies in the site's folder; None when there is none.

    Raises:
        Problems: site.yaml is wrong.
    """
    site = read_site(folder)
    usual = folder / f"{channel}.yaml"
    files = check_files(site, [usual]) if usual.is_file() else []
    if not files or files[0].channel != channel:
        files = check_files(site, mapping_files(folder))
    return next((file for file in files if file.channel == channel), None)


def stamp_on_disk(folder: Path, channel: str) -> str | None:
    """Return the stamp of a channel's file on disk; None when it is not there or not fit to run."""
    try:
        file = on_disk(folder, channel)
    except Problems:
        return None
    return stamp(file.checked.plan) if file is not None and file.is_fit and file.checked.plan is not None else None


def told(deployment: revisions.Deployment) -> str:
    """Return how a revision came to run: `rollback by ana at 2025-11-20 15:30:00+00:00 (rooms were wrong)`."""
    choice = deployment.choice
    by = f" by {choice.by}" if choice.by else ""
    reason = f" ({choice.reason})" if choice.reason else ""
    return f"{choice.how}{by} at {datetime.fromtimestamp(deployment.at, UTC).isoformat(' ', 'seconds')}{reason}"
