"""Finds plug-ins by name, ours and strangers' through the same door: entry points.

A broken plug-in is listed with its reason, never skipped.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUPS = {
    "connector": "plugin_host.connectors",
    "transformer": "plugin_host.transformers",
    "channel": "plugin_host.channels",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plug-in as it was found."""

    kind: str
    name: str
    #: `module:attribute` of its entry point.
    target: str
    #: Distribution and version that brought it.
    origin: str
    #: Why it cannot be used; None when it can.
    broken: str | None = None


class NoSuchPlugin(LookupError):
    """No plug-in of this kind and name, or a broken one; the text says which and why."""


@cache
def _entries(kind: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUPS[kind])}


def names(kind: str) -> list[str]:
    """Return the names of the plug-ins of a kind, whether or not they can be used."""
    return sorted(_entries(kind))


@cache
def load(kind: str, name: str) -> Any:
    """Return the class or module that a plug-in's entry point names.

    Raises:
        NoSuchPlugin: unknown (with the nearest name), or broken (with its reason).
    """
    entries = _entries(kind)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(entries)) or 'none'}"
        raise NoSuchPlugin(f"no {kind} '{name}': {hint}")
    try:
        return entries[name].load()
    except Exception as error:
        raise NoSuchPlugin(f"the {kind} '{name}' is broken: {type(error).__name__}: {error}") from error


def plugins() -> list[Plugin]:
    """Return every plug-in that is installed, each tried."""
    found = []
    for kind in GROUPS:
        for name, entry in sorted(_entries(kind).items()):
            try:
                load(kind, name)
                broken = None
            except NoSuchPlugin as error:
                broken = str(error).split(" is broken: ", 1)[1]
            origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
            found.append(Plugin(kind=kind, name=name, target=entry.value, origin=origin, broken=broken))
    return found
