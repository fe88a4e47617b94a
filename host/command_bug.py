"""What a person is told when a command fails in a way that nobody foresaw."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from pathlib import Path

import click

from host.command_line import EXIT_BUG, EXIT_CONFIGURATION


def report(error: Exception, *, in_full: bool) -> int:
    """Say it in one line, and where the rest is; return the exit code.

    A file or folder that the system refuses is no bug of ours, but of the machine's set-up.
    """
    if isinstance(error, OSError) and error.filename is not None and not in_full:
        click.echo(f"{os.fsdecode(error.filename)}: {error.strerror}", err=True)
        return EXIT_CONFIGURATION
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else "nowhere"
    if in_full:
        click.echo("".join(traceback.format_exception(error)), err=True)
    text = f"a bug in plugin-host: {type(error).__name__} at {where}; more in {_log(error)}, all with --debug"
    click.echo(text, err=True)
    return EXIT_BUG


def _log(error: Exception) -> Path:
    """Write down where it happened. The texts of exceptions may hold values of a message and are left out."""
    lines = [f"Python {platform.python_version()} on {platform.platform()}"]
    link: BaseException | None = error
    while link is not None:
        lines.append(type(link).__name__)
        lines += [f"  {_short(f.filename)}:{f.lineno} {f.name}" for f in traceback.extract_tb(link.__traceback__)]
        link = link.__cause__ or link.__context__
    handle, name = tempfile.mkstemp(prefix="plugin-host-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return Path(name)


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-2:])
