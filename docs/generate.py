"""Writes the pages that are made from tables in the code: `make docs`. A test holds them current."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "house"), str(ROOT / "docs")]

import job_pages  # noqa: E402  # found by the line above
import table  # noqa: E402  # the same

from channels.appointment_states import SWITCHES, TRIGGERS, Change, State  # noqa: E402 - the rooms are found once the path is set
from channels.appointment_states import TRANSITIONS as CELLS  # noqa: E402 - the rooms are found once the path is set
from messages.lifecycle import OPEN, SHARES, TRANSITIONS, Event, Status  # noqa: E402 - the rooms are found once the path is set
from tests.rig import report  # noqa: E402 - the rooms are found once the path is set
from transformers.mapping_schema import KINDS, json_schema  # noqa: E402 - the rooms are found once the path is set


def lifecycle() -> str:
    """Return docs/lifecycle.md."""
    words = _comments(ROOT / "messages" / "lifecycle.py")
    edges = [f"    {before} --> {after}: {event.value}" for (before, event), after in TRANSITIONS.items()]
    rows = [f"| {status} | {words['Status', status.name]} | {'yes' if status in OPEN else ''} |" for status in Status]
    events = [f"| {event.value} | {words['Event', event.name]} |" for event in Event]
    shares = [f"| {name} | {', '.join(sorted(statuses))} |" for name, statuses in SHARES.items()]
    return "\n".join([
        "# The life of a delivery", "",
        "Generated from `messages/lifecycle.py` by `make docs`.", "",
        "A delivery is one message on its way to one destination.",
        "", "```mermaid", "stateDiagram-v2", "    [*] --> RECEIVED: accepted", *edges, "```", "",
        "| status | means | a lane works on it |", "|---|---|---|", *rows, "",
        "| what happens | means |", "|---|---|", *events, "",
        "At every moment `accepted = delivered + filtered + parked + cancelled + pending`:", "",
        "| share | statuses |", "|---|---|", *shares, "",
    ])  # fmt: skip


def appointment_states() -> str:
    """Return docs/appointment-states.md."""
    words = _comments(ROOT / "channels" / "appointment_states.py")
    told = [change for change in Change if change in TRIGGERS]
    heard = [change for change in Change if change not in TRIGGERS]
    edges = [
        f"    {state} --> {cell.to}: {change.value} {cell.rule}"
        for (state, change), cell in CELLS.items()
        if cell.to is not None and cell.to is not state and state not in {State.NONE, State.OUTSIDE}
    ]
    return "\n".join([
        "# The states of an appointment", "",
        "Generated from `channels/appointment_states.py` by `make docs`. See [appointments.md](appointments.md).", "",
        "| state | means |", "|---|---|",
        *(f"| {state} | {words['State', state.name]} |" for state in State), "",
        "`→ STATE Tn`: leads there. `= Tn`: is sent, and the state stays. `~`: nothing is sent. Empty: cannot be;",
        "the message is parked with `ILLEGAL_TRANSITION`, which names both states. `?`: only where the site",
        "says so.", "",
        "| in `values: appointment:` of site.yaml | counts only then |", "|---|---|",
        *(f"| `{word}: true` | {of} in {', '.join(sorted(states))} |" for word, (of, states) in SWITCHES.items()),
        "",
        "## What the patient does in Blume", "", *_grid(told, TRIGGERS), "",
        "The second row is the event that tells PowerServer (HL7 table 0003).", "",
        "## What PowerServer says", "", *_grid(heard, {}), "",
        "## From state to state", "", "```mermaid", "stateDiagram-v2", *edges, "```", "",
    ])  # fmt: skip


def _grid(changes: list[Change], triggers: Mapping[Change, str]) -> list[str]:
    def shown(state: State, change: Change) -> str:
        cell = CELLS[state, change]
        if cell.to is None:
            return ""
        sign = "~" if cell.quiet else "=" if cell.to is state else f"→ {cell.to}"
        switched = any(change is of and state in states for of, states in SWITCHES.values())
        return f"{sign} {cell.rule}".rstrip() + ("?" if switched else "")

    rows = [f"| {state} | {' | '.join(shown(state, change) for change in changes)} |" for state in State]
    told = [f"| | {' | '.join(triggers[change] for change in changes)} |"] if triggers else []
    return [f"| | {' | '.join(changes)} |", "|---" * (len(changes) + 1) + "|", *told, *rows]


def _comments(path: Path) -> dict[tuple[str, str], str]:
    """Return the `#:` comment behind each member of the module's enumerations, by class and name."""
    found, owner = {}, ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("class "):
            owner = line[6:].partition("(")[0]
        name, equals, rest = line.strip().partition(" = ")
        if equals and "#:" in rest:
            found[owner, name] = rest.split("#:", 1)[1].strip()
    return found


def schema(kind: str) -> str:
    """Return mappings/KIND.schema.json, for editors."""
    return json.dumps(json_schema(kind), indent=1, ensure_ascii=False) + "\n"


PAGES = {
    "docs/house.md": table.page,
    "docs/lifecycle.md": lifecycle,
    "docs/appointment-states.md": appointment_states,
    "docs/guarantee.md": report.page,
    "docs/jobs.md": lambda: job_pages.page(_comments, ROOT),
} | {f"mappings/{kind}.schema.json": partial(schema, kind) for kind in KINDS}


def main() -> None:
    """Write all generated pages."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
