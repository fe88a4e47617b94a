"""What the pages work with: kept with the app, one a process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app

from channels.control import Control
from console.oidc import SignIn
from console.panes import Describe, Explain
from console.reader import Reader
from console.searches import Searches
from console.sessions import Sessions
from console.works import Works


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the pages work with."""

    #: Where the store lies.
    folder: Path
    #: Name of the site.
    name: str
    zone: ZoneInfo
    reader: Reader
    control: Control
    describe: Describe
    explain: Explain
    #: The site's identity provider; None: there are only local accounts.
    provider: SignIn | None = None
    works: Works
    #: What site.yaml says of alerts, without its secrets.
    alert_rules: Mapping[str, Any] | None = None
    #: Reads the token by which a program elsewhere gets `/metrics`; None: none does.
    metrics_token: Callable[[], str] | None = field(default=None, repr=False)
    #: channel → until when (monotonic), and what was found out about its mapping.
    found_out: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    searches: Searches = field(default_factory=Searches)
    sessions: Sessions = field(default_factory=Sessions)
    #: `Control` has one connection: the threads of the console take turns with it.
    turn: threading.Lock = field(default_factory=threading.Lock)


def desk() -> Desk:
    """Return the desk of the app that answers now."""
    found: Desk = current_app.extensions["desk"]
    return found
