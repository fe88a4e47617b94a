"""Who is signed in: kept in this process, by the fingerprint of a token that only the browser holds.

A restart of the console signs everybody out. A session ends when nothing was asked for a while, after its longest time,
at once when its account is disabled or gets a new password, and when the person signs out.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from console.access import Visitor

#: Seconds without a request after which a session ends, and its longest time.
IDLE, LONGEST = 15 * 60.0, 8 * 3600.0
#: The longest time of a session of a break-glass account.
BREAK_GLASS = 3600.0
#: Sessions of one person at once; the oldest ends first.
OF_ONE = 5
#: Seconds for which a message may be read once it was asked for.
READING = 15 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who is signed in. Times are of the clock of `Sessions`."""

    visitor: Visitor
    #: `Account.stamp` at the sign-in; None: signed in by an identity provider.
    stamp: int | None
    must_change: bool = False
    break_glass: bool = False
    ends_at: float
    seen_at: float


class Sessions:
    """The sessions of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}
        #: (session, message id) → until when its body may be read.
        self._reading: dict[tuple[bytes, str], float] = {}
        self._turn = threading.Lock()

    def open(self, visitor: Visitor, *, stamp: int | None, must_change: bool = False, break_glass: bool = False) -> str:
        """Begin a session; return its token, 256 bits, for the cookie."""
        now, token = self._clock(), secrets.token_urlsafe(32)
        session = Session(
            visitor=visitor, stamp=stamp, must_change=must_change, break_glass=break_glass, seen_at=now,
            ends_at=now + (BREAK_GLASS if break_glass else LONGEST),
        )  # fmt: skip
        with self._turn:
            self._forget(now)
            mine = [key for key, other in self._sessions.items() if other.visitor.name == visitor.name]
            for key in mine[: max(0, len(mine) + 1 - OF_ONE)]:
                del self._sessions[key]
            self._sessions[_fingerprint(token)] = session
        return token

    def get(self, token: str) -> Session | None:
        """Return the session of a token, which is now not idle; None when there is none, or it has ended."""
        if not token:
            return None
        now, key = self._clock(), _fingerprint(token)
        with self._turn:
            self._forget(now)
            session = self._sessions.get(key)
            if session is not None:
                self._sessions[key] = session = replace(session, seen_at=now)
        return session

    def close(self, token: str) -> None:
        """End a session."""
        with self._turn:
            self._sessions.pop(_fingerprint(token), None)

    def break_glass_in_use(self) -> list[str]:
        """Return the break-glass accounts that are signed in now: everybody is told."""
        with self._turn:
            return sorted({session.visitor.name for session in self._sessions.values() if session.break_glass})

    def may_read(self, token: str, message: str) -> bool:
        """Tell whether the body of a message was asked for in this session a short while ago."""
        with self._turn:
            return self._reading.get((_fingerprint(token), message), 0.0) > self._clock()

    def let_read(self, token: str, message: str) -> None:
        """Let the body of one message be read for a while."""
        with self._turn:
            self._reading[_fingerprint(token), message] = self._clock() + READING

    def _forget(self, now: float) -> None:
        self._sessions = {
            key: session
            for key, session in self._sessions.items()
            if session.ends_at > now and session.seen_at + IDLE > now
        }
        self._reading = {key: until for key, until in self._reading.items() if until > now}


def _fingerprint(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
