"""`plugin-host verify` and `plugin-host salvage`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from host.command_line import EXIT_CONFIGURATION, EXIT_FINDINGS, EXIT_REFUSED, site_option
from host.site import data_folder, read_site
from messages.problem import Problems
from store import health
from store.connection import KEY_FILE, UnsafeStore
from store.salvage import salvage


def _folder(site: Path) -> Path:
    try:
        return data_folder(read_site(site))
    except Problems as problems:
        click.echo(str(problems), err=True)
        sys.exit(EXIT_CONFIGURATION)


@click.command()
@site_option
def verify_command(site: Path) -> None:
    """Read every page of the store and check it. Takes about a second a gigabyte; the host may run."""
    folder = _folder(site)
    found = health.verify(folder)
    for finding in found:
        click.echo(finding)
    if found:
        click.echo(f"{folder} is damaged. Restore a backup, or: plugin-host salvage --to FOLDER", err=True)
        sys.exit(EXIT_FINDINGS)
    click.echo(f"{folder}: every page is as it was written")


@click.command()
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="Folder for the new store.")
@site_option
def salvage_command(target: Path, site: Path) -> None:
    """Copy what can be read of a damaged store into a new one; the damaged one is not touched. Stop the host first.

    Afterwards let PLUGIN_HOST_DATA (or `data:` of site.yaml) name the new folder.
    """
    folder = _folder(site)
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / KEY_FILE).exists() and not (target / KEY_FILE).exists():
        shutil.copy2(folder / KEY_FILE, target / KEY_FILE)
    try:
        results = salvage(folder, target)
    except FileExistsError as error:
        click.echo(f"{error}; nothing was written", err=True)
        sys.exit(EXIT_REFUSED)
    except UnsafeStore as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIGURATION)
    for result in results:
        lost = f", {len(result.unreadable)} range(s) could not be read" if result.unreadable else ""
        click.echo(f"{result.table:12} {result.saved} row(s){lost}")
    sys.exit(EXIT_FINDINGS if any(result.unreadable for result in results) else 0)
