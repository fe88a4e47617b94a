"""The commands of jobs, made once for each kind: `plugin-host share …`, `plugin-host prior …`."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click

from channels.job_control import JobAct, NoSuchJob, allowed
from channels.job_starter import new_job, task_of
from host.command_access import control_of, opened_store, who
from host.command_line import (
    EXIT_FINDINGS,
    EXIT_IN_PART,
    EXIT_REFUSED,
    Failure,
    Group,
    json_option,
    print_json,
    site_option,
)
from host.progress import tracked
from messages.identity import message_id
from messages.job_states import FAILED, OPEN, State
from store import directory, job_parts, job_results, jobs
from store.store import Store

_ACTS: dict[JobAct, str] = {
    "retry": "Try again what was refused or has failed; what has verifiably arrived is not sent again.",
    "revoke": "End it; whoever was given access loses it.",
    "resume": "Look at once at what waits for a peer, a report or its hours.",
}


def commands(name: str, kind: str, words: str) -> click.Group:
    """Return the group of commands for a kind of job; `words` says what such jobs are."""

    @click.group(name=name, cls=Group, help=f"List, show and steer {words}.\n\nWhat they print may name patients.")
    def group() -> None: ...

    group.add_command(_list(kind, words))
    group.add_command(_show(kind))
    group.add_command(_watch(kind))
    group.add_command(_request(kind))
    for act in get_args(JobAct):
        group.add_command(_act(act))
    return group


def _list(kind: str, words: str) -> click.Command:
    @click.command(name="list", help=f"List {words}, newest first. Exit code 1 when there is none.")
    @click.option("--state", type=click.Choice([state.value for state in State]), help="Only those in this state.")
    @click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
    @site_option
    @json_option
    def command(state: str | None, limit: int, site: Path, as_json: bool) -> None:
        states = frozenset({State(state)}) if state else frozenset()
        with opened_store(site) as store:
            found = jobs.find(store.connection, jobs.Wanted(kind=kind, states=states, limit=limit))
        if as_json:
            print_json(jobs=[line_json(job) for job in found])
        for job in () if as_json else found:
            why = f"  {job.reason_code}" if job.reason_code else ""
            click.echo(f"{job.number:>6}  {_time(job.changed_at)}  {job.state:<15}  {_counts(job)}{why}")
        if not found:
            raise Failure(EXIT_FINDINGS, "there is none")

    return command


def _show(kind: str) -> click.Command:
    @click.command(name="show", help="Show one by its number: its steps, counts, proof of arrival and recipients.")
    @click.argument("number", type=int)
    @site_option
    @json_option
    def command(number: int, site: Path, as_json: bool) -> None:
        with opened_store(site) as store:
            job = _job(store, number, kind)
            history = jobs.history(store.connection, number)
            tally = job_parts.tally(store.connection, number)
            recipients = job_parts.recipients(store.connection, number)
            instances = job_parts.instances(store.connection, number)
            results = job_results.results(store.connection, number)
        if as_json:
            print_json(
                **line_json(job), request=job.request, allowed=allowed(job), instances=tally,
                results=Counter(one.state for one in results),
                history=[dataclasses.asdict(line) for line in history],
                recipients=[dataclasses.asdict(one) for one in recipients],
                not_arrived=[dataclasses.asdict(one) for one in instances if one.state not in job_parts.PROVEN],
                not_delivered=[dataclasses.asdict(one) for one in results if one.state != "delivered"],
            )  # fmt: skip
            return
        click.echo(f"{job.kind} {job.number}: {job.state}, proof of arrival: {job.proof or 'none'}")
        for line in history:
            by = f" by {line.by}" if line.by else ""
            why = f": {line.reason}" if line.reason else ""
            click.echo(f"  {_time(line.at)}  {line.state}{by}{why}")
        click.echo("  instances: " + (", ".join(f"{count} {state}" for state, count in tally.items()) or "none yet"))
        for result in results:
            why = f" ({result.reason})" if result.reason else ""
            click.echo(f"  {result.name}: {result.state}{why}{f', message {result.message}' if result.message else ''}")
        for one in recipients:
            why = f" ({one.reason})" if one.reason else ""
            click.echo(f"  {one.kind} {one.address}: {one.state}{why}{' ' + one.link if one.link else ''}")

    return command


def _watch(kind: str) -> click.Command:
    @click.command(name="watch", help="Show how far one is until it rests. Exit code 6 when it has failed.")
    @click.argument("number", type=int)
    @site_option
    def command(number: int, site: Path) -> None:
        with opened_store(site) as store:
            _job(store, number, kind)
            for _ in tracked(_Arriving(store, number), f"{kind} {number}"):
                continue
            job = _job(store, number, kind)
        click.echo(f"{job.state}{': ' + job.reason if job.reason else ''}")
        sys.exit(EXIT_REFUSED if job.state in FAILED else 0)

    return command


class _Arriving:
    """The instances of a job, one by one as they arrive, until the job rests."""

    def __init__(self, store: Store, number: int) -> None:
        self._store, self._number = store, number
        self._total = 1

    def __len__(self) -> int:
        while (job := jobs.get(self._store.connection, self._number)) is not None:
            if job.state not in OPEN or job.progress.get("total"):
                self._total = max(1, job.progress.get("total", 1))
                break
            time.sleep(0.2)
        return self._total

    def __iter__(self) -> Iterator[int]:
        shown = 0
        while (job := jobs.get(self._store.connection, self._number)) is not None and job.state in OPEN:
            there = min(self._total, max(job.progress.get("arrived", 0), job.progress.get("completed", 0)))
            yield from range(shown, there)
            shown = max(shown, there)
            time.sleep(0.2)
        yield from range(shown, self._total)


def _request(kind: str) -> click.Command:
    @click.command(name="request", help="Ask for one by a FHIR Task in FILE; print its number.")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--channel", default=kind, show_default=True, help="The channel whose settings it goes by.")
    @site_option
    @json_option
    def command(file: Path, channel: str, site: Path, as_json: bool) -> None:
        try:
            task = task_of(file.read_bytes())
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        with opened_store(site) as store:
            row = next((row for row in directory.channels(store.connection) if row.name == channel), None)
            if row is None or not row.destinations:
                raise click.UsageError(f"There is no channel '{channel}' that runs.")
            new = new_job(kind, channel, row.destinations[0].name, task, message_id())
            with control_of(store) as control:
                number, is_new = control.start_job(new, by=who())
        if as_json:
            print_json(number=number, new=is_new)
        else:
            click.echo(f"{number}{'' if is_new else ' (known before)'}")

    return command


def _act(act: JobAct) -> click.Command:
    @click.command(name=act, help=f"{_ACTS[act]}\n\nExit code 5 when it was done for a part of them, 6 for none.")
    @click.argument("numbers", nargs=-1, required=True, type=int, metavar="NUMBER...")
    @click.option("--reason", help="Why; kept in the history and the audit trail.")
    @site_option
    @json_option
    def command(numbers: tuple[int, ...], reason: str | None, site: Path, as_json: bool) -> None:
        results: list[dict[str, Any]] = []
        with opened_store(site) as store, control_of(store) as control:
            for number in numbers:
                try:
                    results.append(dataclasses.asdict(control.act_on_job(number, act, by=who(), reason=reason)))
                except NoSuchJob:
                    results.append({"number": number, "done": False, "state": None, "reason": "there is none"})
        if as_json:
            print_json(results=results)
        for result in () if as_json else results:
            why = f" ({result['reason']})" if result["reason"] else ""
            click.echo(f"{result['number']}: {result['state'] or '-'}{why}", err=not result["done"])
        done = sum(result["done"] for result in results)
        sys.exit(0 if done == len(results) else EXIT_IN_PART if done else EXIT_REFUSED)

    return command


def line_json(job: jobs.Job) -> dict[str, Any]:
    """Return a job without what was asked for: nothing that names a patient."""
    fields = dataclasses.asdict(job)
    return {name: value for name, value in fields.items() if name not in {"request", "told", "next_at"}}


def _job(store: Store, number: int, kind: str) -> jobs.Job:
    job = jobs.get(store.connection, number)
    if job is None or job.kind != kind:
        raise Failure(EXIT_FINDINGS, "there is none of this number")
    return job


def _counts(job: jobs.Job) -> str:
    total = job.progress.get("total")
    return "" if total is None else f"{job.progress.get('arrived', 0)} of {total} instances arrived"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(sep=" ", timespec="seconds")
