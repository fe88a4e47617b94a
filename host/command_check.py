"""`plugin-host check`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from host.command_line import EXIT_FINDINGS, json_option, print_json, site_option
from host.command_site import checked, files_argument, problem_as_json, read_site_or_leave, shown
from host.sarif import sarif
from host.site import CheckedFile
from messages.problem import Problem
from transformers.mapping_site import RESOURCES_FILE
from transformers.resource_file import check_sync


@click.command()
@files_argument
@click.option("--sarif", "log", type=click.Path(dir_okay=False, path_type=Path), help="Write SARIF to this file, too.")
@click.option("--no-cache", is_flag=True, help="Check also files that did not change since they were found fit.")
@site_option
@json_option
def check_command(mappings: tuple[str, ...], log: Path | None, no_cache: bool, site: Path, as_json: bool) -> None:
    """Check mapping files: both ends of every line, all mistakes at once.

    MAPPING is a channel or a file; without one the whole site is checked. Exit code 1 when there is a mistake.
    """
    results = checked(site, mappings, anew=no_cache)
    problems = [problem for file in results for problem in file.problems]
    problems += [] if mappings else _of_resources(site)
    errors = sum(problem.severity == "error" for problem in problems)
    if log is not None:
        log.write_text(json.dumps(sarif(problems), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if as_json:
        print_json(files=[_as_json(file) for file in results], errors=errors, warnings=len(problems) - errors)
    else:
        for problem in problems:
            click.echo(shown(problem))
    click.echo(f"{len(results)} file(s), {errors} error(s), {len(problems) - errors} warning(s)", err=True)
    sys.exit(EXIT_FINDINGS if errors or not results else 0)


def _of_resources(folder: Path) -> list[Problem]:
    """Check resource-sync.yaml, where the site has one."""
    path = folder / RESOURCES_FILE
    return check_sync(path, read_site_or_leave(folder))[1] if path.exists() else []


def _as_json(file: CheckedFile) -> dict[str, Any]:
    problems = [problem_as_json(problem) for problem in file.problems]
    return {
        "file": str(file.path),
        "channel": file.channel,
        "revision": file.revision,
        "fit": file.is_fit,
        "problems": problems,
    }
