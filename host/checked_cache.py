"""Keeps what the check of a fit mapping file gave, until anything that went into it changes.

One file for each mapping, in `checked/` of the data folder. A file with mistakes is always checked anew: its hints
depend on what else there is. What cannot be read or written here is no problem, it only takes longer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from messages.problem import Place, Problem
from transformers.mapping_checked import Checked, Example
from transformers.mapping_file import Document, load
from transformers.mapping_site import Site

#: Of what is kept. Another one is not read.
_FORM = 1
_ROOMS = Path(__file__).resolve().parents[1]


class Cache:
    """What is known of one site's mapping files, with its variables as they are."""

    def __init__(self, folder: Path, site: Site) -> None:
        self._folder = folder
        self._site = site
        self._digests: dict[Path, str | None] = {}
        own = [_FORM, _release(), str(site.folder), site.name, site.time_zone, site.stations, site.values]
        own.append(repr(site.kinds))
        self._key = hashlib.sha256(orjson.dumps(own, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def get(self, path: Path) -> Checked | None:
        """Return what the check of a file gave, if it would give the same now."""
        try:
            kept = orjson.loads(self._entry(path).read_bytes())
            if kept["key"] != self._key or kept["path"] != path.as_posix():
                return None
            if any(self._digest(Path(name)) != digest for name, digest in kept["inputs"].items()):
                return None
            return Checked(
                [_problem(one) for one in kept["problems"]],
                kept["plan"],
                _Places(path),
                path.read_text("utf-8-sig"),
                tuple(_example(one) for one in kept["tests"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, path: Path, checked: Checked) -> None:
        """Keep what the check of a file gave; nothing of one with mistakes, and nothing in an installed package."""
        is_installed = self._folder.is_relative_to(_ROOMS) and not (_ROOMS / "pyproject.toml").exists()
        if checked.plan is None or is_installed:
            return
        kept = {
            "key": self._key,
            "path": path.as_posix(),
            "inputs": {str(name): self._digest(name) for name in self._inputs(path, checked)},
            "problems": [asdict(problem) for problem in checked.problems],
            "plan": checked.plan,
            "tests": [asdict(test) for test in checked.tests],
        }
        entry = self._entry(path)
        part = entry.with_name(f"{entry.name}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A station's settings are in it: nobody else's to read.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(orjson.dumps(kept))
            part.replace(entry)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()

    def _entry(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"

    def _inputs(self, path: Path, checked: Checked) -> Iterator[Path]:
        """Yield the files that went into a check: the mapping, its tables and fragments, the files of its tests."""
        inputs = (checked.plan or {}).get("inputs", {})
        yield path
        yield from (self._site.folder / "tables" / f"{name}.csv" for name in inputs.get("tables", ()))
        yield from (self._site.folder / name for part in ("fragments", "files") for name in inputs.get(part, ()))
        for test in checked.tests:
            yield from (self._site.folder / name for name in (test.given, test.expect.get("message")) if name)

    def _digest(self, path: Path) -> str | None:
        if path not in self._digests:
            try:
                self._digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError:
                self._digests[path] = None
        return self._digests[path]


class _Places:
    """Places in a file, which is read when the first is asked for: mostly none is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._document: Document | None = None

    def __call__(self, steps: Sequence[str | int]) -> Place:
        if self._document is None:
            self._document = load(self._path)
        return self._document.place(steps)


@cache
def _release() -> str:
    """Return what tells one state of our own code and tables from another."""
    kinds = {".py", ".json", ".gz", ".typ"}
    files = [path for path in sorted((_ROOMS / "transformers").rglob("*")) if path.suffix in kinds]
    stats = [(path.name, (it := path.stat()).st_mtime_ns, it.st_size) for path in files]
    return hashlib.sha256(orjson.dumps([version("plugin-host"), stats])).hexdigest()


def _problem(kept: Mapping[str, Any]) -> Problem:
    place = kept["place"]
    return replace(Problem(**kept), place=place and Place(**place))


def _example(kept: Mapping[str, Any]) -> Example:
    now = kept["now"]
    return replace(Example(**kept), place=Place(**kept["place"]), now=now and datetime.fromisoformat(now))
