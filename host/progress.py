"""How far a long work is: a bar on a terminal, elsewhere a line every ten seconds. On standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar

import click

T_co = TypeVar("T_co", covariant=True)

#: Seconds between two lines where there is no terminal.
EVERY = 10.0


class Countable(Sized, Iterable[T_co], Protocol[T_co]):
    """Things whose number is known."""


def tracked(things: Countable[T_co], title: str) -> Iterator[T_co]:
    """Yield the things, and say how many are done."""
    return _bar(things, title) if sys.stderr.isatty() else _lines(things, title)


def _bar(things: Countable[T_co], title: str) -> Iterator[T_co]:
    from rich.console import Console  # noqa: PLC0415  # only on a terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - loaded where it is asked for

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(things, total=len(things), description=title)


def _lines(things: Countable[T_co], title: str) -> Iterator[T_co]:
    said = time.monotonic()
    for number, thing in enumerate(things):
        if time.monotonic() - said > EVERY:
            said = time.monotonic()
            click.echo(f"{title}: {number} of {len(things)}", err=True)
        yield thing
