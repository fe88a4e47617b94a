"""`plugin-host try`: the same checks as the door, the same mapping as the lane, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from channels import registry
from host.command_line import EXIT_FINDINGS, Failure, complete_channel, json_option, print_json, site_option, suggestion
from host.command_site import channel_file, now_option, problem_as_json
from messages.identity import control_id
from messages.problem import Problems
from transformers.base import Filtered, Given, Transformed
from transformers.er7 import parse


@click.command()
@click.argument("channel", shell_complete=complete_channel)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--explain", is_flag=True, help="Show each rule at work: target, what it gave, from where, its place.")
@click.option("--known", is_flag=True, help="The destination has accepted a message about the same thing before.")
@click.option("--destination", help="Only this destination of the channel.")
@now_option
@site_option
@json_option
def try_command(
    channel: str,
    file: Path,
    explain: bool,
    known: bool,
    destination: str | None,
    now: datetime | None,
    site: Path,
    as_json: bool,
) -> None:
    """Map FILE as CHANNEL would, and print what would be sent.

    Input that the door would refuse exits 1 and says where and why, without patient values.
    """
    plan: dict[str, Any] = channel_file(site, channel).checked.plan or {}
    destinations = [name for name in plan["destinations"] if destination in {None, name}]
    if not destinations:
        hint = suggestion(destination or "", plan["destinations"])
        raise click.UsageError(f"Channel {channel} has no destination '{destination}': {hint}")
    trial = _Trial(plan, destinations, now or datetime.now(UTC), known=known)
    try:
        results = list(trial.results(file.read_bytes(), explain=explain))
    except Problems as problems:
        if as_json:
            print_json(refused=[problem_as_json(problem) for problem in problems.problems])
        raise Failure(EXIT_FINDINGS, "\n".join(map(str, problems.problems))) from None
    if as_json:
        print_json(results=results)
    else:
        for result in results:
            _print(result)


class _Trial:
    """A channel's transformer, and what it is given beside the document."""

    def __init__(self, plan: dict[str, Any], destinations: list[str], now: datetime, *, known: bool) -> None:
        self._transformer = registry.load("transformer", plan["transformer"])(plan)
        self._destinations = destinations
        self._now = now
        self._known = known

    def results(self, body: bytes, *, explain: bool) -> Iterator[dict[str, Any]]:
        """Yield one result for each message and destination.

        Raises:
            Problems: the door would refuse it, or a rule of the mapping cannot be kept.
        """
        document = self._transformer.check(body)
        admissions = self._transformer.admit(document)
        if not admissions:
            raise Problems.one("NO_CHANNEL", "this channel does not take this message")
        for admission in admissions:
            for name in self._destinations:
                given = Given(
                    now=self._now, control_id=control_id(), destination=name, focus=admission.focus, known=self._known
                )
                result: Transformed | Filtered = self._transformer.transform(document, given)
                if isinstance(result, Filtered):
                    yield {"destination": name, "filtered": result.reason}
                else:
                    rules = {"rules": self._rules(document, given)} if explain else {}
                    yield {"destination": name, "action": result.action, "message": _text(result.encoded)} | rules

    def _rules(self, document: Any, given: Given) -> list[dict[str, str]]:
        """Return each rule at work, as they stand in the file; a transformer that cannot tell gives none."""
        if not hasattr(self._transformer, "explain"):
            return []
        rules = [
            {
                "target": rule.target,
                "gave": _joined(rule.gave),
                "place": rule.place,
                "source": f"{rule.source}  {rule.conversion}".rstrip(),
            }
            for rule in self._transformer.explain(document, given)
        ]
        return sorted(rules, key=lambda rule: int(rule["place"].rsplit(":", 2)[1]))


def _text(encoded: bytes) -> str:
    """Return what is sent as text: HL7 by its own MSH-18, anything else as UTF-8."""
    charset = parse(encoded).charset if encoded.startswith(b"MSH") else "utf-8"
    return encoded.decode(charset, "replace")


def _joined(gave: Any, marks: str = "~^&") -> str:
    """Return repetitions of components of subcomponents as HL7 writes them, for reading only."""
    if not isinstance(gave, list):
        return str(gave)
    return marks[:1].join(_joined(part, marks[1:]) for part in gave)


def _print(result: dict[str, Any]) -> None:
    if "filtered" in result:
        click.echo(f"{result['destination']}: filtered: {result['filtered']}")
        return
    click.echo(result["message"].replace("\r", "\n").rstrip("\n"))
    rules = result.get("rules", ())
    width = max((len(rule["target"]) for rule in rules), default=0)
    for rule in rules:
        click.echo(f"  {rule['target']:{width}}  {rule['gave']:40}  {rule['place']}  {rule['source']}")
