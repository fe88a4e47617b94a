"""What the console asks to be found out, by our own commands in a process each: see `console.works`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from console.works import CannotTell, Reached, Told, Would

#: Seconds that a page waits; a check of a large site takes two or three.
PATIENCE = 60.0
#: Messages that a page lets a changed file map anew.
REPLAYED = "200"
_FINE = (0, 1, 4)  # done, findings, peer unreachable


class CommandWorks:
    """Runs `plugin-host` for the site that this host runs."""

    def __init__(self, front_door: Path, site: str) -> None:
        self._front_door = front_door
        self._site = site

    def difference(self, channel: str) -> list[str]:
        """See `console.works.Works`."""
        return self._run("diff", channel).decode("utf-8", "replace").splitlines()

    def replay(self, channel: str) -> list[str]:
        """See `console.works.Works`."""
        return self._run("replay", channel, "--last", REPLAYED).decode("utf-8", "replace").splitlines()

    def specification(self, channel: str) -> dict[str, Any]:
        """See `console.works.Works`."""
        return self._json("mapping", "spec", channel)

    def tests(self, channel: str) -> dict[str, Any]:
        """See `console.works.Works`."""
        return self._json("test", channel, "--coverage")

    def would(self, messages: Sequence[str]) -> list[Would]:
        """See `console.works.Works`."""
        return [Would(**one) for one in self._json("messages", "would", *messages)["deliveries"]]

    def reach(self, channel: str) -> list[Reached]:
        """See `console.works.Works`."""
        return [Reached(**one) for one in self._json("reach", channel)["destinations"]]

    def resend(self, message: str, body: bytes, *, by: str, reason: str | None) -> str:
        """See `console.works.Works`."""
        why = ["--reason", reason] if reason else []
        found = self._json("messages", "resend", message, "--with", "-", "--by", by, *why, given=body)
        return str(found["message"])

    def test_alerts(self) -> list[Told]:
        """See `console.works.Works`."""
        return [Told(**one) for one in self._json("alerts", "test")["receivers"]]

    def _json(self, *words: str, given: bytes = b"") -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._run(*words, "--json", given=given))
        return found

    def _run(self, *words: str, given: bytes = b"") -> bytes:
        command = [sys.executable, str(self._front_door), *words, "--site", self._site]
        try:
            done = subprocess.run(  # noqa: S603  # our own program; the words are checked by it
                command, input=given, capture_output=True, timeout=PATIENCE, check=False,
                env={**os.environ, "NO_COLOR": "1"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotTell(f"it took too long, or could not begin ({type(error).__name__})") from None
        if done.returncode not in _FINE:
            raise CannotTell(done.stderr.decode("utf-8", "replace").strip()[:2000] or f"exit code {done.returncode}")
        return done.stdout
