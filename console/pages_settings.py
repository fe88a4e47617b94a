"""What the host was told: accounts, processes, settings of connectors. Of a secret only that it is `set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, render_template

from console import notes
from console.access import needs
from console.desk import desk
from store import accounts, directory

pages = Blueprint("settings", __name__)

_SECRET = re.compile(r"\$\{secret:(\w+)\}")
#: Settings that may hold a secret although they name none; their value is never shown.
_HIDDEN = re.compile(r"(?i)secret|password|token|key$|passphrase")


@pages.get("/settings")
@needs("admin")
def page() -> str:
    """Show what the host was told."""
    return render_template("settings.html", **_settings(), notes=notes.take())


@pages.get("/settings.json")
@needs("admin")
def page_json() -> Response:
    """Return what the host was told."""
    found = _settings()
    shown = ("name", "role", "bodies", "break_glass", "disabled", "must_change", "signed_in_at")
    return jsonify(
        schema=1,
        accounts=[{key: value for key, value in asdict(row).items() if key in shown} for row in found["accounts"]],
        processes=[asdict(row) for row in found["processes"]],
        connectors=found["connectors"],
        sign_in=found["sign_in"],
    )


def _settings() -> dict[str, Any]:
    with desk().reader.snapshot() as connection:
        rows = directory.channels(connection)
        plans = {row.name: directory.plan(connection, row.number, row.revision) for row in rows if row.revision}
        return {
            "accounts": accounts.accounts(connection),
            "processes": directory.processes(connection),
            "connectors": [line for name, plan in plans.items() for line in connectors(name, plan or {})],
            "sign_in": desk().provider is not None,
        }


def connectors(channel: str, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the settings of a plan's connectors, each with what stands in it; of a secret, that it is set.

    >>> plan = {"from": {"connector": "poller", "settings": {"token": "${secret:OMEGA}", "every": 5}}}
    >>> connectors("a", plan)[0]["settings"]
    {'token': 'set (OMEGA)', 'every': '5'}
    """
    parts = [("from", plan.get("from") or {}), *(plan.get("destinations") or {}).items()]
    return [
        {
            "channel": channel,
            "part": name,
            "connector": part.get("connector", ""),
            "settings": {key: _shown(key, value) for key, value in (part.get("settings") or {}).items()},
        }
        for name, part in parts
    ]


def _shown(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_shown(str(key), inner)}" for key, inner in value.items())
    text = str(value)
    if match := _SECRET.fullmatch(text):
        return f"set ({match[1]})"
    return "set" if _HIDDEN.search(name) and value is not None else text
