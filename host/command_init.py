"""`plugin-host init`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from host.command_line import EXIT_REFUSED, SHIPPED_SITE, Failure


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init_command(folder: Path) -> None:
    """Make a new site's FOLDER from the shipped one: site.yaml, mapping files, tables, samples."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(EXIT_REFUSED, f"{folder} is there already and not empty; nothing was written")
    shutil.copytree(SHIPPED_SITE, folder, dirs_exist_ok=True)
    click.echo(f"{folder} is a site now. Next:", err=True)
    click.echo(f"  edit {folder / 'site.yaml'}", err=True)
    click.echo(f"  plugin-host check --site {folder}", err=True)
    click.echo(f"  plugin-host test --site {folder}", err=True)
    click.echo(str(folder))
