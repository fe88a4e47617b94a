"""Commands that end as no command should, for the tests of the front door."""

from __future__ import annotations

import click


@click.command()
def broken_command() -> None:
    """Fail."""
    raise KeyError("nobody foresaw this")


@click.command()
def interrupted_command() -> None:
    """Be interrupted."""
    raise KeyboardInterrupt
