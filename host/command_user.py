"""`plugin-host user`: the local accounts of the status page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from console import passwords
from host.command_access import opened_store, who
from host.command_line import EXIT_REFUSED, Failure, Group, json_option, print_json, site_option, suggestion
from host.command_site import read_site_or_leave
from store import accounts
from store.writer import Transaction

ROLES = ("viewer", "operator", "analyst", "admin")


@click.group(cls=Group)
def user_command() -> None:
    """Add, list and change the local accounts of the status page.

    As long as there is none, and no identity provider in site.yaml, the page is open to whoever uses this machine, and
    to nobody else.
    """


@user_command.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What it may do.")
@click.option("--bodies", is_flag=True, help="It may read the bodies of messages; each reading is audited.")
@click.option(
    "--break-glass", is_flag=True, help="For emergencies: needs a reason, tells everybody, ends after an hour."
)
@site_option
@json_option
def add(name: str, role: str, bodies: bool, break_glass: bool, site: Path, as_json: bool) -> None:
    """Add an account. Its first password is printed once, and changed at the first sign-in."""
    if not name.strip() or not name.isprintable() or len(name) > 100:
        raise click.UsageError("NAME is 1 to 100 characters that can be printed.")
    password = passwords.new_password()
    kept = passwords.hashed(password)

    def work(tx: Transaction) -> accounts.AccountExists | None:
        return accounts.add(tx, name, kept, role, by=who(), bodies=bodies, break_glass=break_glass)

    with opened_store(site) as store:
        try:
            store.writer.now(work)
        except accounts.AccountExists:
            raise Failure(EXIT_REFUSED, f"there is already an account '{name}'") from None
    _tell(as_json, f"{name}: {role}; password, shown only now:", password, name=name, role=role, password=password)


def _tell(as_json: bool, words: str, secret: str, **fields: object) -> None:
    if as_json:
        print_json(**fields)
        return
    click.echo(words, err=True)
    click.echo(secret)


@user_command.command("list")
@site_option
@json_option
def list_command(site: Path, as_json: bool) -> None:
    """List the accounts."""
    with opened_store(site) as store:
        rows = accounts.accounts(store.connection)
    if as_json:
        secret = {"password", "totp", "totp_used", "stamp"}
        shown = [
            {key: value for key, value in dataclasses.asdict(row).items() if key not in secret}
            | {"one_time_codes": row.totp is not None}
            for row in rows
        ]
        print_json(accounts=shown)
        return
    for row in rows:
        words = [row.role, *(word for word, holds in _words(row) if holds)]
        at = datetime.fromtimestamp(row.signed_in_at, UTC).astimezone() if row.signed_in_at else None
        seen = f"last here {at:%Y-%m-%d %H:%M}" if at else "never signed in"
        click.echo(f"{row.name}  {', '.join(words)}  {seen}")
    if not rows:
        click.echo("no accounts: the status page is open on this machine", err=True)


def _words(row: accounts.Account) -> list[tuple[str, bool]]:
    return [
        ("reads messages", row.bodies),
        ("break-glass", row.break_glass),
        ("one-time codes", row.totp is not None),
        ("must change its password", row.must_change),
        ("disabled", row.disabled),
    ]


@user_command.command()
@click.argument("name")
@click.option("--again", is_flag=True, help="Enable it again.")
@site_option
@json_option
def disable(name: str, again: bool, site: Path, as_json: bool) -> None:
    """Disable an account: its sessions end at once."""
    _change(site, name, lambda tx: accounts.set_disabled(tx, name, disabled=not again, by=who()))
    if as_json:
        print_json(name=name, disabled=not again)
    else:
        click.echo(f"{name}: {'enabled' if again else 'disabled'}", err=True)


@user_command.command()
@click.argument("name")
@site_option
@json_option
def reset(name: str, site: Path, as_json: bool) -> None:
    """Give an account a new first password, printed once; its sessions end, and a lock is lifted."""
    password = passwords.new_password()
    kept = passwords.hashed(password)
    _change(site, name, lambda tx: accounts.set_password(tx, name, kept, by=who(), must_change=True))
    _tell(as_json, f"{name}: password, shown only now:", password, name=name, password=password)


@user_command.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Ask for no code any more.")
@site_option
@json_option
def totp(name: str, off: bool, site: Path, as_json: bool) -> None:
    """Ask for a one-time code of an authenticator app from now on (TOTP, RFC 6238). The key is printed once."""
    key = None if off else passwords.new_key()
    _change(site, name, lambda tx: accounts.set_totp(tx, name, key, by=who()))
    if key is None:
        _tell(as_json, f"{name}: no one-time codes any more", "", name=name, one_time_codes=False)
        return
    address = passwords.key_address(key, name, read_site_or_leave(site).name)
    words = f"{name}: key {passwords.key_text(key)}, shown only now; for a QR code:"
    _tell(as_json, words, address, name=name, key=passwords.key_text(key), address=address)


def _change(site: Path, name: str, work: Callable[[Transaction], Any]) -> None:
    with opened_store(site) as store:
        try:
            store.writer.now(work)
        except accounts.NoSuchAccount:
            names = [row.name for row in accounts.accounts(store.connection)]
            raise click.UsageError(f"There is no account '{name}': {suggestion(name, names)}") from None
