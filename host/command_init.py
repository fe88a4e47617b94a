"""`plugin-host init`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from host.command_line import EXIT_REFUSED


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init_command(folder: Path) -> None:
    """Make a new site's FOLDER from the shipped one: site.yaml, mapping files, tables, samples."""
    if folder.exists() and any(folder.iterdir()):
        click.echo(f"{folder} is not empty; nothing was written", err=True)
        sys.exit(EXIT_REFUSED)
    shipped = Path(__file__).resolve().parents[1] / "mappings"
    shutil.copytree(shipped, folder, dirs_exist_ok=True)
    click.echo(f"{folder} is a site now. Next: edit {folder / 'site.yaml'}, then plugin-host check --site {folder}")
