"""Which channels follow which (`from: { connector: outcomes, of: … }`), checked across the files of a site."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from messages.problem import Place, Problem
from store.follow import CONNECTOR


def followed(plan: Mapping[str, Any] | None) -> str | None:
    """Return the channel that a plan's channel follows; None where it follows none."""
    source = (plan or {}).get("from") or {}
    name: str | None = source["settings"].get("of") if source.get("connector") == CONNECTOR else None
    return name


def following_problems(channel: str, place: Place, follows: Mapping[str, str | None], known: set[str]) -> list[Problem]:
    """Return what is wrong with the channel that another one follows.

    Args:
        channel: the one that follows.
        place: of its `of:`.
        follows: channel -> the one that it follows, of all files that are looked at.
        known: names of channels of the site.
    """
    of = follows.get(channel)
    if of is None:
        return []
    way = [channel]
    while of is not None and of not in way:
        way.append(of)
        of = follows.get(of)
    if of == channel:
        text = f"{' follows '.join([*way, channel])}: one outcome would make messages without end"
        return [Problem(code="E157", text=text, hint="follow a channel that follows nobody", place=place)]
    if way[1] in known | set(follows):
        return []
    near = difflib.get_close_matches(way[1], known | set(follows), 1)
    hint = f"did you mean '{near[0]}'?" if near else None
    text = f"no channel of this site is called '{way[1]}': nothing will come"
    return [Problem(code="E156", text=text, hint=hint, place=place, severity="warning")]
