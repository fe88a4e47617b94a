"""`plugin-host fragments`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from host.command_line import EXIT_FINDINGS, json_option, print_json, site_option
from host.command_site import problem_as_json, shown
from host.site import mapping_files
from messages.problem import Problem, Problems
from transformers import mapping_fragments
from transformers.mapping_file import load


@click.command()
@site_option
@json_option
def fragments_command(site: Path, as_json: bool) -> None:
    """List the fragments of a site and which mapping files use each. Exit code 1 when one cannot be read."""
    users = _users(site)
    names = sorted(
        {f"{mapping_fragments.FOLDER}/{path.name}" for path in (site / mapping_fragments.FOLDER).glob("*.yaml")}
    )
    found: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for name in names:
        about: str | None = None
        needs: list[str] = []
        try:
            _, model = mapping_fragments.read(site, name)
            about, needs = model.fragment, model.needs
        except Problems as error:
            problems += error.problems
        found.append({"fragment": name, "about": about, "needs": needs, "used_by": users.get(name, [])})
    if as_json:
        print_json(fragments=found, problems=[problem_as_json(problem) for problem in problems])
    else:
        for one in found:
            click.echo(f"{one['fragment']}  {one['about'] or ''}".rstrip())
            click.echo(f"    used by {', '.join(one['used_by']) or 'nobody'}")
        for problem in problems:
            click.echo(shown(problem), err=True)
    click.echo(f"{len(found)} fragment(s)", err=True)
    sys.exit(EXIT_FINDINGS if problems else 0)


def _users(site: Path) -> dict[str, list[str]]:
    """Return the mapping files that use each fragment, by its name; `check` says what is wrong with a file."""
    users: dict[str, list[str]] = {}
    for path in mapping_files(site):
        try:
            document = load(path)
        except Problems:
            continue
        for name in mapping_fragments.used(document):
            users.setdefault(name, []).append(path.stem)
    return users
