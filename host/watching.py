"""Looks at a folder again and again, for commands that run anew when a file changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

#: Endings of files that a mapping is made of.
WATCHED = (".yaml", ".csv", ".json", ".hl7")


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return time and size of each file that a mapping may be made of; what vanishes meanwhile is left out."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix in WATCHED:
            try:
                it = path.stat()
            except FileNotFoundError:
                continue
            found[path] = (it.st_mtime_ns, it.st_size)
    return found


def changes(folder: Path, wait: Callable[[], bool]) -> Iterator[list[Path]]:
    """Return an iterator of the files that were changed, made or deleted since the call, whenever some were.

    Args:
        folder: looked at with all that is in it.
        wait: waits between two looks; says whether to go on. Editors write in steps, so it should take a moment.
    """
    return _changes(folder, wait, state(folder))


def _changes(folder: Path, wait: Callable[[], bool], before: dict[Path, tuple[int, int]]) -> Iterator[list[Path]]:
    while wait():
        now = state(folder)
        changed = sorted(path for path in {*before, *now} if before.get(path) != now.get(path))
        before = now
        if changed:
            yield changed
