"""`plugin-host try`: the same checks as the door, the same mapping as the lane, and nothing is sent."""

from __future__ import annotations

import difflib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from channels import registry
from host.command_check import checked, now_option
from host.command_line import EXIT_CONFIGURATION, EXIT_FINDINGS, EXIT_USAGE, json_option, site_option
from host.site import CheckedFile
from messages.identity import control_id
from messages.problem import Problem, Problems
from transformers.base import Filtered, Given, Transformed


@click.command()
@click.argument("channel")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--known", is_flag=True, help="The destination has accepted a message about the same thing before.")
@click.option("--destination", help="Only this destination of the channel.")
@site_option
@json_option
@now_option
def try_command(
    channel: str, file: Path, known: bool, destination: str | None, site: Path, as_json: bool, now: datetime | None
) -> None:
    """Map FILE as CHANNEL would, and print what would be sent.

    Input that the door would refuse exits 1 and says where and why, without patient values.
    """
    mapping = _mapping(channel, checked(site, ()))
    plan: dict[str, Any] = mapping.checked.plan or {}
    destinations = [name for name in plan["destinations"] if destination in {None, name}]
    if not destinations:
        click.echo(f"channel {channel} has no destination '{destination}'", err=True)
        sys.exit(EXIT_USAGE)
    given = {"now": now or datetime.now(UTC), "known": known}
    try:
        results = _results(plan, file.read_bytes(), destinations, given)
    except Problems as problems:
        for problem in problems.problems:
            click.echo(str(problem), err=True)
        if as_json:
            found = [_as_json(problem) for problem in problems.problems]
            click.echo(orjson.dumps({"schema": 1, "refused": found}).decode())
        sys.exit(EXIT_FINDINGS)
    if as_json:
        click.echo(orjson.dumps({"schema": 1, "results": results}).decode())
        return
    for result in results:
        if "filtered" in result:
            click.echo(f"{result['destination']}: filtered: {result['filtered']}")
        else:
            click.echo(str(result["message"]).replace("\r", "\n").rstrip("\n"))


def _mapping(channel: str, files: list[CheckedFile]) -> CheckedFile:
    found = next((file for file in files if file.channel == channel), None)
    if found is None:
        names = [file.channel for file in files]
        near = difflib.get_close_matches(channel, names, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}"
        click.echo(f"there is no channel '{channel}'; {hint}", err=True)
        sys.exit(EXIT_USAGE)
    if not found.is_fit:
        click.echo(f"{found.path} has problems; see plugin-host check", err=True)
        sys.exit(EXIT_CONFIGURATION)
    return found


def _results(plan: dict[str, Any], body: bytes, destinations: list[str], given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one entry for each message and destination.

    Raises:
        Problems: the door would refuse it, or a rule of the mapping cannot be kept.
    """
    transformer = registry.load("transformer", plan["transformer"])(plan)
    document = transformer.check(body)
    admissions = transformer.admit(document)
    if not admissions:
        raise Problems([Problem(code="NO_CHANNEL", text="this channel does not take this message")])
    results: list[dict[str, Any]] = []
    for admission in admissions:
        for name in destinations:
            result: Transformed | Filtered = transformer.transform(
                document, Given(control_id=control_id(), destination=name, focus=admission.focus, **given)
            )
            if isinstance(result, Filtered):
                results.append({"destination": name, "filtered": result.reason})
            else:
                message = result.encoded.decode("utf-8", "replace")
                results.append({"destination": name, "action": result.action, "message": message})
    return results


def _as_json(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "text": problem.text, "hint": problem.hint, "expression": problem.expression}
