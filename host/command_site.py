"""What several commands do with a site's folder: find its mapping files and check them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from host.command_line import EXIT_CONFIGURATION, Failure, complete_channel, suggestion
from host.site import CheckedFile, check_files, mapping_files, read_site
from messages.problem import Problem, Problems
from transformers.mapping_file import show
from transformers.mapping_site import Site

files_argument = click.argument("mappings", nargs=-1, metavar="[MAPPING]...", shell_complete=complete_channel)


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


def read_site_or_leave(folder: Path) -> Site:
    """Read site.yaml; say what is wrong with it and leave when it cannot be used."""
    try:
        return read_site(folder)
    except Problems as problems:
        raise Failure(EXIT_CONFIGURATION, "\n".join(map(shown, problems.problems))) from None


def checked(folder: Path, names: Sequence[str | Path], *, anew: bool = False) -> list[CheckedFile]:
    """Check mapping files of a site, by channel or path; all of them when none is named."""
    site = read_site_or_leave(folder)
    return check_files(site, [_path(folder, name) for name in names] or mapping_files(folder), anew=anew)


def _path(folder: Path, name: str | Path) -> Path:
    for path in (Path(name), folder / f"{name}.yaml"):
        if path.is_file():
            return path
    known = [path.stem for path in mapping_files(folder)]
    raise click.UsageError(f"There is no mapping '{name}' in {folder}: {suggestion(str(name), known)}")


def channel_file(folder: Path, channel: str) -> CheckedFile:
    """Return the checked mapping of a channel, which is fit to run, or leave.

    A file is mostly named as its channel; only where it is not, all files have to be read.
    """
    site = read_site_or_leave(folder)
    path = next((path for path in (folder / f"{channel}.yaml", Path(channel)) if path.is_file()), None)
    files = check_files(site, [path] if path else mapping_files(folder))
    found = files[0] if path else next((file for file in files if file.channel == channel), None)
    if found is None:
        raise click.UsageError(f"There is no channel '{channel}': {suggestion(channel, [f.channel for f in files])}")
    if not found.is_fit:
        problems = [shown(problem) for problem in found.problems if problem.severity == "error"]
        raise Failure(EXIT_CONFIGURATION, "\n".join([*problems, f"{found.path} has problems and cannot run"]))
    return found


def shown(problem: Problem) -> str:
    """Return a problem of a file with the line it is about."""
    if problem.place is None:
        return str(problem)
    path = Path(problem.place.file)
    return show(problem, path.read_text("utf-8", "replace") if path.is_file() else "")


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """Return a problem as `--json` prints it."""
    place = problem.place
    return {
        "code": problem.code,
        "severity": problem.severity,
        "text": problem.text,
        "hint": problem.hint,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "expression": problem.expression,
    }
