"""What is different between two revisions of a channel: the text of the file, its tables, its settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One revision."""

    #: `revision 3f2a…`, or the file's path.
    label: str
    source: str
    #: None for a file that is not fit to run.
    plan: Mapping[str, Any] | None


def differences(before: Side, after: Side) -> Iterator[str]:
    """Yield lines for people: a unified diff of the texts, then tables and settings; none when all is the same."""
    yield from difflib.unified_diff(
        before.source.splitlines(), after.source.splitlines(), before.label, after.label, lineterm=""
    )
    if before.plan is None or after.plan is None:
        return
    yield from _tables(before.plan.get("tables") or {}, after.plan.get("tables") or {})
    yield from settings(before.plan, after.plan)


def settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is different in the settings of the connectors: hosts, ports, waits."""
    for name, one, other in _connectors(before, after):
        yield from _values(name, one, other)


def _tables(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        one, other = before.get(name, {}), after.get(name, {})
        for code in dict.fromkeys([*one, *other]):
            place = f"tables/{name}.csv {code}"
            if code not in other:
                yield f"-{place}: {_row(one[code])}"
            elif code not in one:
                yield f"+{place}: {_row(other[code])}"
            else:
                # A column that only one of them uses is in the plan of one of them only.
                changed = [column for column, cell in one[code].items() if other[code].get(column, cell) != cell]
                yield from (f"-{place}: {column}={one[code][column]}" for column in changed)
                yield from (f"+{place}: {column}={other[code][column]}" for column in changed)


def _row(row: Mapping[str, str]) -> str:
    return ", ".join(f"{column}={cell}" for column, cell in row.items())


def _connectors(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    yield "from", before["from"]["settings"], after["from"]["settings"]
    for name in dict.fromkeys([*before["destinations"], *after["destinations"]]):
        one, other = (plan["destinations"].get(name, {}).get("settings", {}) for plan in (before, after))
        yield f"destinations.{name}", one, other


def _values(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for setting in dict.fromkeys([*before, *after]):
        if before.get(setting) != after.get(setting):
            if setting in before:
                yield f"-{name}.{setting}: {before[setting]}"
            if setting in after:
                yield f"+{name}.{setting}: {after[setting]}"
