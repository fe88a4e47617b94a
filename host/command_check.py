"""`plugin-host check` and `plugin-host test`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson

from host.command_line import EXIT_CONFIGURATION, EXIT_FINDINGS, json_option, site_option
from host.site import CheckedFile, check_files, mapping_files, read_site
from messages.problem import Problem, Problems
from transformers.mapping_file import show
from transformers.mapping_tests import run_tests

_FILES = click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))


class Time(click.ParamType[datetime]):
    """A moment with its offset, such as 2025-11-20T15:30:00-03:00."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is no time; write it as 2025-11-20T15:30:00-03:00", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"'{value}' has no offset; write it as 2025-11-20T15:30:00-03:00", param, ctx)
        return moment


now_option = click.option("--now", type=Time(), help="The time to pretend, such as 2025-11-20T15:30:00-03:00.")


def checked(site: Path, files: Iterable[Path]) -> list[CheckedFile]:
    """Check files of a site, all of them when none is named; print what is wrong with site.yaml and leave."""
    try:
        known = read_site(site)
    except Problems as problems:
        for problem in problems.problems:
            click.echo(_shown(problem), err=True)
        sys.exit(EXIT_CONFIGURATION)
    return check_files(known, list(files) or mapping_files(site))


@click.command()
@_FILES
@site_option
@json_option
def check_command(files: tuple[Path, ...], site: Path, as_json: bool) -> None:
    """Check mapping files: both ends of every line, all mistakes at once. Exit code 1 when there is one."""
    results = checked(site, files)
    problems = [problem for file in results for problem in file.problems]
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        found = {"schema": 1, "files": [_as_json(file) for file in results], "errors": errors}
        click.echo(orjson.dumps(found).decode())
    else:
        for problem in problems:
            click.echo(_shown(problem))
        warnings = len(problems) - errors
        click.echo(f"{len(results)} file(s), {errors} error(s), {warnings} warning(s)", err=bool(errors))
    sys.exit(EXIT_FINDINGS if errors else 0)


def _shown(problem: Problem) -> str:
    if problem.place is None:
        return str(problem)
    path = Path(problem.place.file)
    return show(problem, path.read_text("utf-8", "replace") if path.exists() else "")


def _as_json(file: CheckedFile) -> dict[str, Any]:
    return {
        "file": str(file.path),
        "channel": file.channel,
        "fit": file.is_fit,
        "problems": [
            {
                "code": p.code,
                "severity": p.severity,
                "text": p.text,
                "hint": p.hint,
                "file": p.place.file if p.place else None,
                "line": p.place.line if p.place else None,
                "column": p.place.column if p.place else None,
            }
            for p in file.problems
        ],
    }


@click.command()
@_FILES
@site_option
@json_option
@now_option
@click.option("-k", "name", help="Only tests whose name holds this text.")
def test_command(files: tuple[Path, ...], site: Path, as_json: bool, now: datetime | None, name: str | None) -> None:
    """Run the tests that stand in mapping files. Exit code 1 when one fails or a file is not fit to run."""
    results = checked(site, files)
    outcomes = []
    unfit = 0
    for file in results:
        if not file.is_fit or file.checked.plan is None:
            unfit += 1
            click.echo(f"{file.path}: not tested, the file has problems (plugin-host check)", err=True)
            continue
        outcomes += [r for r in run_tests(file.checked, site, now) if name is None or name in r.name]
    failed = [result for result in outcomes if not result.passed]
    if as_json:
        found = [
            {"name": r.name, "place": str(r.place), "passed": r.passed, "differences": list(r.differences)}
            for r in outcomes
        ]
        click.echo(orjson.dumps({"schema": 1, "tests": found}).decode())
    else:
        for result in outcomes:
            click.echo(f"{'ok  ' if result.passed else 'FAIL'} {result.name}  ({result.place})")
            for difference in result.differences:
                click.echo(f"       {difference}")
        click.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} tests passed", err=bool(failed))
    sys.exit(EXIT_FINDINGS if failed or unfit or not outcomes else 0)
