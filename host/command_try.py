"""`plugin-host try`: the same checks as the door, the same mapping as the lane, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from channels import registry
from channels.kind import Go, Hold, Kind, Wait, ask_anew
from host.command_line import EXIT_FINDINGS, Failure, complete_channel, json_option, print_json, site_option, suggestion
from host.command_site import channel_file, now_option, problem_as_json
from messages.identity import control_id
from messages.problem import Problems
from transformers import er7
from transformers.base import Facts, Filtered, Given, Transformed
from transformers.er7 import parse
from transformers.mapping_follow import follow


@click.command()
@click.argument("channel", shell_complete=complete_channel)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--explain", is_flag=True, help="Show where each field comes from: rule, source, what was found, conversion."
)
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
        self._plan = plan
        self._transformer = registry.load("transformer", plan["transformer"])(plan)
        self._destinations = destinations
        self._now = now
        self._known = known
        name = plan.get("kind")
        self._kind: Kind | None = (
            registry.load("channel", name)(plan["transformer"], plan["settings"]) if name else None
        )

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
            said = self._asked(admission.facts)
            for name in self._destinations:
                given = Given(
                    now=self._now, control_id=control_id(), destination=name, focus=admission.focus, known=self._known,
                    values=said.values if isinstance(said, Go) else {},
                )  # fmt: skip
                result: Transformed | Filtered = (
                    Filtered(reason=said.reason)
                    if isinstance(said, Hold)
                    else self._transformer.transform(document, given)
                )
                if isinstance(result, Filtered):
                    yield {"destination": name, "filtered": result.reason}
                else:
                    rules = {"rules": self._rules(document, given, result.encoded)} if explain else {}
                    yield {"destination": name, "action": result.action, "message": _text(result.encoded)} | rules

    def _asked(self, facts: Facts) -> Go | Hold | Wait | None:
        """Return what the rules of the channel's kind say of a message about something that nothing is known of."""
        if self._kind is None:
            return None
        return ask_anew(self._kind, facts, self._now.timestamp())

    def _rules(self, document: Any, given: Given, encoded: bytes) -> list[dict[str, Any]]:
        """Return each rule at work, in the order of the message; a transformer without such a plan gives none."""
        rules = [asdict(rule) for rule in follow(self._plan, document, given).explained if rule.gave]
        if not encoded.startswith(b"MSH"):
            return rules
        mapped = {rule["target"] for rule in rules}
        header = parse(encoded).segments[0]
        host = {"place": "", "source": "the host", "found": (), "conversion": ""}
        return [
            *({"target": f"MSH-{n}", **host, "gave": er7.written(field)}
              for n, field in enumerate(header) if n > 2 and field and f"MSH-{n}" not in mapped),
            *rules,
        ]  # fmt: skip


def _text(encoded: bytes) -> str:
    """Return what is sent as text: HL7 by its own MSH-18, DICOM as its attributes, anything else as UTF-8."""
    if encoded[128:132] == b"DICM":
        from transformers.dicom_dataset import decoded  # noqa: PLC0415  # pydicom only where DICOM is shown

        return orjson.dumps(decoded(encoded), option=orjson.OPT_INDENT_2).decode()
    charset = parse(encoded).charset if encoded.startswith(b"MSH") else "utf-8"
    return encoded.decode(charset, "replace")


def _print(result: dict[str, Any]) -> None:
    if "filtered" in result:
        click.echo(f"{result['destination']}: filtered: {result['filtered']}")
        return
    click.echo(result["message"].replace("\r", "\n").rstrip("\n"))
    if "rules" in result:
        click.echo()
        for line in _table(result["rules"]):
            click.echo(line)


_HEADS = ("field", "sent", "found", "source", "conversion", "rule")


def _table(rules: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table of rules, long values cut."""
    rows = [_HEADS, *(_row(rule) for rule in rules)]
    widths = [min(max(len(row[column]) for row in rows), _WIDEST) for column in range(len(_HEADS))]
    for row in rows:
        cells = [_cut(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join([*cells[:-1], row[-1]]).rstrip()


#: Characters of a cell; `--json` has all of them.
_WIDEST = 40


def _row(rule: dict[str, Any]) -> tuple[str, ...]:
    found = " | ".join(rule["found"])
    return (rule["target"], rule["gave"], found, rule["source"], rule["conversion"], rule["place"])


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
