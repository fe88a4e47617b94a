"""`plugin-host appointment find|show`: what both sides said of one appointment, and where they are apart."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from host.command_access import opened_store
from host.command_line import EXIT_FINDINGS, Failure, Group, json_option, print_json, site_option
from host.site import read_site
from store import appointments
from store.appointments import Gap, Line, Timeline

_SIDES = {"blume": "Blume", "powerserver": "PowerServer"}
_GAPS = {
    "apart": "{blume} in Blume since {since}, PowerServer still {powerserver}",
    "on its way": "a message is on its way since {since}: Blume has {blume}, PowerServer {powerserver}",
    "parked": "a message is parked since {since}: Blume has {blume}, PowerServer {powerserver}",
    "no decision": "asked for in Blume at {since}; PowerServer has not decided",
}


@click.group(name="appointment", cls=Group)
def appointment_command() -> None:
    """Show appointments across both channels.

    What is printed is patient data: it is for the screen of the person who asked.
    """


@appointment_command.command()
@click.argument("key")
@site_option
@json_option
def show(key: str, site: Path, as_json: bool) -> None:
    """Show what each side said of an appointment, the state after each step, and the gaps.

    KEY is Blume's or PowerServer's number of it, an accession, or a patient's number; all that it finds are shown.
    Exit code 1 when there is none.
    """
    settings = read_site(site).values.get(appointments.KIND) or {}
    patience = 3600 * float(settings.get("request_timeout", 48))
    with opened_store(site) as store:
        numbers = appointments.search(store.connection, key)
        found = [appointments.timeline(store.connection, one, now=time.time(), patience=patience) for one in numbers]
    shown = [one for one in found if one is not None]
    if as_json:
        print_json(appointments=[dataclasses.asdict(one) for one in shown])
    for one in () if as_json else shown:
        _print(one)
    if not shown:
        raise Failure(EXIT_FINDINGS, "no appointment found")


def _print(one: Timeline) -> None:
    known = ", ".join(text for text in (one.placer, one.filler) if text)
    click.echo(f"appointment {known}: {one.state}")
    for name, side in (("Blume", one.blume), ("PowerServer", one.powerserver)):
        start = f", begins {_time(side.start)}" if side and side.start is not None else ""
        click.echo(f"  {name:12} {side.state if side else 'nothing'}{start}")
    for line in one.lines:
        click.echo(f"  {_told(line)}")
    for gap in one.gaps:
        click.echo(f"  GAP: {_gap(gap)}")


def _told(line: Line) -> str:
    who = _SIDES.get(line.side or "", "")
    said = f"says {line.said}" if line.said else line.event
    what = f" → {line.change}" if line.change else ""
    rule = f" ({line.rule})" if line.rule else ""
    state = f" = {line.state}" if line.state else ""
    reason = f"; {line.reason}" if line.reason else ""
    return f"{_time(line.at)}  {who:12} {said}{what}{rule}{state}{reason}  {line.message or ''}".rstrip()


def _gap(gap: Gap) -> str:
    words: dict[str, Any] = {"blume": gap.blume or "nothing", "powerserver": gap.powerserver or "nothing"}
    return _GAPS[gap.what].format(since=_time(gap.since), **words)


def _time(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds")
