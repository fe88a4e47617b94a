"""T20: bugs that were put in on purpose. A test that none of them turns red proves nothing; each must be caught.

A bug is a replacement of text in a copy of the tree. The text must be there exactly once: when the code moves on, the
bug must be moved with it, and the trial says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from tests.rig.figures import Figures, say
from tests.rig.host import ROOT
from tests.rig.seeded import BUGS, Bug

LEFT_OUT = (".git", ".venv", "node_modules", "build", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")


class Drifted(AssertionError):
    """The text that a bug replaces is not there exactly once any more."""


def copy_tree(target: Path, only: Collection[str] = ()) -> None:
    """Copy the tree, without what is made; or only some files of it."""
    for name in only:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    if only:
        return
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*LEFT_OUT))


def plant(bug: Bug, tree: Path) -> None:
    """Put a bug into a copy of the tree.

    Raises:
        Drifted: its text is not there exactly once.
    """
    for name, text, wrong in bug.edits:
        source = (tree / name).read_text("utf-8")
        if source.count(text) != 1:
            raise Drifted(f"{bug.name}: {name} has {source.count(text)} times: {text.strip()[:80]}")
        (tree / name).write_text(source.replace(text, wrong), "utf-8")


def is_caught(bug: Bug, folder: Path) -> bool:
    """Say whether the bug's tests fail with it."""
    tree = folder / "tree"
    copy_tree(tree)
    try:
        plant(bug, tree)
        done = run_tests(tree, bug.caught_by)
        if done.returncode not in (0, 1):  # neither passed nor failed: it could not be run
            say(done.stdout[-2000:])
        return done.returncode == 1
    finally:
        shutil.rmtree(tree)


def run_tests(tree: Path, words: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy of the tree."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *words]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "RIG_POINTS": "40"}
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=900
    )  # fmt: skip


def seeded_bugs(folder: Path, bugs: Iterable[Bug] = BUGS) -> Figures:
    """Plant one bug after the other."""
    figures = Figures("T20")
    bugs = tuple(bugs)
    missed = []
    for bug in bugs:
        caught = is_caught(bug, folder)
        say(f"T20: {'caught' if caught else 'NOT CAUGHT'}: {bug.name}")
        missed += [] if caught else [bug.name]
    figures.equal("bugs caught", len(bugs) - len(missed), len(bugs))
    if missed:
        figures.equal("bugs not caught", "; ".join(missed), "none")
    return figures
