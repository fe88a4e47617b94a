"""`plugin-host messages find|show|would|retry|reprocess|cancel|resend`."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from channels.control import Act, NoSuchMessage
from host import trying
from host.command_access import bells, control_of, opened_store, who
from host.command_line import (
    EXIT_FINDINGS,
    EXIT_IN_PART,
    EXIT_REFUSED,
    Failure,
    Group,
    complete_channel,
    json_option,
    print_json,
    site_option,
    suggestion,
)
from messages.lifecycle import Status
from messages.problem import Problems
from store import audit, directory, lists, reads


@click.group(name="messages", cls=Group)
def messages_command() -> None:
    """Find, show, retry, reprocess and cancel messages.

    What they print may hold patient data: it is for the screen of the person who asked.
    """


@messages_command.command()
@click.argument("query", default="")
@click.option("--channel", help="Only this channel.", shell_complete=complete_channel)
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only with a delivery in it.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@site_option
@json_option
def find(query: str, channel: str | None, status: str | None, limit: int, site: Path, as_json: bool) -> None:
    """List messages, newest first.

    QUERY is a searchable value (booking, accession, medical record number), a message's id or its control id
    (MSH-10). Exit code 1 when there is none.
    """
    with opened_store(site) as store:
        names = [row.name for row in directory.channels(store.connection)]
        if channel is not None and channel not in names:
            raise click.UsageError(f"There is no channel '{channel}': {suggestion(channel, names)}")
        if query:
            found = reads.find(store.connection, query, limit)
            lines = [line for line in found if channel in {None, line.channel} and _has(line, status)]
        else:
            wanted = lists.Wanted(channel=channel, statuses=[Status(status)] if status else ())
            lines = list(itertools.islice(lists.each(store.connection, wanted), limit))
    if as_json:
        print_json(messages=[dataclasses.asdict(line) for line in lines])
    for line in () if as_json else lines:
        statuses = ", ".join(f"{d.destination} {d.status}" for d in line.deliveries)
        values = " ".join(f"{name}={value}" for name, value in line.index.items())
        click.echo(f"{_time(line.received_at)}  {line.id}  {line.channel}  {statuses}  {values}")
    if not lines:
        raise Failure(EXIT_FINDINGS, "no message found")


def _has(line: reads.MessageLine, status: str | None) -> bool:
    return status is None or any(delivery.status == status for delivery in line.deliveries)


_PANES = ("timeline", "received", "sent", "response")


@messages_command.command()
@click.argument("message")
@click.option("--pane", type=click.Choice(_PANES), default="timeline", show_default=True)
@site_option
@json_option
def show(message: str, pane: str, site: Path, as_json: bool) -> None:
    """Show one MESSAGE by its id: its timeline, what was received, what was sent, what was answered."""
    with opened_store(site) as store:
        detail = reads.detail(store.connection, message.upper())
    if detail is None:
        raise Failure(EXIT_FINDINGS, "there is no message of this id")
    if as_json:
        print_json(**_as_json(detail))
    elif pane == "received":
        click.echo(detail.body.decode("utf-8", "replace"))
    else:
        for line in _lines(detail, pane):
            click.echo(line)


def _lines(detail: reads.MessageDetail, pane: str) -> list[str]:
    lines = []
    for delivery in detail.line.deliveries:
        if pane == "sent" and delivery.id in detail.outgoing:
            lines.append(_readable(detail.outgoing[delivery.id][1]))
        for entry in detail.timeline.get(delivery.id, ()):
            if pane == "timeline":
                who_did = entry.by or (entry.revision and f"revision {entry.revision}")
                by = f" by {who_did}" if who_did else ""
                reason = f": {entry.reason}" if entry.reason else ""
                lines.append(f"{_time(entry.at)}  {delivery.destination}  {entry.event} → {entry.status}{by}{reason}")
            if pane == "response" and entry.response:
                lines.append(_readable(entry.response))
    return lines


def _as_json(detail: reads.MessageDetail) -> dict[str, Any]:
    return {
        "id": detail.line.id,
        "channel": detail.line.channel,
        "revision": detail.revision,
        "received_at": detail.line.received_at,
        "peer": detail.peer,
        "content_type": detail.content_type,
        "index": detail.line.index,
        "received": detail.body.decode("utf-8", "replace"),
        "answer": detail.answer_status,
        "deliveries": [
            {
                "destination": delivery.destination,
                "status": delivery.status,
                "attempts": delivery.attempts,
                "action": delivery.action,
                "reason": delivery.reason,
                "control_id": detail.outgoing[delivery.id][0] if delivery.id in detail.outgoing else None,
                "sent": _text(detail.outgoing[delivery.id][1]) if delivery.id in detail.outgoing else None,
                "timeline": [
                    {
                        "at": entry.at,
                        "event": entry.event,
                        "status": entry.status,
                        "reason": entry.reason,
                        "by": entry.by,
                        "revision": entry.revision,
                        "response": _text(entry.response) if entry.response else None,
                    }
                    for entry in detail.timeline.get(delivery.id, ())
                ],
            }
            for delivery in detail.line.deliveries
        ],
    }


def _act_command(act: Act, text: str) -> click.Command:
    @click.command(name=act, help=f"{text}\n\nExit code 5 when it was done for a part of them, 6 for none.")
    @click.argument("messages", nargs=-1, required=True, metavar="MESSAGE...")
    @click.option("--reason", help="Why; kept in the timeline.")
    @site_option
    @json_option
    def command(messages: tuple[str, ...], reason: str | None, site: Path, as_json: bool) -> None:
        results: list[dict[str, Any]] = []
        with opened_store(site) as store, control_of(store) as control:
            for message in messages:
                try:
                    outcomes = control.act(message.upper(), act, by=who(), reason=reason)
                except NoSuchMessage:
                    results.append({"message": message, "done": False, "reason": "there is no such message"})
                    continue
                results += [{"message": message, **dataclasses.asdict(outcome)} for outcome in outcomes]
        done = sum(result["done"] for result in results)
        if as_json:
            print_json(results=results)
        for result in () if as_json else results:
            where = f" {result['destination']}: {result['status']}" if "status" in result else ":"
            why = f" ({result['reason']})" if result["reason"] else ""
            click.echo(f"{result['message']}{where}{why}", err=not result["done"])
        if done < len(results):
            click.echo(f"{done} of {len(results)} deliveries", err=True)
        sys.exit(0 if done == len(results) else EXIT_IN_PART if done else EXIT_REFUSED)

    return command


@messages_command.command("would")
@click.argument("messages", nargs=-1, required=True, metavar="MESSAGE...")
@site_option
@json_option
def would_command(messages: tuple[str, ...], site: Path, as_json: bool) -> None:
    """Say what would become of parked messages if they were tried now. Nothing is changed or sent.

    Exit code 1 when one would be parked again.
    """
    with opened_store(site) as store:
        found = list(trying.would(store, (message.upper() for message in messages)))
    if as_json:
        print_json(deliveries=found)
    for one in () if as_json else found:
        why = f": {one['cause']}" if one["cause"] else ""
        click.echo(f"{one['message']} {one['destination']} would be {one['becomes']}{why}")
    sys.exit(EXIT_FINDINGS if any(one["becomes"] == "parked" for one in found) else 0)


@messages_command.command("resend")
@click.argument("message")
@click.option("--with", "edited", required=True, type=click.File("rb"), help="The edited copy; - is standard input.")
@click.option("--by", help="Who edited it, where that is somebody else.")
@click.option("--reason", help="Why; kept in the audit trail.")
@site_option
@json_option
def resend_command(message: str, edited: Any, by: str | None, reason: str | None, site: Path, as_json: bool) -> None:
    """Send an edited copy of MESSAGE through its channel, as a message of its own. The original is not touched."""
    person = by or who()
    with opened_store(site) as store:
        detail = reads.detail(store.connection, message.upper())
        if detail is None:
            raise Failure(EXIT_FINDINGS, "there is no message of this id")
        try:
            copy, destinations = trying.resend(store, detail, edited.read(), person)
        except (Problems, trying.NotTaken) as error:
            raise Failure(EXIT_REFUSED, f"the copy is refused: {error}") from None
        given = {"edited_from": detail.line.id, **({"reason": reason} if reason else {})}
        store.writer.now(lambda tx: audit.record(tx, person, "message-changed", f"message:{copy}", detail=given))
        with bells(store) as ringer:
            ringer.work(destinations)
    if as_json:
        print_json(message=copy, edited_from=detail.line.id)
    else:
        click.echo(copy)


messages_command.add_command(_act_command("retry", "Send parked messages again, the same bytes."))
messages_command.add_command(_act_command("reprocess", "Map parked messages anew, by the mapping that runs now."))
messages_command.add_command(_act_command("cancel", "Cancel messages that were not delivered."))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(sep=" ", timespec="milliseconds")


def _text(message: bytes) -> str:
    return message.decode("utf-8", "replace")


def _readable(message: bytes) -> str:
    return _text(message).replace("\r", "\n").rstrip("\n")
