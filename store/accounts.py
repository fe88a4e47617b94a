"""Local accounts, and the tries to sign in that failed. Of a password its hash is kept (console/passwords.py)."""

from __future__ import annotations

from dataclasses import dataclass, field

from messages.audit import Outcome
from store import audit
from store.connection import Connection
from store.fingerprint import fingerprint
from store.writer import Transaction

#: Failed tries of one name at one address, and of one address, within `WITHIN` seconds, that lock it.
TRIES, TRIES_OF_ADDRESS = 5, 30
WITHIN = 15 * 60.0

_COLUMNS = "name, password, role, bodies, break_glass, must_change, disabled, totp, totp_used, stamp, signed_in_at"


class NoSuchAccount(LookupError):
    """There is no account of this name."""


class AccountExists(ValueError):
    """There is already an account of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A local account. Times are seconds since 1970 UTC."""

    name: str
    password: str = field(repr=False)
    role: str
    #: May read the bodies of messages.
    bodies: bool
    #: Sealed: for an emergency; signing in needs a reason, alarms everybody and ends after an hour.
    break_glass: bool
    #: The password was printed for the first sign-in, and must be changed then.
    must_change: bool
    disabled: bool
    #: Key of the one-time codes (RFC 6238); None: the account has none.
    totp: bytes | None = field(repr=False)
    #: Number of the last time step whose code was used: each is good once.
    totp_used: int
    #: Grows when sessions must end: with each new password, code key, or when it is disabled.
    stamp: int
    signed_in_at: float | None


def account(connection: Connection, name: str) -> Account | None:
    """Return an account by its name."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM account WHERE name = ?", (name,)).fetchone()  # noqa: S608 - constants of ours
    return _account(row) if row else None


def accounts(connection: Connection) -> list[Account]:
    """Return all accounts by name."""
    return [_account(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM account ORDER BY name")]  # noqa: S608 - constants of ours


def are_there_any(connection: Connection) -> bool:
    """Tell whether anybody has a local account: then nobody enters without signing in."""
    return connection.execute("SELECT 1 FROM account LIMIT 1").fetchone() is not None


def _account(row: tuple) -> Account:  # type: ignore[type-arg]
    name, password, role, bodies, break_glass, must_change, disabled, totp, totp_used, stamp, at = row
    return Account(
        name=name, password=password, role=role, bodies=bool(bodies), break_glass=bool(break_glass),
        must_change=bool(must_change), disabled=bool(disabled), totp=totp, totp_used=totp_used, stamp=stamp,
        signed_in_at=at,
    )  # fmt: skip


def add(  # noqa: PLR0913  # each is a column
    tx: Transaction, name: str, password: str, role: str, *, by: str, bodies: bool = False, break_glass: bool = False
) -> AccountExists | None:
    """Add an account with the hash of a first password, which must be changed at the first sign-in."""
    cursor = tx.execute(
        "INSERT INTO account (name, password, role, bodies, break_glass, must_change, made_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
        (name, password, role, bodies, break_glass, not break_glass, tx.now),
    )
    if not cursor.rowcount:
        return AccountExists(name)
    detail = {"did": "added", "role": role, "bodies": bodies, "break_glass": break_glass}
    audit.record(tx, by, "account-changed", f"account:{name}", detail=detail)
    return None


def set_password(tx: Transaction, name: str, password: str, *, by: str, must_change: bool) -> NoSuchAccount | None:
    """Give an account the hash of a new password; all its sessions end, and a lock is lifted."""
    tx.execute("DELETE FROM failed_sign_in WHERE name = ?", (fingerprint(name),))
    change = "UPDATE account SET password = ?, must_change = ?, stamp = stamp + 1 WHERE name = ?"
    return _change(tx, name, change, (password, must_change), by, "password changed")


def set_disabled(tx: Transaction, name: str, *, disabled: bool, by: str) -> NoSuchAccount | None:
    """Disable an account, or enable it again; all its sessions end."""
    change = "UPDATE account SET disabled = ?, stamp = stamp + 1 WHERE name = ?"
    return _change(tx, name, change, (disabled,), by, "disabled" if disabled else "enabled")


def set_totp(tx: Transaction, name: str, key: bytes | None, *, by: str) -> NoSuchAccount | None:
    """Give an account a key for one-time codes, or take it away; all its sessions end."""
    change = "UPDATE account SET totp = ?, totp_used = 0, stamp = stamp + 1 WHERE name = ?"
    return _change(tx, name, change, (key,), by, "one-time codes on" if key else "one-time codes off")


def _change(  # noqa: PLR0913, PLR0917  # a helper of three
    tx: Transaction, name: str, statement: str, values: tuple[object, ...], by: str, did: str
) -> NoSuchAccount | None:
    if not tx.execute(statement, (*values, name)).rowcount:
        return NoSuchAccount(name)
    audit.record(tx, by, "account-changed", f"account:{name}", detail={"did": did})
    return None


# -- signing in ---------------------------------------------------------------------------------------------------


def is_locked(connection: Connection, name: str, address: str, now: float) -> bool:
    """Tell whether so many tries failed lately that no further one is looked at."""
    mine, all_of_them = connection.execute(
        "SELECT coalesce(sum(name = ?), 0), count(*) FROM failed_sign_in WHERE address = ? AND at > ?",
        (fingerprint(name), address, now - WITHIN),
    ).fetchone()
    return bool(mine >= TRIES or all_of_them >= TRIES_OF_ADDRESS)


def note_failure(tx: Transaction, name: str, address: str, *, known: bool) -> bool:
    """Note a try that failed; return whether it was the one that locks. The name may be a password typed too early."""
    tx.execute("DELETE FROM failed_sign_in WHERE at < ?", (tx.now - WITHIN,))
    tx.execute("INSERT INTO failed_sign_in (at, name, address) VALUES (?, ?, ?)", (tx.now, fingerprint(name), address))
    who = name if known else "unknown"
    (tries,) = tx.execute(
        "SELECT count(*) FROM failed_sign_in WHERE name = ? AND address = ?", (fingerprint(name), address)
    ).fetchone()
    what = "sign-in-locked" if tries == TRIES else "sign-in-refused"
    audit.record(tx, who, what, f"account:{who}", Outcome.MINOR_FAILURE, address=address)
    return bool(tries == TRIES)


def note_sign_in(  # noqa: PLR0913  # each is a fact of it
    tx: Transaction, name: str, address: str, *, local: bool, step: int | None = None, reason: str | None = None
) -> bool:
    """Note that somebody signed in; False when his one-time code was used by another meanwhile."""
    if local:
        if (
            step is not None
            and not tx.execute(
                "UPDATE account SET totp_used = ? WHERE name = ? AND totp_used < ?", (step, name, step)
            ).rowcount
        ):
            return False
        tx.execute("UPDATE account SET signed_in_at = ? WHERE name = ?", (tx.now, name))
        tx.execute("DELETE FROM failed_sign_in WHERE name = ? AND address = ?", (fingerprint(name), address))
    detail = {"reason": reason} if reason else {}
    audit.record(tx, name, "signed-in", f"account:{name}", address=address, detail=detail)
    return True
