"""`plugin-host messages find|show|retry|reprocess|cancel` and `plugin-host reconcile`."""

from __future__ import annotations

import dataclasses
import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from channels.control import Act, NoSuchMessage
from host.command_line import EXIT_FINDINGS, EXIT_IN_PART, EXIT_REFUSED, json_option, site_option
from host.command_status import control_of, open_store
from messages.lifecycle import Status
from store import reads


@click.group(name="messages")
def messages_command() -> None:
    """Find, show, retry and cancel messages."""


@messages_command.command()
@click.argument("query", default="")
@click.option("--channel", help="Only this channel.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only with a delivery in it.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@site_option
@json_option
def find(query: str, channel: str | None, status: str | None, limit: int, site: Path, as_json: bool) -> None:
    """List messages, newest first: those with a searchable value, a message id or a control id equal to QUERY."""
    store = open_store(site)
    lines = reads.find(store.connection, reads.Search(query=query, channel=channel, status=status, limit=limit))
    store.close()
    if as_json:
        click.echo(orjson.dumps({"schema": 1, "messages": [dataclasses.asdict(line) for line in lines]}).decode())
    for line in () if as_json else lines:
        statuses = ", ".join(f"{d.destination} {d.status}" for d in line.deliveries)
        values = " ".join(f"{name}={value}" for name, value in line.index.items())
        click.echo(f"{_time(line.received_at)}  {line.id}  {line.channel}  {statuses}  {values}")
    if not lines:
        click.echo("no message found", err=True)
        sys.exit(EXIT_FINDINGS)


@messages_command.command()
@click.argument("message")
@click.option(
    "--pane", type=click.Choice(["timeline", "received", "sent", "response"]), default="timeline", show_default=True
)
@site_option
def show(message: str, pane: str, site: Path) -> None:
    """Show one message: its timeline, what was received, what was sent, what was answered."""
    store = open_store(site)
    detail = reads.detail(store.connection, message.upper())
    store.close()
    if detail is None:
        click.echo("there is no message of this id", err=True)
        sys.exit(EXIT_FINDINGS)
    if pane == "received":
        click.echo(detail.body.decode("utf-8", "replace"))
        return
    for delivery in detail.line.deliveries:
        if pane == "sent" and delivery.id in detail.outgoing:
            click.echo(_readable(detail.outgoing[delivery.id][1]))
        for entry in detail.timeline.get(delivery.id, ()):
            if pane == "timeline":
                by = f" by {entry.by}" if entry.by else ""
                reason = f": {entry.reason}" if entry.reason else ""
                click.echo(f"{_time(entry.at)}  {delivery.destination}  {entry.event} → {entry.status}{by}{reason}")
            if pane == "response" and entry.response:
                click.echo(_readable(entry.response))


def _act_command(act: Act, text: str) -> click.Command:
    @click.command(name=act, help=text)
    @click.argument("messages", nargs=-1, required=True)
    @click.option("--reason", help="Why; kept in the timeline.")
    @site_option
    def command(messages: tuple[str, ...], reason: str | None, site: Path) -> None:
        store = open_store(site)
        control = control_of(store)
        done = failed = 0
        for message in messages:
            try:
                outcomes = control.act(message.upper(), act, by=getpass.getuser(), reason=reason)
            except NoSuchMessage:
                click.echo(f"{message}: there is no such message", err=True)
                failed += 1
                continue
            for outcome in outcomes:
                done, failed = done + outcome.done, failed + (not outcome.done)
                why = f" ({outcome.reason})" if outcome.reason else ""
                click.echo(f"{message} {outcome.destination}: {outcome.status}{why}")
        store.close()
        sys.exit(0 if not failed else EXIT_IN_PART if done else EXIT_REFUSED)

    return command


messages_command.add_command(_act_command("retry", "Send parked messages again, the same bytes."))
messages_command.add_command(_act_command("reprocess", "Map parked messages anew, by the mapping that runs now."))
messages_command.add_command(_act_command("cancel", "Cancel messages that were not delivered."))


@click.command()
@site_option
@json_option
def reconcile_command(site: Path, as_json: bool) -> None:
    """Count every delivery: accepted = delivered + filtered + parked + cancelled + pending."""
    store = open_store(site)
    balance = reads.reconcile(store.connection)
    store.close()
    if as_json:
        click.echo(orjson.dumps({"schema": 1, **dataclasses.asdict(balance), "holds": balance.holds}).decode())
    else:
        shares = " + ".join(f"{n} {name}" for name, n in balance.shares.items())
        click.echo(f"{balance.accepted} accepted = {shares}: {'holds' if balance.holds else 'DOES NOT HOLD'}")
    sys.exit(0 if balance.holds else EXIT_FINDINGS)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(sep=" ", timespec="milliseconds")


def _readable(message: bytes) -> str:
    return message.decode("utf-8", "replace").replace("\r", "\n").rstrip("\n")
